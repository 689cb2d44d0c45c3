#!/usr/bin/env python3
"""Makes the pack tts-en: weights.safetensors, g2p.safetensors, lexicon.tsv.zst, manifest.toml.

    python3 -m training.tts.export TACOTRON.pt PACK --g2p OUT/g2p.safetensors --lexicon LEXICON.tsv [--way plain]

Names of the weights are those of NVIDIA's published Tacotron 2; every BatchNorm is folded into the convolution
before it; `duration.*` is the added head, `speaker.embedding.weight` and `speaker.encoding.weight` the rows of several voices.
Matrices and convolutions are I8 with a scale per output row, embeddings, those rows and biases F32. lexicon.tsv.zst is one zstd frame
of lines `word<TAB>phonemes`, sorted by bytes.
"""
import argparse
import hashlib
import os
import shutil
import subprocess

import torch

from training.tts import pack
from training.tts.model import AHEAD, BACK, STALL_FACTOR, STALL_FRAMES, WIDTH, Tacotron2


SPEAKER = ("embedding", "encoding")


def tensors(net):
    """-> f32 weights under NVIDIA's names."""
    out = {"embedding.weight": net.embed.weight}
    for i, (conv, norm) in enumerate(zip(net.convs, net.norms)):
        out[f"encoder.convolutions.{i}.0.conv.weight"], out[f"encoder.convolutions.{i}.0.conv.bias"] = pack.folded(conv, norm)
    for name, value in net.encoder.named_parameters():
        out[f"encoder.lstm.{name}"] = value
    for i, layer in enumerate(net.pre):
        out[f"decoder.prenet.layers.{i}.linear_layer.weight"] = layer.weight
    for ours, theirs in (("att_rnn", "attention_rnn"), ("dec_rnn", "decoder_rnn")):
        for name, value in getattr(net, ours).named_parameters():
            out[f"decoder.{theirs}.{name.removesuffix('_l0')}"] = value
    inside = "decoder.attention_layer"
    out[f"{inside}.query_layer.linear_layer.weight"] = net.query.weight
    out[f"{inside}.memory_layer.linear_layer.weight"] = net.key.weight
    out[f"{inside}.v.linear_layer.weight"] = net.score.weight
    out[f"{inside}.location_layer.location_conv.conv.weight"] = net.loc_conv.weight
    out[f"{inside}.location_layer.location_dense.linear_layer.weight"] = net.loc.weight
    for ours, theirs in ((net.mel, "linear_projection"), (net.stop, "gate_layer")):
        out[f"decoder.{theirs}.linear_layer.weight"], out[f"decoder.{theirs}.linear_layer.bias"] = ours.weight, ours.bias
    for i, (conv, norm) in enumerate(zip(net.post, net.post_norms)):
        out[f"postnet.convolutions.{i}.0.conv.weight"], out[f"postnet.convolutions.{i}.0.conv.bias"] = pack.folded(conv, norm)
    for part in ("conv", "out"):
        layer = getattr(net, f"duration_{part}")
        out[f"duration.{part}.weight"], out[f"duration.{part}.bias"] = layer.weight, layer.bias
    for table, part in zip(net.speakers, SPEAKER):
        out[f"speaker.{part}.weight"] = table.weight
    return {k: v.detach() for k, v in out.items()}


def shape_of(weights):
    """The widths of a network from its weights by NVIDIA's names."""
    size = lambda name, axis=0: weights[name].shape[axis]
    return dict(enc=size("embedding.weight", 1), rnn=size("decoder.attention_rnn.weight_hh", 1),
                pre=size("decoder.prenet.layers.0.linear_layer.weight"),
                att=size("decoder.attention_layer.query_layer.linear_layer.weight"),
                loc=size("decoder.attention_layer.location_layer.location_conv.conv.weight"),
                post=size("postnet.convolutions.0.0.conv.weight"),
                speakers=size("speaker.embedding.weight") if "speaker.embedding.weight" in weights else 1)


def restored(weights, symbols):
    """Weights by NVIDIA's names -> a network in evaluation whose BatchNorms do nothing."""
    net = Tacotron2(symbols, **shape_of(weights)).eval()
    with torch.no_grad():
        for norm in list(net.norms) + list(net.post_norms):
            norm.eps = 0.0  # mean 0, variance 1, weight 1, bias 0 from the start
        for i, conv in enumerate(net.convs):
            conv.weight.copy_(weights[f"encoder.convolutions.{i}.0.conv.weight"])
            conv.bias.copy_(weights[f"encoder.convolutions.{i}.0.conv.bias"])
        for i, conv in enumerate(net.post):
            conv.weight.copy_(weights[f"postnet.convolutions.{i}.0.conv.weight"])
            conv.bias.copy_(weights[f"postnet.convolutions.{i}.0.conv.bias"])
        for name, view in tensors(net).items():
            if "convolutions" not in name:
                view.copy_(weights[name])
    return net


def keep(name):
    return torch.float32 if name.endswith(("embedding.weight", "encoding.weight")) else None


def manifest(folder, table, voices, way, report, note=""):
    symbols = "".join(sorted(table, key=table.get))
    lines = ['name = "tts-en"', 'kind = "tts"', "version = 1", 'licence = "Apache-2.0"',
             'source = "trained by training/tts on speech of Kokoro-82M (Apache-2.0), ' + ("voices " + " and ".join(voices) if len(voices) > 1 else f"voice {voices[0]}") + '"'] + [f"note = {pack.quoted(note)}"] * bool(note)
    lines += ["", "[tts]", f"symbols = {pack.quoted(symbols)}  # id 1 is the first; ^ and $ are the silences at both ends",
             "voices = [" + ", ".join(map(pack.quoted, voices)) + "]", "rate_hz = 22050", "hop_samples = 256", "mel_bins = 80",
             f"prenet_dropout = {'true' if way == 'dropout' else 'false'}",
             f'alignment = "{"durations" if way == "durations" else "attention"}"',
             f"attention_back = {BACK}", f"attention_ahead = {AHEAD}", f"alignment_width = {WIDTH}",
             f"stall_factor = {STALL_FACTOR}", f"stall_frames = {STALL_FRAMES}", "stop_threshold = 0.5", "max_frames = 1500",
             "", "[files]"]
    for name in sorted(os.listdir(folder)):
        if name != "manifest.toml":
            data = open(os.path.join(folder, name), "rb").read()
            lines.append(f'"{name}" = {{ bytes = {len(data)}, sha256 = "{hashlib.sha256(data).hexdigest()}" }}')
    lines += ["", "[accuracy]"] + [f"{k} = {v}" for k, v in report.items()]
    with open(os.path.join(folder, "manifest.toml"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("net"), ap.add_argument("pack"), ap.add_argument("--g2p"), ap.add_argument("--lexicon")
    ap.add_argument("--way", choices=["plain", "dropout", "durations"], default="plain", help="of synthesis, see speak.py")
    ap.add_argument("--accuracy", action="append", default=[], help="NAME=NUMBER for the manifest")
    ap.add_argument("--note", default="", help="a sentence for the manifest")
    a = ap.parse_args()
    os.makedirs(a.pack, exist_ok=True)
    saved = torch.load(a.net, map_location="cpu")
    net = Tacotron2(len(saved["table"]), **saved["shape"]).eval()
    net.load_state_dict(saved["net"])
    symbols = "".join(sorted(saved["table"], key=saved["table"].get))
    pack.write(os.path.join(a.pack, "weights.safetensors"), tensors(net), dict(symbols=symbols), keep)
    if a.g2p:
        shutil.copyfile(a.g2p, os.path.join(a.pack, "g2p.safetensors"))
    if a.lexicon:
        out = os.path.join(a.pack, "lexicon.tsv.zst")
        subprocess.run(["zstd", "-q", "-f", "--ultra", "-22", "--no-progress", a.lexicon, "-o", out], check=True)
    manifest(a.pack, saved["table"], saved.get("voices", ["af_heart"]), a.way, dict(x.split("=", 1) for x in a.accuracy), a.note)
    total = sum(os.path.getsize(os.path.join(a.pack, f)) for f in os.listdir(a.pack))
    print(f"{a.pack}: {total} bytes, budget 9000000")
    if total > 9_000_000:
        raise SystemExit("over the budget")


if __name__ == "__main__":
    main()
