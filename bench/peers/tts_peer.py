#!/usr/bin/env python3
"""The same synthesis network in PyTorch, and espeak-ng.

    tts_peer.py --tts models/tts-en --vocoder models/vocoder-en --frames 40,210 --texts "Sure." "Which size?" [--threads 1,2]

PyTorch makes exactly as many frames for each text as ours did (--frames), from as many symbols as the text has
characters: encoder, the decoder's published loop, post-net, vocoder. Its first audio is what a caller could have at the
earliest: 46 frames (0.5 s) through all of them. espeak-ng stands at f32 for want of a precision.
"""
import argparse
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from espeak import Espeak  # noqa: E402
from peer_lines import milliseconds, say, spread  # noqa: E402
from training.tts import pack  # noqa: E402
from training.tts.export import restored  # noqa: E402
from training.vocoder.export import PackedWaveGlow  # noqa: E402

FIRST = 46  # frames


def speaker(tts, vocoder):
    """(symbols, frames) -> audio."""
    weights, metadata = pack.read(os.path.join(tts, "weights.safetensors"))
    net = restored(weights, len(metadata["symbols"]))
    voc = PackedWaveGlow(pack.read(os.path.join(vocoder, "weights.safetensors"))[0])

    def speak(symbols, frames):
        ids = torch.randint(1, len(metadata["symbols"]) + 1, (1, symbols))
        mel = net.synthesise(ids, torch.tensor([symbols]), steps=frames)[0].transpose(1, 2)
        return voc(mel, 0.3 * torch.randn(1, 4 * mel.shape[2], 64))

    return speak


def espeak_figures(espeak, texts):
    espeak.say(texts[0])
    first, whole, audio = [], 0.0, 0.0
    for text in texts * 3:
        kept = {}
        took = milliseconds(lambda: kept.update(first=espeak.say(text)))
        first.append(1e3 * (kept["first"] - espeak.began))
        whole, audio = whole + took, audio + espeak.samples / 22050
    return spread(first), whole / audio


@torch.inference_mode()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--tts", required=True), ap.add_argument("--vocoder", required=True), ap.add_argument("--threads", default="1,2")
    ap.add_argument("--frames", required=True), ap.add_argument("--texts", nargs="+", required=True)
    a = ap.parse_args()
    jobs = list(zip(map(len, a.texts), map(int, a.frames.split(","))))
    speak, torch_peer = speaker(a.tts, a.vocoder), f"PyTorch {torch.__version__.split('+')[0]}"
    audio = sum(frames for _, frames in jobs) * 256 / 22050
    for threads in map(int, a.threads.split(",")):
        torch.set_num_threads(threads)
        speak(20, FIRST)
        say("a second of speech", torch_peer, "f32", threads, sum(milliseconds(lambda j=j: speak(*j)) for j in jobs) / audio)
        first = spread([milliseconds(lambda j=j: speak(j[0], min(FIRST, j[1]))) for j in jobs])
        say("first audio", torch_peer + ", 46 frames at the earliest", "f32", threads, first["p50"], **first)
    first, second = espeak_figures(Espeak(), a.texts)
    say("first audio", "espeak-ng", "f32", 1, first["p50"], **first)
    say("a second of speech", "espeak-ng", "f32", 1, second)


if __name__ == "__main__":
    main()
