"""Rounding an adapter for its file so that what a voice makes in the network hears little of it: errors of one column are taken back by the next
(as GPTQ does, arXiv 2210.17323), and biases take back what is left in the mean (Nagel et al. 2019, arXiv 1906.04721), of sums in I8 too.

Frames count by one over their loudness: an error of the size that speech hides is what is heard in its pauses.
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
QUIET = 1e-3  # amplitude of a mel, below which frames count alike
DAMPING = 0.01  # of the mean of squares, added to all of them
SHARES = (1.0, 0.96, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7)  # of a row's peak that I8 reaches to
ENDS_UP = r"\.end\.weight\.up$"
HALF_OF_A_VOICE = HALF.replace(r"\.end\.weight$", ENDS_UP)  # its ends are pairs, and what they say is the audio's


def moments(weights, mels):
    """f32 weights by the pack's names, mels [80, T] -> of what each matrix is multiplied with: mean of products [in, in] and mean [in], f64."""
    names, sums, linear = {id(w): name for name, w in weights.items() if name.endswith(".weight")}, {}, F.linear

    def heard(x, w, b=None):
        if id(w) in names:
            rows = x.flatten(0, -2).double()
            counts = loud.repeat_interleave(len(rows) // len(loud))
            weighted = rows * counts[:, None]
            products, total, count = sums.get(names[id(w)], (0, 0, 0))
            sums[names[id(w)]] = products + weighted.T @ rows, total + weighted.sum(0), count + counts.sum()
        return linear(x, w, b)
    with mock.patch.object(F, "linear", heard), torch.no_grad():
        for mel in mels:
            loud = 1 / (mel.double().exp().mean(0) + QUIET)
            PackedWaveGlow(weights)(mel[None], torch.zeros(1, 4 * mel.shape[1], 64))
    return {name: (products / count, total / count) for name, (products, total, count) in sums.items()}


def damped(products):
    return products + DAMPING * products.diagonal().mean() * torch.eye(len(products), dtype=products.dtype)


def later_columns(products):
    """[in, in] -> its inverse's upper triangular factor: row i over its own diagonal says what an error of column i is to the columns behind it."""
    return torch.linalg.cholesky(torch.linalg.inv(products), upper=True)


def levels(w, products):
    """[rows, in] f64 -> I8 of the same shape, scale [rows] f32, of little squared error in the product with inputs of these mean products."""
    after, peak = later_columns(damped(products)), w.abs().amax(1).clamp_min(1e-12)
    scale = (torch.tensor(SHARES, dtype=w.dtype)[:, None] * peak / 127).float().double()  # [shares, rows]
    left = w.expand(len(SHARES), -1, -1).clone()
    q = torch.zeros_like(left)
    for i in range(w.shape[1]):
        q[..., i] = (left[..., i] / scale).round().clamp(-127, 127)
        gap = (left[..., i] - q[..., i] * scale) / after[i, i]
        left[..., i + 1:] -= gap[..., None] * after[i, i + 1:]
    gap = q * scale[..., None] - w
    best, row = ((gap @ products) * gap).sum(-1).argmin(0), torch.arange(len(w))
    return q[best, row].to(torch.int8), scale[best, row].float()


def ups_beside(down, up, rounded, products):
    """-> the [rank, out] whose product with the rounded downs is nearest to transpose(up) down for inputs of these mean products, and the mean products
    of what the rounded downs say."""
    said = rounded @ products @ rounded.T
    said = (said + said.T) / 2 + torch.diag(1e-4 * said.diagonal() + 1e-9 * said.diagonal().max())
    return torch.linalg.solve(said, rounded @ products @ down.T @ up), said


def rows_in_turn(w, products):
    """[rank, out] f64 -> I8, scale [rank] f32: what rounding a row changes the rows behind it take back."""
    after, left, found = later_columns(products), w.clone(), []
    for k in range(len(w)):
        q, scale = pack.quantised(left[k:k + 1])
        found.append((q, scale))
        gap = (left[k] - q[0].double() * scale.double()) / after[k, k]
        left[k + 1:] -= after[k, k + 1:, None] * gap
    return (torch.cat(parts) for parts in zip(*found))


def stored(voice, heard):
    """voice, f32 tensors of its file, balanced -> what goes to the file. heard: `moments` of its sums."""
    out = pack.stored(voice, lambda name: torch.float16 if re.search(HALF_OF_A_VOICE, name) else None)
    for name in [k[:-5] for k in voice if k.endswith(".down")]:
        down, up, products = voice[f"{name}.down"].double(), voice[f"{name}.up"].double(), heard[name][0]
        q, scale = levels(down, products)
        up, said = ups_beside(down, up, q.double() * scale[:, None].double(), products)
        out |= {f"{name}.down": q, f"{name}.down.scale": scale}
        if f"{name}.up.scale" in out:
            out |= dict(zip((f"{name}.up", f"{name}.up.scale"), rows_in_turn(up, said)))
        else:
            out[f"{name}.up"] = up.half()
    return out


def corrected(voice, kept, base, heard, share=1.0):
    """Biases, f32, of voice (f32 tensors), that take back what its sums in the file's tensors `kept` with `base` (raw, as pack.load gives the pack)
    change in the mean; share -1: what they were before that."""
    wanted, kept = pack.plain(adapter.adapted(pack.plain(base), voice)), pack.plain(adapter.adapted(base, kept))
    out = {name: b for name, b in voice.items() if name.endswith(".bias") and not name.startswith("pitch.")}
    for name, (_, mean) in heard.items():
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


def packed_voice(voice, base, mels):
    """f32 tensors of a voice's file -> what goes to the file beside `base`, raw tensors of the pack; mels [80, T] of the voice."""
    heard = moments(pack.plain(adapter.adapted(pack.plain(base), voice)), mels)
    kept = stored(adapter.balanced(voice), heard)
    return kept | {name: b.half() for name, b in corrected(voice, kept, base, heard).items()}


def unpacked_voice(kept, base, mels):
    """The way back from a file: f32 tensors, with the biases that they have where sums aren't rounded."""
    voice = pack.plain(kept)
    heard = moments(pack.plain(adapter.adapted(pack.plain(base), voice)), mels)
    return voice | corrected(voice, kept, base, heard, share=-1.0)


def mels_of(rows, audio, voice):
    """The first utterances of the voice, [80, T] each."""
    picked = [r for r in rows if r["speaker"] == voice][:UTTERANCES]
    if not picked:
        raise SystemExit(f"wanted utterances of {voice} in the data, got none")
    audio = audio.cpu()
    return [LogMel()(audio[r["start"]:r["start"] + r["samples"]].float()[None] / 32768)[0][:, :r["samples"] // HOP_SAMPLES] for r in picked]
