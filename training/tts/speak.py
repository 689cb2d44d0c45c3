#!/usr/bin/env python3
"""Speaks sentences with a trained Tacotron 2 and vocoder; reports how the attention walked.

    python3 -m training.tts.speak OUT/tacotron.pt LIST.tsv SAID --vocoder VOC/vocoder.pt [--ways plain,dropout,durations]

LIST: `id<TAB>text<TAB>phonemes`. Each way of synthesis writes its own folder SAID/WAY with ID.wav, list.tsv (id, text)
and walk.json: frames, whether it ended by itself, the share of symbols visited, steps back, the last peak's distance
from the end. The first sentences also give a picture of their attention where matplotlib is there.
  plain      the published loop with the window guard, no dropout in the prenet
  dropout    the same with dropout
  durations  the alignment of the predicted durations, no dropout
"""
import argparse
import json
import os
import time

import torch

from training.tts.model import Tacotron2
from training.tts.speech import write_wav
from training.vocoder.model import of

LIMIT = 1500  # frames, 17 s


def load_vocoder(path, device):
    saved = torch.load(path, map_location=device)
    voc = of(saved["config"]).to(device).eval()
    voc.load_state_dict(saved["net"])
    return voc


def ids_of(symbols, table):
    """Symbols the network never heard are left out: they stall the attention."""
    symbols = symbols if symbols.startswith("^") else f"^{symbols}$"
    return torch.tensor([table[c] for c in symbols if c in table])


def picture(path, weights):
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure = plt.figure(figsize=(8, 4))
    plt.imshow(weights.T.cpu().numpy(), aspect="auto", origin="lower", interpolation="nearest")
    plt.xlabel("frame"), plt.ylabel("symbol")
    figure.savefig(path, dpi=70)
    plt.close(figure)


def speak(net, table, items, device, way, voc, out, sigma, pictures, voice=0):
    os.makedirs(out, exist_ok=True)
    walks = []
    for first in range(0, len(items), 40):
        part = items[first:first + 40]
        ids = [ids_of(p, table) for _, _, p in part]
        lengths = torch.tensor([len(i) for i in ids])
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True).to(device)
        mel, _, frames, align, done = net.synthesise(padded, lengths, way == "dropout", way == "durations", LIMIT,
                                                     speaker=torch.full((len(part),), voice, device=device))
        for j, (name, text, _) in enumerate(part):
            T, N = int(frames[j]), int(lengths[j])
            peak = align[j, :T].argmax(-1)
            walks.append(dict(id=name, frames=T, symbols=N, ended=bool(done[j]), seen=round(len(set(peak.tolist())) / N, 3),
                              back=int((peak[1:] < peak[:-1]).sum()), short=N - 1 - int(peak[-1])))
            if first + j < pictures:
                picture(f"{out}/{name}.png", align[j, :T, :N])
            if voc is not None:
                with torch.no_grad():
                    x = voc(mel[j, :T].T[None].float(), sigma=sigma)[0]
                write_wav(f"{out}/{name}.wav", x.cpu())
    with open(f"{out}/list.tsv", "w", encoding="utf-8") as f:
        f.writelines(f"{name}\t{text}\n" for name, text, _ in items)
    with open(f"{out}/walk.json", "w", encoding="utf-8") as f:
        json.dump(walks, f)
    share = lambda key: round(sum(w[key] for w in walks) / len(walks), 4)
    return dict(way=way, sentences=len(walks), ended=share("ended"), seen=share("seen"), back=share("back"),
                short=share("short"), frames_per_symbol=round(sum(w["frames"] for w in walks) / sum(w["symbols"] for w in walks), 2))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("net"), ap.add_argument("list"), ap.add_argument("out"), ap.add_argument("--vocoder")
    ap.add_argument("--ways", default="plain,dropout,durations"), ap.add_argument("--device", default="cuda")
    ap.add_argument("--sigma", type=float, default=0.0), ap.add_argument("--pictures", type=int, default=4)
    ap.add_argument("--voice", help="default: the checkpoint's first")
    ap.add_argument("--limit", type=int, default=10**9)
    a = ap.parse_args()
    torch.manual_seed(1)
    saved = torch.load(a.net, map_location=a.device)
    table = saved["table"]
    net = Tacotron2(len(table), **saved["shape"]).to(a.device).eval()
    net.load_state_dict(saved["net"])
    voices = saved.get("voices", [])
    if a.voice and a.voice not in voices:
        raise SystemExit(f"--voice {a.voice}: {a.net} has {', '.join(voices) or 'one without a name'}")
    voice = voices.index(a.voice) if a.voice else 0
    voc = load_vocoder(a.vocoder, a.device) if a.vocoder else None
    items = [line.rstrip("\n").split("\t")[:3] for line in open(a.list, encoding="utf-8")][:a.limit]
    for way in a.ways.split(","):
        began = time.time()
        report = speak(net, table, items, a.device, way, voc, os.path.join(a.out, way), a.sigma, a.pictures, voice)
        print(json.dumps(dict(report, took_s=round(time.time() - began, 1))), flush=True)


if __name__ == "__main__":
    main()
