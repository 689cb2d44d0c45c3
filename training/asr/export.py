"""A checkpoint -> the pack: weights in INT8, manifest with settings of the decoder, accuracy and hashes.

    python3 -m training.asr.export CHECKPOINT.pt PACK --lm LM.anlm --alpha 0.6 --beta 1.0 --accuracy NAME=NUMBER... [--f16 FILE] [--pieces PIECES.txt]
        [--language LANGUAGE.safetensors --language-network-weight 0.3]

PACK/weights.safetensors: every matrix NAME as I8 [out, in, ...] with NAME.scale F32 [out], so that w = NAME * scale of
its row, symmetric, codes within [-127, 127]; everything else F32. --f16: the same names in F16, beside the pack.
Names and shapes are the network's own (model.py); LSTM rows stand in PyTorch's order of gates: input, forget, cell, output.
The two biases of an LSTM are summed into NAME lstms.K.bias. --pieces: the vocabulary of a network with an attention decoder (speller.py),
whose tensors are there as speller.NAME. --language: the language network beside it (piece_lm.py), PACK/language.safetensors; one that is there stays.
"""
import argparse
import hashlib
import json
import os
import shutil
import tomllib

import torch

from ..common.text import CHARS
from .evaluate import load_net
from .model import LOOKAHEAD, MELS
from .pieces import Pieces
from .tensors import notes_of, save_tensors

BUDGET_BYTES = 18_000_000, 4_000_000  # weights and manifest; language model and language network together
LANGUAGE = "language.safetensors"


def is_matrix(name, w):
    """Whether the weights are stored in INT8; the look-ahead's five taps a channel are too few to matter."""
    return w.dim() >= 2 and not name.startswith("ahead")


def quantise(w):
    """w [out, ...] f32 -> codes I8 of the same shape, scale F32 [out].

    Of a few clipping points for each row the one of least squared error is taken.
    """
    rows = w.reshape(len(w), -1)
    peak = rows.abs().amax(1).clamp_min(1e-12)
    best, scale = torch.full_like(peak, float("inf")), peak / 127
    for share in (1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.8, 0.75):
        s = peak * share / 127
        error = ((rows / s[:, None]).round().clamp(-127, 127) * s[:, None] - rows).square().sum(1)
        better = error < best
        best, scale = torch.where(better, error, best), torch.where(better, s, scale)
    codes = (rows / scale[:, None]).round().clamp(-127, 127).to(torch.int8)
    return codes.reshape(w.shape), scale


def rounded(state):
    """A state dict with every matrix as INT8 will play it."""
    out = {}
    for name, w in state.items():
        w = w.detach().float().cpu()
        if is_matrix(name, w):
            codes, scale = quantise(w)
            w = codes.float() * scale.reshape(-1, *[1] * (w.dim() - 1))
        out[name] = w
    return out


def packed(state):
    """Names of the pack: the two biases of each LSTM become one, `_l0` is dropped."""
    out = {}
    for name, w in state.items():
        w = w.detach().float().cpu()
        if name.endswith("bias_hh_l0"):
            continue
        if name.endswith("bias_ih_l0"):
            w = w + state[name.replace("bias_ih", "bias_hh")].detach().float().cpu()
            name = name.replace("bias_ih_l0", "bias")
        out[name.removesuffix("_l0")] = w.contiguous()
    return out


def quoted(text):
    """A TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)


def geometry(shape):
    """What the two kinds of networks do not share, as lines of [network]."""
    if "blocks" not in shape:
        return [f"front = {shape['front']}", f"lookahead = {LOOKAHEAD}"]
    shape = dict(channels=384, heads=6, inner=1536, final_past=0, final_ahead=0) | shape  # the Listener's own defaults
    finals = [k for k in ("final_past", "final_ahead") if shape[k]]
    return [f"{k} = {shape[k]}" for k in ("channels", "heads", "inner", "blocks", "past", "ahead", *finals)]


def speller(shape, a):
    """Lines of [speller], which only packs with an attention decoder have."""
    if not shape.get("spells"):
        return []
    return ["[speller]", f"layers = {shape['spells']}", f"beam = {a.spell_beam}", f"texts = {a.spell_texts}", f"ctc_weight = {a.ctc_weight}",
            f"language_weight = {a.language_weight}", ""]


def copy_pieces(shape, a):
    """The vocabulary into the pack; one of another size is refused."""
    if not shape.get("spells"):
        if a.pieces:
            raise SystemExit(f"--pieces: {a.checkpoint} has no attention decoder")
        return
    if not a.pieces:
        raise SystemExit(f"{a.checkpoint} has an attention decoder: --pieces FILE of its vocabulary is missing")
    if len(Pieces(a.pieces)) != shape["pieces"]:
        raise SystemExit(f"{a.pieces}: {len(Pieces(a.pieces))} pieces, the checkpoint has {shape['pieces']}")
    to = os.path.join(a.pack, "pieces.txt")
    if os.path.abspath(a.pieces) != os.path.abspath(to):
        shutil.copyfile(a.pieces, to)


def copy_language(shape, a):
    """The language network into the pack; one for another vocabulary is refused, also one that is there already."""
    to = os.path.join(a.pack, LANGUAGE)
    if not shape.get("spells"):
        if a.language:
            raise SystemExit(f"--language: {a.checkpoint} has no attention decoder")
        return
    path = a.language or to
    if not os.path.exists(path) and not a.language:
        if a.language_network_weight is not None:
            raise SystemExit(f"--language-network-weight: {a.pack} has no {LANGUAGE}; --language FILE is missing")
        return
    if int(notes_of(path)["pieces"]) != shape["pieces"]:
        raise SystemExit(f"{path}: {notes_of(path)['pieces']} pieces, the checkpoint has {shape['pieces']}")
    if os.path.abspath(path) != os.path.abspath(to):
        shutil.copyfile(path, to)


def kept_weight(folder):
    """That a pack's manifest gives its language network so far, or none."""
    path = os.path.join(folder, "manifest.toml")
    if not os.path.exists(path):
        return None
    with open(path, "rb") as f:
        return tomllib.load(f).get("language_network", {}).get("weight")


def language_network(folder, shape, weight):
    """Lines of [language_network], which only packs with a file of it have."""
    path = os.path.join(folder, LANGUAGE)
    if not shape.get("spells") or not os.path.exists(path):
        return []
    notes = notes_of(path)
    return ["[language_network]", *[f"{k} = {notes[k]}" for k in ("layers", "channels", "heads", "inner")], f"weight = {weight}", ""]


def manifest(folder, shape, a):
    """manifest.toml as asr/pack.cpp reads it."""
    files = [f for f in sorted(os.listdir(folder)) if f != "manifest.toml"]
    weight = next(w for w in (a.language_network_weight, kept_weight(folder), 0.3) if w is not None)
    language = language_network(folder, shape, weight)
    lines = ['name = "asr-en"', 'kind = "asr"', "version = 1", 'language = "en"', f"licence = {quoted(a.licence)}",
             f"source = {quoted('trained by training/asr: ' + a.source)}"] + [f"note = {quoted(a.note)}"] * bool(a.note)
    lines += ["", "[pack]", 'name = "asr-en"', "", "[network]",
             f"mel_bins = {MELS}", f"width = {shape['width']}", f"layers = {shape['layers']}", *geometry(shape),
             f"outputs_per_step = {shape.get('outputs', 1)}", f'alphabet = "{CHARS}"  # classes 1 and on; 0 is the blank', "", "[decoder]",
             f"beam_width = {a.beam}", f"lm_weight = {a.alpha}", f"word_bonus = {a.beta}", f"unknown_word = {a.unknown}",
             f"unknown_letter = {a.unknown_letter}", *[f"{k} = {v}" for k, v in (("phrase_gain", a.phrase_gain), ("hot_gain", a.hot_gain)) if v != 1],
             f"delay_ms = {a.delay}", "",
             *speller(shape, a), *language, "[files]", 'weights = "weights.safetensors"'] + ['lm = "lm.anlm"'] * ("lm.anlm" in files)
    lines += ['pieces = "pieces.txt"'] * bool(shape.get("spells")) + [f'language = "{LANGUAGE}"'] * bool(language)
    for name in files:
        with open(os.path.join(folder, name), "rb") as f:
            content = f.read()
        lines.append(f'"{name}" = {{ bytes = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}" }}')
    lines += ["", "[accuracy]  # word error rates in %"] + [x.replace("=", " = ", 1) if " = " not in x else x for x in a.accuracy]
    with open(os.path.join(folder, "manifest.toml"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def options():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("checkpoint")
    ap.add_argument("pack")
    ap.add_argument("--f16", help="file for the weights in f16, not a part of the pack")
    ap.add_argument("--lm", help="the language model of training.asr.lm; default: the pack's own stays")
    ap.add_argument("--beam", type=int, default=96)
    ap.add_argument("--alpha", type=float, default=0.5, help="weight of the language model")
    ap.add_argument("--beta", type=float, default=1.0, help="for each word")
    ap.add_argument("--unknown", type=float, default=-4.0, help="for each word that the model does not know")
    ap.add_argument("--unknown-letter", type=float, default=-1.0, help="and for each of its letters")
    ap.add_argument("--phrase-gain", type=float, default=1.0, help="times what an assistant's phrases give a word; with an attention decoder 2")
    ap.add_argument("--hot-gain", type=float, default=1.0, help="times hot words' boosts beside an attention decoder")
    ap.add_argument("--pieces", help="vocabulary of the attention decoder (pieces.py)")
    ap.add_argument("--spell-beam", type=int, default=6, help="texts that it spells side by side")
    ap.add_argument("--spell-texts", type=int, default=12, help="of CTC's beam that it judges")
    ap.add_argument("--ctc-weight", type=float, default=0.2, help="of CTC beside it")
    ap.add_argument("--language-weight", type=float, default=0.5, help="of the language model beside it")
    ap.add_argument("--language", help="the language network of piece_lm.py export; default: the pack's own stays, if it has one")
    ap.add_argument("--language-network-weight", type=float, help="of it beside the attention decoder; default: the pack's own, else 0.3")
    ap.add_argument("--delay", type=float, default=0.0, help="milliseconds by which word times are late, see word_times.py")
    ap.add_argument("--source", default="teacher speech of Kokoro-82M (Apache-2.0) and the corpora of its README")
    ap.add_argument("--licence", default="Apache-2.0", help="'Apache-2.0, MIT' where the encoder began with Whisper's: LICENSE.whisper stays in the pack")
    ap.add_argument("--note", default="", help="a sentence for the manifest")
    ap.add_argument("--accuracy", action="append", default=[], help="NAME=NUMBER for the manifest")
    return ap.parse_args()


def main():
    a = options()
    os.makedirs(a.pack, exist_ok=True)
    net, saved = load_net(a.checkpoint, "cpu")
    copy_pieces(saved["shape"], a)
    copy_language(saved["shape"], a)
    tensors, notes = {}, {k: str(v) for k, v in saved["shape"].items()}
    for name, w in packed(net.state_dict()).items():
        if is_matrix(name, w):
            tensors[name], tensors[name + ".scale"] = quantise(w)
        else:
            tensors[name] = w
    sizes = dict(int8=save_tensors(os.path.join(a.pack, "weights.safetensors"), tensors, notes))
    if a.f16:
        sizes["f16"] = save_tensors(a.f16, {k: v.half() for k, v in packed(net.state_dict()).items()}, notes)
    model = os.path.join(a.pack, "lm.anlm")
    if a.lm and os.path.abspath(a.lm) != os.path.abspath(model):
        shutil.copyfile(a.lm, model)
    manifest(a.pack, saved["shape"], a)
    print(json.dumps(dict(bytes=sizes, tensors={k: [str(v.dtype)[6:], *v.shape] for k, v in tensors.items()})))
    models = [path for path in (model, os.path.join(a.pack, LANGUAGE)) if os.path.exists(path)]
    for size, most in ((sizes["int8"], BUDGET_BYTES[0]), (sum(map(os.path.getsize, models)), BUDGET_BYTES[1])):
        if size > most:
            raise SystemExit(f"{size} bytes, budget {most}")


if __name__ == "__main__":
    main()
