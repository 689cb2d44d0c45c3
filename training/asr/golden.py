"""Golden data of the recogniser from its pack: a person's speech -> features -> log-probabilities by PyTorch on the CPU.

    python3 -m training.asr.golden PACK OUT_DIR --data DATA [--checkpoint CHECKPOINT.pt]

OUT_DIR/NAME.safetensors, NAME being the pack's folder: weights_sha256 I32 [8], pcm I32 [n] of 16-bit samples, features F32 [T, 80],
logp F32 [outputs T / 4, 29] with the pack's weights expanded to f32, all arithmetic f32. T = 4 ceil(n / 640); zeros follow the last sample.
Of a pack with an attention decoder also heard F32 [T / 2, C], the frames that it hears, pieces I32 [n + 2], <begin> <text> and the words of the utterance, and
spelled F32 [n + 2, pieces], log-probabilities of what follows each; with a language network (piece_lm.py) its own times the manifest's weight are added, and
language_sha256 I32 [8] tells of which file.
With a checkpoint it also says what INT8 costs beside the f32 weights. The utterance is the beginning of one of Common Voice (CC0).
"""
import argparse
import json
import os
import tomllib

import torch
import torch.nn.functional as F

from ..common.data import corpus_rows, decode
from ..common.digest import sha256_of
from ..common.text import clean
from .evaluate import greedy, load_net
from .listener import network
from .model import SYMBOLS, LogMel
from .piece_lm import load as load_language
from .pieces import Pieces
from .speller import LEAD
from .tensors import load_tensors, notes_of, save_tensors

CORPUS, SECONDS, KEPT = "commonvoice_v6_sample", (2.0, 4.0), 40000  # KEPT: samples


def restored(path):
    """The network of a pack's weights, which are expanded to f32."""
    raw, state = load_tensors(path), {}
    for name, w in raw.items():
        if name.endswith(".scale"):
            continue
        w = w.float()
        if name + ".scale" in raw:
            w = w * raw[name + ".scale"].view(-1, *[1] * (w.dim() - 1))
        if name.startswith("lstms."):  # one bias there, two here
            part = name.rpartition(".")[2].replace("bias", "bias_ih")
            name = f"{name.rpartition('.')[0]}.{part}_l0"
            if part == "bias_ih":
                state[name.replace("bias_ih", "bias_hh")] = torch.zeros_like(w)
        state[name] = w
    count = lambda end, of=None: sum(name.endswith(end) and (of is None) == (not name.startswith("speller.")) for name in state)
    shape = dict(width=len(state["lstms.0.bias_ih_l0"]) // 4, layers=count("weight_hh_l0"), outputs=len(state["out.bias"]) // SYMBOLS)
    if count(".query.weight"):
        notes = notes_of(path)
        shape |= {k: int(notes[k]) for k in ("blocks", "past", "ahead")} | {k: int(notes.get(k, 0)) for k in ("final_past", "final_ahead")}
        shape |= dict(channels=len(state["conv1.bias"]), heads=int(notes.get("heads", 6)), inner=len(state["blocks.0.up.bias"]))
        if "speller.place" in state:
            shape |= dict(pieces=len(state["speller.piece.weight"]), spells=count(".ask.weight", "speller"))
    else:
        shape["front"] = len(state["conv1.bias"])
    net = network(shape).eval()
    net.load_state_dict(state)
    return net


def utterance(data):
    """Samples i16 and words of the first utterance of such a length."""
    for r in corpus_rows(data, CORPUS):
        if SECONDS[0] <= int(r["num_samples"]) / 16000 <= SECONDS[1]:
            at = int(r["start_sample"])
            pcm = decode(os.path.join(data, "speech", CORPUS + ".opus"))[at:at + int(r["num_samples"])]
            return torch.from_numpy(pcm.copy()), clean(r["text"])
    raise KeyError(f"{CORPUS}: no utterance of {SECONDS[0]} to {SECONDS[1]} s")


def spelled(net, pack, pieces, heard, on):
    """What pack_golden_test wants of an attention decoder and the language network that may be beside it."""
    parts = dict(heard=heard[0], pieces=pieces.int(), spelled=net.speller(pieces[None], heard, on)[0])
    with open(os.path.join(pack, "manifest.toml"), "rb") as f:
        manifest = tomllib.load(f)
    if name := manifest["files"].get("language"):
        path = os.path.join(pack, name)
        parts["spelled"] = parts["spelled"] + manifest["language_network"]["weight"] * load_language(path)(pieces[None])[0]
        parts["language_sha256"] = sha256_of(path)
    return parts


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("pack")
    ap.add_argument("out")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--checkpoint")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    weights = os.path.join(a.pack, "weights.safetensors")
    pcm, text = utterance(a.data)
    pcm = pcm[:KEPT]
    mel = LogMel()(F.pad(pcm.float() / 32768, (0, -len(pcm) % 640))[None])
    net = restored(weights)
    logp = net(mel)[0]
    name = os.path.basename(os.path.normpath(a.pack))
    parts = dict(weights_sha256=sha256_of(weights), pcm=pcm.int(), features=mel[0].T, logp=logp)
    if getattr(net, "speller", None):
        heard, on = net.told(torch.tensor([mel.shape[2] // 4]))
        pieces = torch.tensor([*LEAD, *Pieces(os.path.join(a.pack, "pieces.txt")).split(text)])
        parts |= spelled(net, a.pack, pieces, heard, on)
    said = dict(name=name, bytes=save_tensors(os.path.join(a.out, name + ".safetensors"), parts, dict(text=text)),
                text=text, heard=greedy(logp.argmax(-1)[None], [len(logp)])[0])
    if a.checkpoint:
        said["int8_cost"] = round(float((logp - load_net(a.checkpoint, "cpu")[0](mel)[0]).abs().max()), 4)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
