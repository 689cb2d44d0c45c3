"""Utterances of the teacher as batches on the device: ids, mels, positions in the text, durations."""
import numpy as np
import torch

from training.tts.speech import FLOOR, HOP_SAMPLES, LogMel, RATE_HZ


def positions(seconds, frames):
    """Seconds of every symbol -> [frames] place in symbols at the centre of every mel frame."""
    edges = np.concatenate([[0], np.cumsum(seconds)])
    return np.interp(np.arange(frames) * HOP_SAMPLES / RATE_HZ, edges, np.arange(len(edges))).astype(np.float32)


class Utterances:
    """Owns mels and places of all utterances as flat tensors; batch() gathers padded batches of like length."""

    def __init__(self, rows, audio, table, voices=(), max_s=14.0):
        """voices: names of the speakers in the order of the network's rows; none: all rows are the first's."""
        device = audio.device
        rows = [r for r in rows if 0.5 < r["samples"] / RATE_HZ < max_s and all(c in table for c in r["symbols"])]
        mel_of = LogMel().to(device)
        mels, places, ids, frames = [], [], [], []
        for r in rows:
            with torch.no_grad():
                mel = mel_of(audio[r["start"]:r["start"] + r["samples"]].float()[None] / 32768)[0].T
            mels.append(mel.half())
            places.append(torch.from_numpy(positions(r["seconds"], len(mel))))
            ids.append(torch.tensor([table[c] for c in r["symbols"]]))
            frames.append(torch.tensor(r["seconds"]) * RATE_HZ / HOP_SAMPLES)
        self.rows, self.device = rows, device
        self.speaker = torch.tensor([voices.index(r["speaker"]) if len(voices) > 1 else 0 for r in rows], device=device)
        self.num_frames, self.num_symbols = [len(m) for m in mels], [len(i) for i in ids]
        floor = torch.full((1, mels[0].shape[1]), FLOOR, dtype=torch.half, device=device)
        self.mels = torch.cat(mels + [floor])
        self.places = torch.cat(places + [torch.zeros(1)]).to(device)
        self.ids = torch.cat(ids + [torch.zeros(1, dtype=torch.long)]).to(device)
        self.frames = torch.cat(frames + [torch.ones(1)]).to(device)
        start = lambda counts: torch.tensor(np.concatenate([[0], np.cumsum(counts)[:-1]]), device=device)
        self.first_frame, self.first_symbol = start(self.num_frames), start(self.num_symbols)

    def groups(self, budget, rng):
        """Lists of utterances of like length, at most `budget` padded frames each, in random order."""
        keys = np.array(self.num_frames) * rng.uniform(0.93, 1.07, len(self.rows))
        out, group, longest = [], [], 0
        for i in np.argsort(keys):
            longest = max(longest, self.num_frames[i])
            if group and (len(group) + 1) * longest > budget:
                out.append(group)
                group, longest = [], self.num_frames[i]
            group.append(int(i))
        if group:
            out.append(group)
        rng.shuffle(out)
        return out

    def batch(self, group):
        """-> dict: ids [B, N], mel [B, T, 80], place [B, T], frames [B, N], symbols [B] (host), length [B], speaker [B]."""
        pick = torch.tensor(group, device=self.device)
        symbols = torch.tensor([self.num_symbols[i] for i in group])
        length = torch.tensor([self.num_frames[i] for i in group]).to(self.device)
        n = torch.arange(int(symbols.max()), device=self.device)[None]
        t = torch.arange(max(self.num_frames[i] for i in group), device=self.device)[None]
        at = torch.where(n < symbols.to(self.device)[:, None], self.first_symbol[pick][:, None] + n, len(self.ids) - 1)
        when = torch.where(t < length[:, None], self.first_frame[pick][:, None] + t, len(self.mels) - 1)
        last = self.first_frame[pick] + length - 1
        place = self.places[torch.minimum(self.first_frame[pick][:, None] + t, last[:, None])]
        return dict(ids=self.ids[at], mel=self.mels[when].float(), place=place, frames=self.frames[at],
                    symbols=symbols, length=length, speaker=self.speaker[pick])
