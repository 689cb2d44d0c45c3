#!/usr/bin/env python3
"""Golden data of Tacotron 2 and letter-to-sound from their pack, by PyTorch on the CPU.

    python3 -m training.tts.golden PACK OUT_DIR [--net TACOTRON.pt]

OUT_DIR/NAME.safetensors, NAME being the pack's folder: for one sentence, the pack's weights expanded to f32, all arithmetic f32,
  weights_sha256 I32 [8], ids I32 [N], encoder [N, 256], log_frames [N]
  mel_before [40, 80], alignment [40, N], stop [40]: the published loop with the window guard, no dropout
  mel_after [40, 80]: the post-net on mel_before
  mel [T, 80]: the whole sentence after the post-net, at most 400 frames
and of a pack of several voices, whose first one that is, last_encoder, last_log_frames and last_mel_before of its last voice
OUT_DIR/NAME-g2p.safetensors: weights_sha256 of g2p.safetensors, and for every word W of the header's list `W.ids` I32 and
`W.logits` [3 L, classes]. With a checkpoint it also says what INT8 costs beside the f32 weights.
"""
import argparse
import os

import torch

from training.common.digest import sha256_of
from training.tts import pack
from training.tts.export import restored, tensors
from training.tts.g2p import LETTERS, LetterToSound, spoken
from training.tts.model import Tacotron2

SENTENCE = "^jʊɹ ˈɔɹdəɹ wɪl bi ɹˈɛdi ɪn fˈIv mˈɪnəts.$"
WORDS = ("antiphon", "qwertyish", "o'malley", "a", "zyzzyva")
STEPS = 40


@torch.no_grad()
def golden(net, ids):
    lengths = torch.tensor([len(ids)])
    enc = net.encode(ids[None], lengths)
    key = net.key(enc)
    out = dict(ids=ids.int(), encoder=enc[0], log_frames=net.durations(enc)[0])
    after, before, _, align, _ = net.synthesise(ids[None], lengths, steps=STEPS)
    out.update(mel_before=before[0], mel_after=after[0], alignment=align[0])
    # the stop token from the contexts of the same run, all steps at once
    frames = torch.cat([torch.zeros(1, 1, 80), before[:, :-1]], 1)
    prev = torch.cat([torch.zeros_like(align[:, :1]), align[:, :-1]], 1)
    mel, stop, _ = net.decode(enc, key, frames, prev @ enc, prev, prev.cumsum(1), align > 0, align, 0.0)
    gap = (mel - before).abs().max().item()
    assert gap < 2e-3, f"loop and whole sequence differ by {gap}"
    out["stop"] = torch.sigmoid(stop[0])
    whole, _, frames, _, _ = net.synthesise(ids[None], lengths, limit=400)
    out["mel"] = whole[0, :int(frames[0])]
    if len(net.speakers):
        last = torch.tensor([net.speakers[0].num_embeddings - 1])
        enc = net.encode(ids[None], lengths, last)
        out.update(last_encoder=enc[0], last_log_frames=net.durations(enc)[0])
        out["last_mel_before"] = net.synthesise(ids[None], lengths, steps=STEPS, speaker=last)[1][0]
    return out


@torch.no_grad()
def pronunciations(path):
    """Golden values of letter-to-sound, and what the words are said to sound like."""
    weights, metadata = pack.read(path)
    net = LetterToSound(len(metadata["phonemes"])).eval()
    net.load_state_dict(weights)
    out, said = {"weights_sha256": sha256_of(path)}, {}
    for word in WORDS:
        x = torch.tensor([[LETTERS.index(c) + 1 for c in word]])
        out[f"{word}.ids"], out[f"{word}.logits"] = x[0].int(), net(x)[0].contiguous()
        said[word] = spoken(net, x, metadata["phonemes"])[0]
    return out, said


def cost(path, out, table):
    """Largest difference of the frames by a checkpoint's own f32 weights from golden ones, in nats."""
    saved = torch.load(path, map_location="cpu")
    net = Tacotron2(len(table), **saved["shape"]).eval()
    net.load_state_dict(saved["net"])
    return (golden(restored(tensors(net), len(table)), out["ids"].long())["mel_before"] - out["mel_before"]).abs().max().item()


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("pack"), ap.add_argument("out"), ap.add_argument("--net")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    name, path = os.path.basename(os.path.normpath(a.pack)), os.path.join(a.pack, "weights.safetensors")
    weights, metadata = pack.read(path)
    table = {c: i + 1 for i, c in enumerate(metadata["symbols"])}
    ids = torch.tensor([table[c] for c in SENTENCE if c in table])
    out = golden(restored(weights, len(table)), ids)
    pack.save(os.path.join(a.out, f"{name}.safetensors"), out | {"weights_sha256": sha256_of(path)})
    print(f"{len(ids)} symbols, {len(out['mel'])} frames")
    if a.net:
        print(f"40 frames by the checkpoint's f32 weights differ by {cost(a.net, out, table):.3f} nats at most")
    path = os.path.join(a.pack, "g2p.safetensors")
    if os.path.exists(path):
        out, said = pronunciations(path)
        pack.save(os.path.join(a.out, f"{name}-g2p.safetensors"), out, said)
        print(said)


if __name__ == "__main__":
    main()
