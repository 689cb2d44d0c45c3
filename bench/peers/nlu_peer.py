#!/usr/bin/env python3
"""The encoder and heads of the pack in PyTorch and ONNX Runtime, one query at a time; tokenising is left out.

    nlu_peer.py --pack models/nlu-en --questions bench/recordings/questions.tsv [--threads 1,2]

Weights are the pack's, as f32, and by the peer's own dynamic INT8.
"""
import argparse
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from peer_lines import milliseconds, read_table, say, spread  # noqa: E402
from training.nlu.model import Understanding  # noqa: E402
from training.nlu.quantise import unpack  # noqa: E402
from training.nlu.tokenizer import CLS, SEP, WordPiece  # noqa: E402

ROUNDS = 5


class Heads(torch.nn.Module):
    """ids [1, T] -> intent logits, slot logits, sentence embedding."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ids):
        return self.net.utterance(ids, torch.ones_like(ids).bool())[:3]


def load(pack):
    from safetensors.torch import load_file
    tokenizer = WordPiece.load(os.path.join(pack, "vocab.txt"))
    state = unpack(load_file(os.path.join(pack, "weights.safetensors")))
    net = Understanding(len(tokenizer.pieces), state["intent.out.bias"].numel(), state["slots.bias"].numel())
    net.load_state_dict(state)
    return Heads(net.eval()), tokenizer


def onnx_session(net, threads, int8):
    import onnxruntime as ort
    path = os.path.join("/tmp", f"nlu_peer_{os.getpid()}.onnx")
    torch.onnx.export(net, (torch.ones(1, 12, dtype=torch.int64),), path, input_names=["ids"], dynamic_axes={"ids": {1: "T"}},
                      dynamo=False, opset_version=17)
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(path, path, per_channel=True, weight_type=QuantType.QInt8)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        return ort.InferenceSession(path, options, ["CPUExecutionProvider"])
    finally:
        os.remove(path)


def measure(run, queries):
    for q in queries:
        run(q)
    return spread([milliseconds(lambda: run(q)) for _ in range(ROUNDS) for q in queries])


@torch.inference_mode()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--pack", required=True), ap.add_argument("--questions", required=True), ap.add_argument("--threads", default="1,2")
    a = ap.parse_args()
    net, tokenizer = load(a.pack)
    queries = [torch.tensor([[CLS, *tokenizer.encode(r["text"])[0], SEP]]) for r in read_table(a.questions)]
    small = torch.ao.quantization.quantize_dynamic(load(a.pack)[0], {torch.nn.Linear})
    import onnxruntime
    for threads in map(int, a.threads.split(",")):
        torch.set_num_threads(threads)
        torch_peer, onnx_peer = f"PyTorch {torch.__version__.split('+')[0]}", f"ONNX Runtime {onnxruntime.__version__}"
        for precision, module in (("f32", net), ("int8", small)):
            times = measure(module, queries)
            say("query", torch_peer + ", network alone", precision, threads, times["p50"], **times)
            session = onnx_session(net, threads, precision == "int8")
            times = measure(lambda ids: session.run(None, {"ids": ids}), [q.numpy() for q in queries])
            say("query", onnx_peer + ", network alone", precision, threads, times["p50"], **times)


if __name__ == "__main__":
    main()
