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
from training.asr.golden import restored  # noqa: E402
from training.asr.listener import POSITIONS  # noqa: E402
from training.asr.model import LogMel  # noqa: E402

STEPS = 2  # steps a block
NAMES = ["mel", "place", "window", "begun", "past1", "past2", "x", "keys", "values", "h", "c"]
STATES = 7  # of them, the last ones


class Streamed(torch.nn.Module):
    """One block of a Listener: mel [1, 80, 4 STEPS], place [1, 2 STEPS, C], window [blocks, 2 STEPS, reach + 2 STEPS], begun [1, 2 STEPS, 1] and
    the state -> log-probabilities [1, outputs STEPS, 29] and the next state."""

    def __init__(self, net):
        super().__init__()
        self.net, self.ahead, self.reach = net, net.ahead, net.blocks[0].past + net.ahead
        self.channels, self.width, self.heads = net.conv1.weight.shape[0], net.lstms[0].hidden_size, net.blocks[0].heads

    def start(self):
        blocks, layers, zeros = len(self.net.blocks), len(self.net.lstms), torch.zeros
        history = lambda length: zeros(blocks, 1, length, self.channels)
        return (zeros(1, 80, 2), zeros(1, self.channels, 1), history(self.ahead), history(self.reach), history(self.reach),
                zeros(layers, 1, 1, self.width), zeros(layers, 1, 1, self.width))

    def inputs(self, mel):
        """[1, 80, T] -> the inputs of every block, the flush's too."""
        size, frames, late = 4 * STEPS, 2 * STEPS, self.net.late
        end = mel.shape[2] // 2
        mel = F.pad(mel, (0, 4 * late))
        mel = F.pad(mel, (0, -mel.shape[2] % size))
        i, j = torch.arange(frames)[:, None], torch.arange(self.reach + frames)[None]
        for at in range(0, mel.shape[2] // 2, frames):
            place = self.net.place[(at + torch.arange(frames)) % POSITIONS][None]
            time = at + j - self.reach - self.ahead * torch.arange(len(self.net.blocks))[:, None, None]
            heard = (j >= i) & (j <= i + self.reach) & (time >= 0) & (time < end)
            begun = (at + torch.arange(frames) >= 2 * late).float()[None, :, None]
            yield mel[:, :, 2 * at:2 * at + size].contiguous(), place, torch.where(heard, 0.0, -1e4), begun

    def forward(self, mel, place, window, begun, past1, past2, xs, keys, values, h, c):
        net, a = self.net, self.ahead
        heads = lambda x: x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mel = torch.cat([past1, mel], 2)
        y = torch.cat([past2, F.gelu(net.conv1(mel))], 2)
        x = F.gelu(net.conv2(y)).transpose(1, 2) + place
        new = [[], [], []]
        for b, block in enumerate(net.blocks):
            line = torch.cat([xs[b], x], 1)
            n = block.norm1(line)
            k = torch.cat([keys[b], block.key(n[:, a:])], 1)
            v = torch.cat([values[b], block.value(n[:, a:])], 1)
            mixed = F.scaled_dot_product_attention(heads(block.query(n[:, :-a])), heads(k), heads(v), attn_mask=window[b])
            x = line[:, :-a] + block.mix(mixed.transpose(1, 2).flatten(2))
            x = x + block.down(F.gelu(block.up(block.norm2(x))))
            for to, state, length in zip(new, (line, k, v), (a, self.reach, self.reach)):
                to.append(state[:, -length:])
        z, hs, cs = net.join((net.norm(x) * begun).unflatten(1, (-1, 2)).flatten(2)), [], []
        for i, (norm, lstm) in enumerate(zip(net.norms, net.lstms)):
            out, (hn, cn) = lstm(norm(z), (h[i], c[i]))
            z = z + out
            hs.append(hn), cs.append(cn)
        return net.symbols(z), mel[:, :, -2:], y[:, :, -1:], *map(torch.stack, new), torch.stack(hs), torch.stack(cs)


def onnx_session(streamed, threads, int8):
    import onnxruntime as ort
    path = os.path.join("/tmp", f"asr_peer_{os.getpid()}.onnx")
    example = (*next(streamed.inputs(torch.zeros(1, 80, 4 * STEPS))), *streamed.start())
    torch.onnx.export(streamed, example, path, input_names=NAMES, output_names=["logp"] + [n + "_next" for n in NAMES[-STATES:]],
                      dynamo=False, opset_version=17)
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(path, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["LSTM", "MatMul", "Gemm"])
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        return ort.InferenceSession(path, options, ["CPUExecutionProvider"])
    finally:
        os.remove(path)


def run_onnx(session, blocks, start):
    state = list(start)
    for block in blocks:
        _, *state = session.run(None, dict(zip(NAMES, [*block, *state])))


def run_torch(streamed, blocks):
    state, rows = streamed.start(), []
    for block in blocks:
        told, *state = streamed(*block, *state)
        rows.append(told)
    return torch.cat(rows, 1)


def check(net, streamed, mel):
    """Blocks tell what the whole utterance does."""
    want = net(mel)
    got = run_torch(streamed, list(streamed.inputs(mel)))[:, net.late * net.outputs:][:, :want.shape[1]]
    apart = (got - want).abs().max().item()
    if apart > 1e-3:
        raise SystemExit(f"asr_peer.py: blocks are {apart:.4f} from the whole utterance, wanted 0.001 at most")


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
    weights = os.path.join(a.pack, "weights.safetensors")
    net = restored(weights)
    if not hasattr(net, "blocks"):
        raise SystemExit(f"{weights}: a network without blocks of attention; this peer streams those with them")
    streamed, small = Streamed(net), torch.ao.quantization.quantize_dynamic(restored(weights), {torch.nn.LSTM, torch.nn.Linear})
    check(net, streamed, mels[0])
    streams = [list(streamed.inputs(m)) for m in mels]
    case, version = "a second of speech", torch.__version__.split("+")[0]
    for threads in map(int, a.threads.split(",")):
        torch.set_num_threads(threads)
        say(case, f"PyTorch {version}, network alone, 80 ms blocks", "f32", threads, measure(lambda m: run_torch(streamed, m), streams, seconds))
        say(case, f"PyTorch {version}, network alone, 80 ms blocks", "int8", threads,
            measure(lambda m: run_torch(Streamed(small), m), streams, seconds))
        say(case, f"PyTorch {version}, network alone, whole utterances", "f32", threads, measure(net, mels, seconds))
        import onnxruntime
        arrays = [[[t.numpy() for t in block] for block in s] for s in streams]
        start = [t.numpy() for t in streamed.start()]
        for precision in ("f32", "int8"):
            session = onnx_session(streamed, threads, precision == "int8")
            say(case, f"ONNX Runtime {onnxruntime.__version__}, network alone, 80 ms blocks", precision, threads,
                measure(lambda m: run_onnx(session, m, start), arrays, seconds))


if __name__ == "__main__":
    main()
