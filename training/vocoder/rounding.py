"""What rounding an adapter and its sums to I8 changes in the mean, and biases that take it back (Nagel et al. 2019, arXiv 1906.04721).

The means are of what a few utterances of the voice make in the network.
"""
import re
from unittest import mock

import torch
import torch.nn.functional as F

from training.tts import pack
from training.tts.speech import HOP_SAMPLES, LogMel
from training.vocoder import adapter
from training.vocoder.export import HALF, PackedWaveGlow

UTTERANCES = 12
HALF_OF_A_VOICE = HALF.replace(r"|\.end\.weight$", "")  # its ends are pairs


def mean_inputs(weights, mels):
    """f32 weights by the pack's names, mels [80, T] -> the mean of what each matrix is multiplied with, [in] f64."""
    names, sums, linear = {id(w): name for name, w in weights.items() if name.endswith(".weight")}, {}, F.linear

    def heard(x, w, b=None):
        if id(w) in names:
            total, count = sums.get(names[id(w)], (0, 0))
            sums[names[id(w)]] = total + x.flatten(0, -2).double().sum(0), count + x.numel() // x.shape[-1]
        return linear(x, w, b)
    with mock.patch.object(F, "linear", heard), torch.no_grad():
        for mel in mels:
            PackedWaveGlow(weights)(mel[None], torch.zeros(1, 4 * mel.shape[1], 64))
    return {name: total / count for name, (total, count) in sums.items()}


def corrected(voice, base, mels, share=1.0):
    """voice, f32 tensors of its file, with biases that take back what rounding the sums with `base` (as pack.load gives the pack) changes in the mean;
    share -1: what they were before that."""
    wanted, kept = pack.plain(adapter.adapted(pack.plain(base), voice)), pack.plain(adapter.adapted(base, stored(voice)))
    means, out = mean_inputs(wanted, mels), dict(voice)
    for name, mean in means.items():
        if name.startswith("pitch."):
            continue
        gap, flow = share * ((wanted[name] - kept[name]).double() @ mean).float(), name.split(".")[1]
        if ".gate." in name:  # whose bias is that of the layer's rows of cond
            first = len(gap) * int(name.split(".")[3])
            gap = F.pad(gap, (first, len(out[f"flow.{flow}.cond.bias"]) - first - len(gap)))
            name = f"flow.{flow}.cond.weight"
        bias = name.removesuffix("weight") + "bias"
        out[bias] = out[bias] + gap
    return out


def stored(voice):
    """What goes to the file."""
    return pack.stored(voice, lambda name: torch.float16 if re.search(HALF_OF_A_VOICE, name) else None)


def mels_of(rows, audio, voice):
    """The first utterances of the voice, [80, T] each."""
    picked = [r for r in rows if r["speaker"] == voice][:UTTERANCES]
    if not picked:
        raise SystemExit(f"wanted utterances of {voice} in the data, got none")
    audio = audio.cpu()
    return [LogMel()(audio[r["start"]:r["start"] + r["samples"]].float()[None] / 32768)[0][:, :r["samples"] // HOP_SAMPLES] for r in picked]
