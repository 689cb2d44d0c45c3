#!/usr/bin/env python3
"""Complete packs of the shipping geometry with seeded, untrained weights, for benchmarks and tests without training.

    python3 bench/seeded_packs.py OUT_DIR [--data DATA] [--seed 1] [--copy models]

OUT_DIR/asr-en, tts-en, vocoder-en as training/*/export writes them (INT8 with scales, manifests with hashes). They cost
what trained packs cost: the recogniser's last layer is scaled so that its steps are as peaky as trained ones; every
symbol is spoken for seven frames, about the pace of speech. What they hear and say means nothing.
With --data: a 3-gram of the commands and dialogues, and CMUdict as lexicon; without: no language model, letters only.
--copy: the folder whose other packs (nlu-en, vad) go beside them.
"""
import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

import torch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, ROOT)

from training.asr import export as asr_export  # noqa: E402
from training.asr import lm  # noqa: E402
from training.asr.listener import Listener  # noqa: E402
from training.asr.model import LogMel  # noqa: E402
from training.asr.tensors import save_tensors  # noqa: E402
from training.common import sentences  # noqa: E402
from training.common.data import corpus_rows, decode  # noqa: E402
from training.common.text import CHARS, clean  # noqa: E402
from training.tts import export as tts_export  # noqa: E402
from training.tts import pack  # noqa: E402
from training.tts.model import Tacotron2  # noqa: E402
from training.vocoder import export as vocoder_export  # noqa: E402
from training.vocoder.model import SlimWaveGlow  # noqa: E402

SYMBOLS = "".join(sorted("^$ ;:,.!?—…()“”ˈˌAIOTWYbdfhijklmnpstuvwzæðŋɐɑɔəɛɜɡɪɹɾʃʊʌʒʤʧθᵊᵻʔ"))
SOUNDS = dict(AA="ɑ", AE="æ", AH="ʌ", AO="ɔ", AW="W", AY="I", B="b", CH="ʧ", D="d", DH="ð", EH="ɛ", ER="ɜɹ", EY="A", F="f",
              G="ɡ", HH="h", IH="ɪ", IY="i", JH="ʤ", K="k", L="l", M="m", N="n", NG="ŋ", OW="O", OY="Y", P="p", R="ɹ", S="s",
              SH="ʃ", T="t", TH="θ", UH="ʊ", UW="u", V="v", W="w", Y="j", Z="z", ZH="ʒ")
LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", "ˈA bˈi sˈi dˈi ˈi ˈɛf ʤˈi ˈAʧ ˈI ʤˈA kˈA ˈɛl ˈɛm ˈɛn ˈO pˈi kjˈu ˈɑɹ ˈɛs "
                   "tˈi jˈu vˈi dˈʌbᵊljˌu ˈɛks wˈI zˈi".split()))
FRAMES_A_SYMBOL = 6.0  # predicted; the guard lets go one frame later


@torch.no_grad()
def write_asr(folder, data):
    shape = dict(width=576, layers=3, outputs=2, blocks=4, past=61, ahead=3)
    net = Listener(**shape).eval()
    mel, kept = calibration_mel(data), {}
    hook = net.out.register_forward_hook(lambda _, inputs, out: kept.update(logits=out))
    net(mel)
    hook.remove()
    logits = kept["logits"][0]
    net.out.bias -= logits.mean(0) * (6 / logits.std(0))
    net.out.weight *= (6 / logits.std(0))[:, None]  # peaky: a few likely classes a row
    net.out.bias.view(net.outputs, -1)[:, :2] += torch.tensor([11.0, 4.0])  # blank in about two rows of three, a space in every few letters
    tensors = {}
    for name, w in asr_export.packed(net.state_dict()).items():
        if asr_export.is_matrix(name, w):
            tensors[name], tensors[name + ".scale"] = asr_export.quantise(w)
        else:
            tensors[name] = w
    save_tensors(os.path.join(folder, "weights.safetensors"), tensors, {k: str(v) for k, v in shape.items()})
    files = 'weights = "weights.safetensors"\n'
    if data:
        write_language_model(os.path.join(folder, "lm.anlm"), data)
        files += 'lm = "lm.anlm"\n'
    with open(os.path.join(folder, "manifest.toml"), "w", encoding="utf-8") as f:
        f.write('name = "asr-en"\nkind = "asr"\nversion = 1\n\n[pack]\nname = "asr-en"\n\n[network]\nmel_bins = 80\n'
                f'width = {shape["width"]}\nlayers = {shape["layers"]}\noutputs_per_step = {shape["outputs"]}\n' + "\n".join(asr_export.geometry(shape))
                + f'\nalphabet = "{CHARS}"\n\n[files]\n' + files + hashes(folder))


def calibration_mel(data):
    """[1, 80, T] of some speech; without any, of wandering bands."""
    if data:
        row = corpus_rows(data, "commonvoice_v6_sample")[20]
        pcm = decode(os.path.join(data, "speech", "commonvoice_v6_sample.opus"))[:int(row["start_sample"])]
        return LogMel()(torch.from_numpy(pcm[: len(pcm) // 640 * 640].copy()).float()[None] / 32768)
    mel = torch.randn(1, 80, 1600).cumsum(2)
    return (mel - mel.mean(2, keepdim=True)) / mel.std(2, keepdim=True) * 0.5


def write_language_model(path, data):
    texts = dict(commands=sentences.read_commands(data), dialogue=sentences.read_dialogue(data)[:60000])
    texts = {kind: [t for t in map(clean, lines) if t] for kind, lines in texts.items()}
    vocabulary = lm.choose_words(texts, 48000)
    room = 3.95e6 - 4096 - sum(len(w) + 1 for w in vocabulary) - 6 * len(vocabulary)
    lm.write(path, lm.build(texts, dict(commands=3.0, dialogue=1.0), vocabulary, room))


@torch.no_grad()
def write_tts(folder, data):
    net = Tacotron2(len(SYMBOLS)).eval()
    net.duration_out.weight.zero_()
    net.duration_out.bias.fill_(torch.log(torch.tensor(FRAMES_A_SYMBOL)))
    net.score.weight.zero_()  # equal energies: the peak is the lowest allowed symbol and moves on when the guard says so
    net.stop.bias.fill_(-20.0)
    net.mel.bias.fill_(-5.0)
    pack.write(os.path.join(folder, "weights.safetensors"), tts_export.tensors(net), dict(symbols=SYMBOLS), tts_export.keep)
    shutil.copyfile(os.path.join(ROOT, "training", "tts", "g2p", "g2p.safetensors"), os.path.join(folder, "g2p.safetensors"))
    lexicon = os.path.join(folder, "lexicon.tsv")
    with open(lexicon, "w", encoding="utf-8") as f:
        f.writelines(f"{w}\t{p}\n" for w, p in sorted(words(data).items(), key=lambda row: row[0].encode()))
    subprocess.run(["zstd", "-q", "-f", "-19", "--rm", lexicon, "-o", lexicon + ".zst"], check=True)
    table = {c: i + 1 for i, c in enumerate(SYMBOLS)}
    tts_export.manifest(folder, table, "plain", {})
    path = os.path.join(folder, "manifest.toml")
    text = open(path, encoding="utf-8").read()
    for name, was, now in (("attention_back", tts_export.BACK, 0), ("stall_factor", tts_export.STALL_FACTOR, 1.0),
                           ("stall_frames", tts_export.STALL_FRAMES, 1.0)):
        assert f"{name} = {was}\n" in text, name
        text = text.replace(f"{name} = {was}\n", f"{name} = {now}\n")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def words(data):
    """Word -> phonemes of CMUdict, and the letters' names."""
    out = {f"{c}.": p for c, p in LETTERS.items()}
    if data:
        with open(os.path.join(data, "text", "cmudict.dict"), encoding="latin-1") as f:
            for line in f:
                word, *sounds = line.split("#")[0].split()
                if word[-1] != ")" and word.isascii():
                    out[word] = "".join(sound(s) for s in sounds)
    return out | {"the": "ðə", "the(v)": "ði", "to": "tu", "to(v)": "tʊ", "to(c)": "tə", "a": "ɐ", "i": "ˌI"}


def sound(name):
    """One of ARPABET's sounds with its stress -> the pack's phonemes."""
    bare, stress = name.rstrip("012"), name[-1]
    if name in ("AH0", "ER0"):
        return dict(AH0="ə", ER0="əɹ")[name]
    return dict(zip("12", "ˈˌ")).get(stress, "") + SOUNDS[bare]


@torch.no_grad()
def write_vocoder(folder, seed):
    torch.manual_seed(seed)
    net = SlimWaveGlow()
    for wn in net.wn:
        wn.end_w.copy_(torch.randn_like(wn.end_w) * 0.01)
    config = dict(flows=6, channels=256, layers=10)
    with tempfile.NamedTemporaryFile(suffix=".pt") as checkpoint:
        torch.save(dict(config=config, net=net.state_dict()), checkpoint.name)
        subprocess.run([sys.executable, "-m", "training.vocoder.export", checkpoint.name, folder, "--sigma", "0.3"], cwd=ROOT,
                       check=True, stdout=subprocess.DEVNULL)


def hashes(folder):
    """Lines of [files] with size and sha256 of everything in the folder."""
    out = ""
    for name in sorted(set(os.listdir(folder)) - {"manifest.toml"}):
        content = open(os.path.join(folder, name), "rb").read()
        out += f'"{name}" = {{ bytes = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}" }}\n'
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data"))
    ap.add_argument("--seed", type=int, default=1), ap.add_argument("--copy", default=os.path.join(ROOT, "models"))
    a = ap.parse_args()
    out, data = os.path.abspath(a.out), a.data if os.path.isdir(a.data) else None
    for part in ("asr-en", "tts-en", "vocoder-en"):
        shutil.rmtree(os.path.join(out, part), ignore_errors=True)
        os.makedirs(os.path.join(out, part))
    for part in ("nlu-en", "vad"):
        shutil.copytree(os.path.join(a.copy, part), os.path.join(out, part), dirs_exist_ok=True)
    torch.manual_seed(a.seed)
    write_asr(os.path.join(out, "asr-en"), data)
    torch.manual_seed(a.seed)
    write_tts(os.path.join(out, "tts-en"), data)
    write_vocoder(os.path.join(out, "vocoder-en"), a.seed)
    for part in sorted(os.listdir(out)):
        print(part, {f: os.path.getsize(os.path.join(out, part, f)) for f in sorted(os.listdir(os.path.join(out, part)))})


if __name__ == "__main__":
    main()
