"""What Tacotron 2 predicts of recorded speech, frame by frame: the vocoder learns to speak from its mels as well as from real ones.

Every frame hears the network's own frame before it (from a first pass, which hears the real one) and the network's own attention near the
known place, so mels stay in time with the recording and are as smooth as those of synthesis.
"""
import os
import tomllib

import numpy as np
import torch

from training.tts.batches import Utterances
from training.tts.model import Tacotron2, alignment, shifted
from training.tts.train import LOOK_AHEAD, LOOK_BACK, begun


def spoken_by(path, device):
    """A checkpoint of training/tts, or a pack's weights with its manifest beside them -> network in evaluation, symbols' ids, voices."""
    if path.endswith(".pt"):
        saved = torch.load(path, map_location=device)
    else:
        with open(os.path.join(os.path.dirname(path), "manifest.toml"), "rb") as f:
            saved = begun(path) | dict(voices=tomllib.load(f)["tts"]["voices"])
    net = Tacotron2(len(saved["table"]), **saved["shape"]).to(device).eval()
    net.load_state_dict(saved["net"])
    return net, saved["table"], saved.get("voices", [])


@torch.no_grad()
def mels_of(net, b):
    """A batch of Utterances -> mels [B, T, 80]."""
    count, (_, N) = b["symbols"].to(b["mel"].device), b["ids"].shape
    enc = net.encode(b["ids"], b["symbols"], b["speaker"])
    key, known, n = net.key(enc), alignment(b["place"], count, N), torch.arange(N, device=count.device)
    at = b["place"][..., None].floor()
    allowed = (n >= at - LOOK_BACK) & (n <= at + LOOK_AHEAD) & (n < count[:, None])[:, None]
    frames, before = shifted(b["mel"]), shifted(known)
    for _ in range(2):
        mel, _, log_w = net.decode(enc, key, frames, before @ enc, before, before.cumsum(1), allowed, known, 1.0)
        frames, before = shifted(mel), shifted(log_w.exp())
    on = torch.arange(mel.shape[1], device=mel.device)[None, :, None] < b["length"][:, None, None]
    return net.postnet(mel, on)


class Predicted:
    """Owns the mels of all rows that the network knows: `mels` [frames, 80] f16, `rows` of them, first frame and number of each."""

    def __init__(self, path, rows, audio, budget=24000):
        net, table, voices = spoken_by(path, audio.device)
        data = Utterances([r for r in rows if len(voices) < 2 or r["speaker"] in voices], audio, table, voices)
        self.rows, self.count = data.rows, data.num_frames
        self.first = data.first_frame
        self.mels = data.mels.clone()
        for group in data.groups(budget, np.random.default_rng(0)):
            with torch.autocast(audio.device.type, torch.bfloat16):
                made = mels_of(net, data.batch(group)).half()
            for i, mel in zip(group, made):
                at = int(data.first_frame[i])
                self.mels[at:at + data.num_frames[i]] = mel[:data.num_frames[i]]
