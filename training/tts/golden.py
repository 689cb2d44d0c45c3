#!/usr/bin/env python3
"""Golden data of Tacotron 2 and letter-to-sound from the pack: tests/golden/tts/*.safetensors.

    python3 -m training.tts.golden PACK OUT_DIR [--net TACOTRON.pt]

tacotron_i8.safetensors, weights of the pack expanded to f32, all arithmetic f32, for one sentence:
  ids [N] i32; encoder [N, 256]; log_frames [N]
  mel_before [40, 80], alignment [40, N], stop [40]: the published loop with the window guard, no dropout
  mel_before_dropped [40, 80] with masks [40, 2, 128] (0 or 2 after each prenet layer)
  mel_after [40, 80]: the post-net on mel_before; mel_durations [40, 80]: before the post-net, alignment by durations
  mel [T, 80]: the whole sentence after the post-net, at most 400 frames
tacotron_f32.safetensors: the same from the checkpoint's own weights. g2p.safetensors: for every word W of the
header's list `W.ids` i32 and `W.logits` [3 L, classes].
"""
import argparse
import os

import torch

from training.tts import pack
from training.tts.export import restored, tensors
from training.tts.g2p import LETTERS, LetterToSound, spoken
from training.tts.model import Tacotron2, drop_masks

SENTENCE = "^jʊɹ ˈɔɹdəɹ wɪl bi ɹˈɛdi ɪn tˈɛn mˈɪnəts.$"
WORDS = ("antiphon", "qwertyish", "o'malley", "a", "zyzzyva")
STEPS = 40


@torch.no_grad()
def golden(net, ids):
    torch.manual_seed(7)
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
    masks = [drop_masks((1, 1), 1.0, "cpu", net.pre[0].out_features) for _ in range(STEPS)]
    dropped = net.synthesise(ids[None], lengths, masks=masks, steps=STEPS)[1]
    out.update(stop=torch.sigmoid(stop[0]), mel_before_dropped=dropped[0],
               masks=torch.stack([torch.cat([m[0][:, 0], m[1][:, 0]]) for m in masks]))
    out["mel_durations"] = net.synthesise(ids[None], lengths, by_durations=True, steps=STEPS)[1][0]
    whole, _, frames, _, _ = net.synthesise(ids[None], lengths, limit=400)
    out["mel"] = whole[0, :int(frames[0])]
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("pack"), ap.add_argument("out"), ap.add_argument("--net")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    weights, metadata = pack.read(os.path.join(a.pack, "weights.safetensors"))
    table = {c: i + 1 for i, c in enumerate(metadata["symbols"])}
    ids = torch.tensor([table[c] for c in SENTENCE if c in table])
    sets = {"i8": weights}
    if a.net:
        saved = torch.load(a.net, map_location="cpu")
        net = Tacotron2(len(table), **saved["shape"]).eval()
        net.load_state_dict(saved["net"])
        sets["f32"] = tensors(net)
        with torch.no_grad():  # folding changes nothing
            lengths = torch.tensor([len(ids)])
            gap = net.synthesise(ids[None], lengths, steps=8)[0] - restored(sets["f32"], len(table)).synthesise(ids[None], lengths, steps=8)[0]
        assert gap.abs().max() < 2e-3, gap.abs().max()
    for name, part in sets.items():
        pack.save(os.path.join(a.out, f"tacotron_{name}.safetensors"), golden(restored(part, len(table)), ids))
    path = os.path.join(a.pack, "g2p.safetensors")
    if os.path.exists(path):
        weights, metadata = pack.read(path)
        net = LetterToSound(len(metadata["phonemes"])).eval()
        net.load_state_dict(weights)
        out, said = {}, {}
        with torch.no_grad():
            for word in WORDS:
                x = torch.tensor([[LETTERS.index(c) + 1 for c in word]])
                out[f"{word}.ids"], out[f"{word}.logits"] = x[0].int(), net(x)[0].contiguous()
                said[word] = spoken(net, x, metadata["phonemes"])[0]
        pack.save(os.path.join(a.out, "g2p.safetensors"), out, said)
        print(said)


if __name__ == "__main__":
    main()
