"""Whisper's encoder, and its decoder, -> the weights that a Listener begins with.

    python3 -m training.asr.whisper MODEL_DIR OUT.npz --data DATA [--pieces PIECES.txt --layers 0 2 3]      # MODEL_DIR: model.bin of CTranslate2, float16

Whisper hears other features than ours: other bands, another window, another logarithm. A matrix between the two, fitted by least squares on
people's speech, is folded into its first convolution, so that nothing else of it changes.
"""
import argparse
import json
import os
import struct

import numpy as np
import torch

from ..common.data import corpus_rows, decode
from .listener import Listener
from .model import HOP, MELS, RATE, WINDOW, LogMel
from .pieces import Pieces
from .speller import PLACES

LAYERS = 4  # tiny


def slaney_filters(bins=MELS, fft=WINDOW, rate=RATE):
    """[bins, fft / 2 + 1] f32 triangles of equal area on Slaney's mel scale: linear to 1 kHz, then 27 steps to a factor of 6.4."""
    top = 15 + 27 * np.log(rate / 2 / 1000) / np.log(6.4)
    mel = np.linspace(0, top, bins + 2)
    hz = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
    f = np.linspace(0, rate / 2, fft // 2 + 1)[None]
    rise, fall = (f - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None], (hz[2:, None] - f) / (hz[2:] - hz[1:-1])[:, None]
    return torch.from_numpy((np.maximum(np.minimum(rise, fall), 0) * 2 / (hz[2:] - hz[:-2])[:, None]).astype(np.float32))


def whisper_mel(x):
    """[B, n] f32, n a multiple of 640 -> [B, 80, n / 160]: log10 of the power, 8 under each utterance's loudest at least."""
    spec = torch.stft(x, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)[..., :-1]
    mel = (slaney_filters() @ spec.abs().square()).clamp_min(1e-10).log10()
    return (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8) + 4) / 4


def fitted(data, corpora=("librispeech_mini", "commonvoice_v6_sample"), count=150, ridge=1e-5):
    """Matrix [80, 80] and offset [80] from our features to Whisper's, and the share of their spread that they tell."""
    ours, theirs, ours_of = [], [], LogMel()
    for corpus in corpora:
        pcm = decode(os.path.join(data, "speech", corpus + ".opus"))
        for r in corpus_rows(data, corpus)[:count]:
            at, n = int(r["start_sample"]), int(r["num_samples"]) // 640 * 640
            x = torch.from_numpy(pcm[at:at + n].copy()).float()[None] / 32768
            ours.append(ours_of(x)[0].T)
            theirs.append(whisper_mel(x)[0].T)
    a, b = torch.cat(ours).double(), torch.cat(theirs).double()
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = a - mean_a, b - mean_b
    gram = a.T @ a
    matrix = torch.linalg.solve(gram + ridge * gram.trace() / MELS * torch.eye(MELS), a.T @ b).T
    told = 1 - ((b - a @ matrix.T) ** 2).sum() / (b ** 2).sum()
    return matrix.float(), (mean_b - matrix @ mean_a).float(), float(told)


NAMES = dict(conv1="encoder/conv1", conv2="encoder/conv2", norm="encoder/layer_norm")
BLOCK = dict(norm1="self_attention/layer_norm", qkv="self_attention/linear_0", mix="self_attention/linear_1", norm2="ffn/layer_norm",
             up="ffn/linear_0", down="ffn/linear_1")


def read_model(path):
    """{name: array} of a CTranslate2 model, format version 6 (its loader, models/model.cc, is the description)."""
    types = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
    with open(path, "rb") as f:
        take = lambda kind: struct.unpack("<" + kind, f.read(struct.calcsize("<" + kind)))[0]
        text = lambda: f.read(take("H"))[:-1].decode()
        version, spec, _ = take("I"), text(), take("I")
        if version != 6 or spec != "WhisperSpec":
            raise ValueError(f"{path}: {spec} of format {version}; wanted WhisperSpec of format 6")
        found = {}
        for _ in range(take("I")):
            name = text()
            shape = [take("I") for _ in range(take("B"))]
            kind, size = take("B"), take("I")
            found[name] = np.frombuffer(f.read(size), types[kind]).reshape(shape)
    return found


def encoder_of(found):
    """The state of a Listener's encoder, but for the features."""
    names = {f"blocks.{i}.{ours}": f"encoder/layer_{i}/{theirs}" for i in range(LAYERS) for ours, theirs in BLOCK.items()}
    state = {}
    for ours, theirs in {**NAMES, **names}.items():
        gamma = theirs + "/gamma" in found
        weight, bias = (torch.from_numpy(found[theirs + part].astype(np.float32)) for part in (("/gamma", "/beta") if gamma else ("/weight", "/bias")))
        parts = [(ours, weight, bias)]
        if ours.endswith("qkv"):
            parts = [(ours[:-3] + name, w, b) for name, w, b in zip(("query", "key", "value"), weight.chunk(3), bias.chunk(3))]
        for name, w, b in parts:
            state[name + ".weight"] = w
            if not name.endswith(".key"):  # has none in Whisper
                state[name + ".bias"] = b
    return state


SPELL = dict(norm1="self_attention/layer_norm", mix="self_attention/linear_1", norm2="attention/layer_norm", ask="attention/linear_0",
             answer="attention/linear_2", norm3="ffn/layer_norm", up="ffn/linear_0", down="ffn/linear_1")


def speller_of(found, tokens, layers):
    """The state of a Speller with these of Whisper's layers and tokens (rows of its vocabulary)."""
    get = lambda name: torch.from_numpy(found["decoder/" + name].astype(np.float32))
    state = {"piece.weight": get("embeddings/weight")[tokens], "place": get("position_encodings/encodings")[:PLACES],
             "norm.weight": get("layer_norm/gamma"), "norm.bias": get("layer_norm/beta")}
    for ours, theirs in enumerate(layers):
        block, layer = f"blocks.{ours}.", f"layer_{theirs}/"
        for name, part in SPELL.items():
            kinds = ("gamma", "beta") if "norm" in name else ("weight", "bias")
            state |= {f"{block}{name}.{k}": get(f"{layer}{part}/{kind}") for k, kind in zip(("weight", "bias"), kinds)}
        for part, names in (("self_attention/linear_0", ("query", "key", "value")), ("attention/linear_1", ("heard_key", "heard_value"))):
            weight, bias = (get(f"{layer}{part}/{kind}").chunk(len(names)) for kind in ("weight", "bias"))
            for name, w, b in zip(names, weight, bias):
                state[f"{block}{name}.weight"] = w
                if not name.endswith("key"):  # has none in Whisper
                    state[f"{block}{name}.bias"] = b
    return state


def tokens_of(folder, pieces):
    """Whisper's numbers of our pieces."""
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        known = json.load(f)["model"]["vocab"]
    marks = {"<end>": 50256, "<begin>": 50257, "<text>": 50362}  # of the English models
    return [marks[name] if name in marks else known[name.replace(" ", "\u0120")] for name in pieces.names]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("model"), ap.add_argument("out")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--pieces", help="what training.asr.pieces wrote: the attention decoder too")
    ap.add_argument("--layers", nargs="+", type=int, default=[0, 1, 2, 3], help="of the attention decoder, which begin with these of Whisper's")
    a = ap.parse_args()
    found = read_model(os.path.join(a.model, "model.bin"))
    state = encoder_of(found)
    matrix, offset, told = fitted(a.data)
    first = state["conv1.weight"]
    state["conv1.weight"] = torch.einsum("ojk,ji->oik", first, matrix)
    state["conv1.bias"] = state["conv1.bias"] + torch.einsum("ojk,j->o", first, offset)
    missing, unexpected = Listener().load_state_dict(state, strict=False)
    if unexpected or any(n.startswith(("blocks", "conv")) for n in missing):
        raise SystemExit(f"not Whisper tiny's encoder: {unexpected or missing}")
    if a.pieces:
        state |= {"speller." + k: v for k, v in speller_of(found, tokens_of(a.model, Pieces(a.pieces)), a.layers).items()}
    np.savez(a.out, **{k: v.half().numpy() for k, v in state.items()})
    print(json.dumps(dict(weights=sum(v.numel() for v in state.values()), bytes=os.path.getsize(a.out), told=round(told, 4))))


if __name__ == "__main__":
    main()
