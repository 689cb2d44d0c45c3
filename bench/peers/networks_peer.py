"""The same networks by PyTorch and ONNX Runtime, beside build/bin/networks_bench, one JSON object a line.

    python3 bench/peers/networks_peer.py [--ours build/bin/networks_bench] [--threads 1,2] [--isa avx2] [--case TEXT]

With --ours our program runs first and every line of it gets peer, peer_ms and ratio (peer / ours) of the fastest peer of
the same precision. --isa avx2 caps ours, PyTorch (ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_ENABLE_INSTRUCTIONS);
ONNX Runtime has no switch and stays uncapped: its lines say so. Needs torch, onnx, onnxscript, onnxruntime.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def arguments():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--ours", help="path of networks_bench")
    ap.add_argument("--threads", default="1,2")
    ap.add_argument("--isa", default="")
    ap.add_argument("--case", default="")
    ap.add_argument("--timing-cache", default="")
    return ap.parse_args()


ARGS = arguments()
if ARGS.isa == "avx2":  # before torch is loaded
    os.environ.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", DNNL_MAX_CPU_ISA="AVX2",
                      MKL_ENABLE_INSTRUCTIONS="AVX2")

import onnxruntime  # noqa: E402
import torch  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from torch import nn  # noqa: E402

sys.path.insert(0, ROOT)
from training.asr.model import Acoustic  # noqa: E402
from training.nlu.model import Understanding  # noqa: E402
from training.tts.model import Tacotron2  # noqa: E402
from training.vocoder.model import SlimWaveGlow  # noqa: E402


class AcousticChunk(nn.Module):
    """One chunk with the state of the LSTM layers handed in and out, as a streaming server runs it."""

    def __init__(self):
        super().__init__()
        self.net = Acoustic().eval()

    def forward(self, mel, h, c):
        net = self.net
        x = net.front(mel)
        hs, cs = [], []
        for i, (norm, lstm) in enumerate(zip(net.norms, net.lstms)):
            y, (hn, cn) = lstm(norm(x), (h[i:i + 1], c[i:i + 1]))
            x = x + y
            hs.append(hn), cs.append(cn)
        a = net.ahead(nn.functional.pad(x.transpose(1, 2), (0, 4))).transpose(1, 2)
        y = net.out(nn.functional.gelu(x + a)).log_softmax(-1)
        return y, torch.cat(hs), torch.cat(cs)


class Postnet(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, mel):
        return self.net.postnet(mel)


class Encoder(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ids):
        x = self.net.embed(ids).transpose(1, 2)
        for conv, norm in zip(self.net.convs, self.net.norms):
            x = torch.relu(norm(conv(x)))
        return self.net.encoder(x.transpose(1, 2))[0]


class Vocoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = SlimWaveGlow().eval()

    def forward(self, mel, noise):
        return self.net(mel, noise=noise)


class Decoder:
    """24 frames of the published loop, without encoder and post-net. PyTorch alone: the loop is Python's."""

    def __init__(self, net):
        self.net = net

    def __call__(self, ids):
        net, steps = self.net, 24
        enc = torch.randn(1, ids.shape[1], 256)
        encode, net.encode = net.encode, lambda *_: enc
        postnet, net.postnet = net.postnet, lambda mel, on=None: mel
        try:
            return net.synthesise(ids, torch.tensor([ids.shape[1]]), steps=steps)[0]
        finally:
            net.encode, net.postnet = encode, postnet


class Network(nn.Module):
    """The encoder with its heads."""

    def __init__(self):
        super().__init__()
        self.net = Understanding(13500, 80, 90).eval()

    def forward(self, ids):
        return self.net.utterance(ids, torch.ones_like(ids, dtype=torch.bool))[:3]


def cases():
    torch.manual_seed(1)
    tacotron = Tacotron2(69).eval()
    ids = lambda n: (torch.arange(n)[None] % 60) + 1
    for batch, steps in ((1, 1), (1, 2), (1, 16), (4, 2)):
        state = torch.zeros(4, batch, 688)
        yield (f"asr acoustic 4x688, {steps} steps x{batch}", AcousticChunk().eval(),
               (torch.randn(batch, 80, 4 * steps), state, state.clone()))
    for tokens in (12, 128):
        yield f"nlu bert 6x384, {tokens} tokens", Network().eval(), (ids(tokens),)
    yield "tts encoder, 64 symbols", Encoder(tacotron).eval(), (ids(64),)
    yield "tts tacotron decoder, 24 frames", Decoder(tacotron), (ids(64),)
    yield "tts postnet, 24 frames", Postnet(tacotron).eval(), (torch.randn(1, 24, 80),)
    yield "tts waveglow, 24 frames", Vocoder().eval(), (torch.randn(1, 80, 24), 0.3 * torch.randn(1, 96, 64))


def median_ms(run):
    for _ in range(3):
        run()
    times, begin = [], time.perf_counter()
    while len(times) < 400 and (len(times) < 20 or time.perf_counter() - begin < 1):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[len(times) // 2]


def line(case, peer, precision, threads, ms, isa):
    return {"bench": "networks", "case": case, "peer": peer, "precision": precision, "peer_ms": round(ms, 4),
            "threads": threads, "isa": isa}


def by_torch(case, module, inputs, threads):
    torch.set_num_threads(threads)
    isa = torch.backends.cpu.get_cpu_capability().lower()
    with torch.inference_mode():
        yield line(case, "torch " + torch.__version__, "f32", threads, median_ms(lambda: module(*inputs)), isa)
        if not isinstance(module, nn.Module):
            return
        int8 = torch.ao.quantization.quantize_dynamic(module, {nn.LSTM, nn.Linear})
        yield line(case, "torch " + torch.__version__, "int8", threads, median_ms(lambda: int8(*inputs)), isa)


def by_onnxruntime(case, module, inputs, threads, folder):
    if not isinstance(module, nn.Module):
        return
    path = os.path.join(folder, "".join(c if c.isalnum() else "_" for c in case))
    if not os.path.exists(path + ".f32.onnx"):
        torch.onnx.export(module, inputs, path + ".f32.onnx", dynamo=False, opset_version=17)
        quantize_dynamic(path + ".f32.onnx", path + ".int8.onnx", weight_type=QuantType.QInt8)
    for precision in ("f32", "int8"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(f"{path}.{precision}.onnx", options, providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        feed = {n: x.numpy() for n, x in zip(names, inputs)}
        yield line(case, "onnxruntime " + onnxruntime.__version__, precision, threads,
                   median_ms(lambda: session.run(None, feed)), "uncapped")


def ours(threads):
    command = [ARGS.ours, "--threads", ",".join(map(str, threads))]
    for name, value in (("--isa", ARGS.isa), ("--case", ARGS.case), ("--timing-cache", ARGS.timing_cache)):
        command += [name, value] if value else []
    return [json.loads(text) for text in subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()]


def main():
    threads = [int(n) for n in ARGS.threads.split(",")]
    mine = ours(threads) if ARGS.ours else []
    peers = []
    with tempfile.TemporaryDirectory() as folder:
        for case, module, inputs in cases():
            if ARGS.case not in case:
                continue
            for n in threads:
                for run in (by_torch, by_onnxruntime):
                    try:
                        found = list(run(case, module, inputs, n, *([folder] if run is by_onnxruntime else [])))
                    except Exception as error:  # a peer that cannot run one network is said, and the rest goes on
                        print(f"{case}: {run.__name__}: {type(error).__name__}: {error}"[:300], file=sys.stderr)
                        continue
                    peers += found
                    if not mine:
                        for x in found:
                            print(json.dumps(x), flush=True)
    for x in mine:
        same = [p for p in peers if all(p[k] == x[k] for k in ("case", "precision", "threads"))]
        if same:
            best = min(same, key=lambda p: p["peer_ms"])
            x |= {"peer": best["peer"], "peer_ms": best["peer_ms"], "peer_isa": best["isa"],
                  "ratio": round(best["peer_ms"] / x["ours_ms"], 2)}
        print(json.dumps(x), flush=True)


if __name__ == "__main__":
    main()
