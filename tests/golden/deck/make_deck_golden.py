#!/usr/bin/env python3
"""Makes the small versions of the deck's networks: NAME.onnx and NAME.safetensors with in.X and out.Y, by ONNX Runtime.

    python tests/golden/deck/make_deck_golden.py [NAME...]

The networks are those of bench/deck. Written with onnx 1.23.2, onnxruntime 1.32.0, torch 2.15.0, torchvision 0.29.2 and
transformers 5.24.0.
"""
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(ROOT, "bench", "deck"))
from export import NETWORKS, export, tidy  # noqa: E402

MAX_BYTES = 250_000  # of one model


def make(name, work):
    inputs = export(name, work, small=True)
    if inputs is None:
        return
    tidy(name, work)
    data = onnx.load(os.path.join(work, name + ".onnx")).SerializeToString()
    assert len(data) <= MAX_BYTES, (name, len(data))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    tensors = {"in." + key: np.ascontiguousarray(value) for key, value in inputs.items()}
    for info, value in zip(session.get_outputs(), session.run(None, inputs)):
        tensors["out." + info.name] = np.ascontiguousarray(value)
    with open(os.path.join(HERE, name + ".onnx"), "wb") as file:
        file.write(data)
    save_file(tensors, os.path.join(HERE, name + ".safetensors"))
    print(name, len(data))


def main():
    with tempfile.TemporaryDirectory() as work:
        for name in sys.argv[1:] or NETWORKS:
            make(name, work)


if __name__ == "__main__":
    main()
