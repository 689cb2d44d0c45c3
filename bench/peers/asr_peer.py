#!/usr/bin/env python3
"""The acoustic network of the pack in PyTorch and ONNX Runtime, streamed in blocks of 80 ms with its state carried along.

    asr_peer.py --pack models/asr-en --questions bench/recordings/questions.tsv [--threads 1,2]

The network alone: features, voice activity and beam search, which ours pays for, are left out. Weights are the pack's,
as f32, and by the peer's own dynamic INT8. Also PyTorch over whole utterances, which a stream cannot do.
"""
import argparse
import os
import sys


import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from peer_lines import milliseconds, read_table, say  # noqa: E402
from training.asr.model import LOOKAHEAD, SYMBOLS, Acoustic, LogMel  # noqa: E402
from training.asr.tensors import load_tensors  # noqa: E402

STEPS = 2  # steps a block


def load(pack):
    """The pack's weights in the training network."""
    raw, state = load_tensors(os.path.join(pack, "weights.safetensors")), {}
    for name, w in raw.items():
        if name.endswith(".scale"):
            continue
        w = w.float()
        if name + ".scale" in raw:
            w = w * raw[name + ".scale"].reshape(-1, *[1] * (w.dim() - 1))
        if name.startswith("lstms.") and name.endswith(".bias"):
            state[name.replace("bias", "bias_ih_l0")], state[name.replace("bias", "bias_hh_l0")] = w, torch.zeros_like(w)
        else:
            state[name + "_l0" if name.startswith("lstms.") else name] = w
    layers = sum(n.endswith(".weight_hh") for n in raw)
    net = Acoustic(state["conv2.weight"].shape[0], layers, state["conv1.weight"].shape[0],
                   outputs=len(state["out.bias"]) // SYMBOLS).eval()
    net.load_state_dict(state)
    return net


class Streamed(torch.nn.Module):
    """One block: mel [1, 80, 4 STEPS] and the state -> log-probabilities [1, outputs STEPS, 29] and the next state."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def start(self):
        net, layers = self.net, len(self.net.lstms)
        width = net.conv2.weight.shape[0]
        return (torch.zeros(1, 80, 3), torch.zeros(1, net.conv2.weight.shape[1], 3), torch.zeros(layers, 1, 1, width),
                torch.zeros(layers, 1, 1, width), torch.zeros(1, width, LOOKAHEAD))

    def forward(self, mel, past1, past2, h, c, ahead):
        net = self.net
        x = torch.cat([past1, mel], 2)
        y = F.gelu(net.conv1(x))
        y2 = torch.cat([past2, y], 2)
        z = F.gelu(net.conv2(y2)).transpose(1, 2)
        hs, cs = [], []
        for i, (norm, lstm) in enumerate(zip(net.norms, net.lstms)):
            out, (hn, cn) = lstm(norm(z), (h[i], c[i]))
            z = z + out
            hs.append(hn), cs.append(cn)
        line = torch.cat([ahead, z.transpose(1, 2)], 2)
        a = net.ahead(line)
        rows = net.log_probabilities(net.out(F.gelu((line[:, :, :STEPS] + a).transpose(1, 2))))
        return rows, x[:, :, -3:], y2[:, :, -3:], torch.stack(hs), torch.stack(cs), line[:, :, STEPS:]


def blocks(mel):
    """[1, 80, T] -> blocks of 4 STEPS frames, zeros at the end."""
    size = 4 * STEPS
    mel = F.pad(mel, (0, -mel.shape[2] % size))
    return [mel[:, :, i:i + size].contiguous() for i in range(0, mel.shape[2], size)]


def onnx_session(streamed, threads, int8):
    import onnxruntime as ort
    path = os.path.join("/tmp", f"asr_peer_{os.getpid()}.onnx")
    names = ["mel", "past1", "past2", "h", "c", "ahead"]
    torch.onnx.export(streamed, (torch.zeros(1, 80, 4 * STEPS), *streamed.start()), path, input_names=names,
                      output_names=["logp"] + [n + "_next" for n in names[1:]], dynamo=False, opset_version=17)
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(path, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["LSTM", "MatMul", "Gemm"])
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        return ort.InferenceSession(path, options, ["CPUExecutionProvider"]), names
    finally:
        os.remove(path)


def run_onnx(session, names, mel, start):
    state = list(start)
    for block in mel:
        _, *state = session.run(None, dict(zip(names, [block, *state])))


def run_torch(streamed, mel):
    state = streamed.start()
    for block in mel:
        _, *state = streamed(block, *state)


def measure(run, mels, seconds):
    for mel in mels[:3]:
        run(mel)
    return sum(milliseconds(lambda m=mel: run(m)) for mel in mels) / seconds


@torch.inference_mode()
def main():
    import soundfile
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--pack", required=True), ap.add_argument("--questions", required=True), ap.add_argument("--threads", default="1,2")
    a = ap.parse_args()
    pcm, _ = soundfile.read(os.path.splitext(a.questions)[0] + ".opus", dtype="float32")
    features, mels, seconds = LogMel(), [], 0.0
    for r in read_table(a.questions):
        at, n = int(r["start_sample"]), int(r["num_samples"])
        x = torch.from_numpy(pcm[at:at + n].copy())
        mels.append(features(F.pad(x, (0, -n % 640))[None]))
        seconds += n / 16000
    net = load(a.pack)
    streamed, streams = Streamed(net), [blocks(m) for m in mels]
    small = torch.ao.quantization.quantize_dynamic(load(a.pack), {torch.nn.LSTM, torch.nn.Linear})
    case = "a second of speech"
    for threads in map(int, a.threads.split(",")):
        torch.set_num_threads(threads)
        version = torch.__version__.split("+")[0]
        say(case, f"PyTorch {version}, network alone, 80 ms blocks", "f32", threads, measure(lambda m: run_torch(streamed, m), streams, seconds))
        say(case, f"PyTorch {version}, network alone, 80 ms blocks", "int8", threads,
            measure(lambda m: run_torch(Streamed(small), m), streams, seconds))
        say(case, f"PyTorch {version}, network alone, whole utterances", "f32", threads, measure(net, mels, seconds))
        import onnxruntime
        arrays, start = [[b.numpy() for b in s] for s in streams], [s.numpy() for s in streamed.start()]
        for precision in ("f32", "int8"):
            session, names = onnx_session(streamed, threads, precision == "int8")
            say(case, f"ONNX Runtime {onnxruntime.__version__}, network alone, 80 ms blocks", precision, threads,
                measure(lambda m: run_onnx(session, names, m, start), arrays, seconds))


if __name__ == "__main__":
    main()
