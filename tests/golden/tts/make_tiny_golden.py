#!/usr/bin/env python3
"""Tiny networks of the packs' shapes with seeded weights, and what PyTorch makes of them.

    python3 tests/golden/tts/make_tiny_golden.py        from the repository root; writes tiny_*.safetensors beside itself

The weights lie under the packs' own names; what is expected under `golden.*`. No noise, no dropout but by `masks`.
"""
import os
import sys

import torch

sys.path.insert(0, os.getcwd())
from training.tts.export import restored, tensors
from training.tts.g2p import LETTERS, LetterToSound
from training.tts.model import Tacotron2, drop_masks
from training.tts.pack import save
from training.vocoder.export import PackedWaveGlow
from training.vocoder.export import tensors as vocoder_tensors
from training.vocoder.model import Pitch, SlimWaveGlow, harmonics

HERE = os.path.dirname(os.path.abspath(__file__))
SYMBOLS, STEPS = 11, 40


def f32(parts):
    return {k: v.detach().float().contiguous() for k, v in parts.items()}


@torch.no_grad()
def tacotron():
    torch.manual_seed(5)
    net = Tacotron2(SYMBOLS, enc=16, rnn=24, pre=8, att=8, loc=4, post=12).eval()
    for p in net.parameters():
        p.mul_(1.5)
    net.duration_out.bias.fill_(3.5)  # nothing stalls in 40 steps
    net.stop.bias.fill_(-6.0)
    weights = f32(tensors(net))
    net = restored(weights, SYMBOLS)
    ids = torch.randint(1, SYMBOLS + 1, (13,))
    lengths = torch.tensor([len(ids)])
    enc = net.encode(ids[None], lengths)
    out = dict(ids=ids.int(), encoder=enc[0], key=net.key(enc)[0], log_frames=net.durations(enc)[0])
    after, before, _, align, _ = net.synthesise(ids[None], lengths, steps=STEPS)
    out.update(mel_before=before[0], mel_after=after[0], alignment=align[0])
    masks = [drop_masks((1, 1), 1.0, "cpu", pre=8) for _ in range(STEPS)]
    out["mel_dropped"] = net.synthesise(ids[None], lengths, masks=masks, steps=STEPS)[1][0]
    out["masks"] = torch.stack([torch.cat([m[0][0, 0], m[1][0, 0]]) for m in masks])
    out["mel_durations"] = net.synthesise(ids[None], lengths, by_durations=True, steps=STEPS)[1][0]
    save(f"{HERE}/tiny_tacotron.safetensors", weights | {f"golden.{k}": v.contiguous() for k, v in out.items()})


@torch.no_grad()
def voices():
    torch.manual_seed(8)
    net = Tacotron2(SYMBOLS, enc=16, rnn=24, pre=8, att=8, loc=4, post=12, speakers=3).eval()
    net.duration_out.bias.fill_(3.5)
    net.stop.bias.fill_(-6.0)
    for table in net.speakers:
        table.weight.normal_(0, 0.5)
    weights = f32(tensors(net))
    net = restored(weights, SYMBOLS)
    ids, out = torch.randint(1, SYMBOLS + 1, (9,)), {}
    lengths = torch.tensor([len(ids)])
    for voice in range(3):
        speaker = torch.tensor([voice])
        enc = net.encode(ids[None], lengths, speaker)
        made = dict(encoder=enc[0], key=net.key(enc)[0], log_frames=net.durations(enc)[0],
                    mel_before=net.synthesise(ids[None], lengths, steps=STEPS, speaker=speaker)[1][0])
        out |= {f"golden.{voice}.{k}": v.contiguous() for k, v in made.items()}
    save(f"{HERE}/tiny_voices.safetensors", weights | {"golden.ids": ids.int()} | out)


@torch.no_grad()
def vocoder():
    torch.manual_seed(6)
    net = SlimWaveGlow(flows=2, channels=8, layers=5)
    for wn in net.wn:
        wn.end_w.normal_(0, 0.1), wn.end_b.normal_(0, 0.1)
    weights = f32(vocoder_tensors(net))
    mel, noise = torch.randn(1, 80, 19), 0.3 * torch.randn(1, 76, 64)
    audio = PackedWaveGlow(weights)(mel, noise)
    golden = dict(mel=mel[0].T, noise=noise[0], audio=audio[0])
    save(f"{HERE}/tiny_vocoder.safetensors", weights | {f"golden.{k}": v.contiguous() for k, v in golden.items()})


@torch.no_grad()
def pitched():
    """Pitch of 0.85 octaves above 100 Hz, give or take 0.9, so beyond both limits as well; half of the frames have a voice. The last of
    three flows hears the harmonics; the delay of those before it is the pitch network's and the one frame that harmonics take."""
    torch.manual_seed(9)
    net = SlimWaveGlow(flows=3, channels=8, layers=6, pitch=6, hearing=1)
    net.pitch = Pitch(6, layers=2)
    for wn in net.wn:
        wn.end_w.normal_(0, 0.1), wn.end_b.normal_(0, 0.1)
    mel, noise = torch.randn(1, 80, 19) - 5, 0.3 * torch.randn(1, 76, 64)
    told, end = net.pitch(mel.transpose(1, 2))[0], net.pitch.end
    scale = torch.tensor([0.9, 2.0]) / told.std(0)
    end.weight.mul_(scale[:, None]), end.bias.sub_(told.mean(0)).mul_(scale).add_(torch.tensor([0.85, 0.0]))
    weights = f32(vocoder_tensors(net))
    packed = PackedWaveGlow(weights)
    frames = mel.transpose(1, 2)
    told = packed.pitch(frames)
    golden = dict(mel=frames[0], noise=noise[0], pitch=told[0], harmonics=harmonics(frames, told)[0], audio=packed(mel, noise)[0],
                  audio_without_noise=packed(mel, torch.zeros_like(noise))[0])
    save(f"{HERE}/tiny_harmonics.safetensors", weights | {f"golden.{k}": v.contiguous() for k, v in golden.items()})


@torch.no_grad()
def g2p():
    torch.manual_seed(7)
    net = LetterToSound(9, width=12).eval()
    ids = torch.tensor([[LETTERS.index(c) + 1 for c in "antiphon's"]])
    golden = {"golden.ids": ids[0].int(), "golden.logits": net(ids)[0].contiguous()}
    save(f"{HERE}/tiny_g2p.safetensors", f32(net.state_dict()) | golden)


if __name__ == "__main__":
    tacotron()
    voices()
    vocoder()
    pitched()
    g2p()
