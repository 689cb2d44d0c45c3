#!/usr/bin/env python3
"""Exports the deck's networks to ONNX: OUT/NAME.onnx, weights beside it where they are large, inputs as OUT/NAME.X.npy.

    python bench/deck/export.py OUT [NAME...] [--small]

Seeded weights, nothing is downloaded. Needs torch, torchvision, transformers, onnx.
"""
import argparse
import os
import sys
import zlib

import numpy as np
import onnx
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import language  # noqa: E402
import speech  # noqa: E402
import vision  # noqa: E402
import volumes  # noqa: E402

NETWORKS = {**vision.NETWORKS, **volumes.NETWORKS, **language.NETWORKS, **speech.NETWORKS}
RECURRENT = {"gnmt_encoder", "gnmt_decoder", "deep_asr", "peephole_lstm", "lstm_autoencoder", "wavernn", "tacotron2_decoder"}
EXTERNAL_BYTES = 1 << 20


def export(name, out, small=False):
    """Writes the model to out/NAME.onnx; returns its inputs by name, or None where there is no small version."""
    torch.manual_seed(zlib.crc32(name.encode()))
    path = os.path.join(out, name + ".onnx")
    made = NETWORKS[name](small)
    if made is None:
        return None
    if len(made) == 2:
        model, inputs = made
        onnx.save(model, path)
        return inputs
    module, arguments, names, outputs = made
    torch.onnx.export(module.eval(), arguments, path, input_names=names, output_names=outputs, opset_version=17, dynamo=False)
    return {key: value.numpy() for key, value in zip(names, arguments)}


def tidy(name, out):
    """Without notes and intermediate shapes; large weights beside the model."""
    path = os.path.join(out, name + ".onnx")
    model = onnx.load(path)
    model.doc_string = ""
    del model.metadata_props[:], model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    data = os.path.join(out, name + ".data")
    for old in (path, data):
        if os.path.exists(old):
            os.remove(old)
    large = model.ByteSize() > EXTERNAL_BYTES
    onnx.save(model, path, save_as_external_data=large, location=name + ".data", size_threshold=1024)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("names", nargs="*")
    ap.add_argument("--small", action="store_true")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for name in args.names or NETWORKS:
        inputs = export(name, args.out, args.small)
        if inputs is None:
            continue
        tidy(name, args.out)
        for key, value in inputs.items():
            np.save(os.path.join(args.out, f"{name}.{key}.npy"), value)
        print(name, flush=True)


if __name__ == "__main__":
    main()
