"""Folds the 16 kHz branch of Silero VAD's ONNX file into a pack, and writes golden values from ONNX Runtime.

The network (https://github.com/snakers4/silero-vad, MIT), for one chunk of 512 new samples at 16 kHz, f32 throughout:

    x   [576]       the 64 last samples of the previous chunk (zeros at first), then 512 new ones, in [-1, 1]
    p   [640]       x, then 64 samples mirrored about the last one, which is not repeated: p[576 + i] = x[574 - i]
    s   [258, 4]    convolution of p with stft.basis [258, 1, 256], stride 128, no bias, no padding (a windowed Fourier basis)
    m   [129, 4]    sqrt(s[:129]^2 + s[129:]^2): rows 0..128 are the real parts, 129..257 the imaginary ones
    e0  [128, 4]    relu(conv(m,  encoder.0.weight [128, 129, 3], bias), stride 1, one zero on each side)
    e1  [64, 2]     relu(conv(e0, encoder.1.weight [64, 128, 3],  bias), stride 2, one zero on each side)
    e2  [64, 1]     relu(conv(e1, encoder.2.weight [64, 64, 3],   bias), stride 2, one zero on each side)
    e3  [128, 1]    relu(conv(e2, encoder.3.weight [128, 64, 3],  bias), stride 1, one zero on each side)
    h,c [128]       one LSTM step on e3[:, 0] with the carried h, c (zeros at first); gate order i, f, g, o (PyTorch):
                    z = lstm.weight_ih [512, 128] @ e3 + lstm.bias_ih + lstm.weight_hh [512, 128] @ h + lstm.bias_hh
                    c = sigmoid(f) * c + sigmoid(i) * tanh(g);  h = sigmoid(o) * tanh(c)
    out [1]         sigmoid(head.weight [1, 128] @ relu(h) + head.bias [1]): the probability of speech in this chunk

Run: python training/vad/fold_silero.py --onnx silero_vad.onnx --pack models/vad [--golden tests/golden/vad --speech a.wav --noise b.wav]
"""
import argparse
import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from safetensors.numpy import save_file

RATE_HZ, CHUNK, CONTEXT, HIDDEN = 16000, 512, 64, 128
SHAPES = {  # name in the pack -> (suffix of the constant's name in the ONNX file, shape in the pack)
    "stft.basis": ("stft.forward_basis_buffer", (258, 1, 256)),
    **{f"encoder.{i}.weight": (f"encoder.{i}.reparam_conv.weight", s) for i, s in enumerate([(128, 129, 3), (64, 128, 3), (64, 64, 3), (128, 64, 3)])},
    **{f"encoder.{i}.bias": (f"encoder.{i}.reparam_conv.bias", (n,)) for i, n in enumerate([128, 64, 64, 128])},
    "lstm.weight_ih": ("decoder.rnn.weight_ih", (512, 128)), "lstm.weight_hh": ("decoder.rnn.weight_hh", (512, 128)),
    "lstm.bias_ih": ("decoder.rnn.bias_ih", (512,)), "lstm.bias_hh": ("decoder.rnn.bias_hh", (512,)),
    "head.weight": ("decoder.decoder.2.weight", (1, 128)), "head.bias": ("decoder.decoder.2.bias", (1,)),
}
ENCODER_STRIDES = (1, 2, 2, 1)


def branch_16k(model):
    """The graph that the top-level `If (sr == 16000)` runs when true."""
    constants = {n.output[0]: numpy_helper.to_array(n.attribute[0].t) for n in model.graph.node if n.op_type == "Constant"}
    equal = next(n for n in model.graph.node if n.op_type == "Equal")
    if "sr" not in equal.input or not any(constants.get(name) == RATE_HZ for name in equal.input):
        raise SystemExit("the file does not choose its branch by sr == 16000; wanted silero_vad.onnx, version 5 or 6")
    branch = next(n for n in model.graph.node if n.op_type == "If")
    return next(a.g for a in branch.attribute if a.name == "then_branch")


def fold(model):
    """{name: f32 array} of the pack."""
    constants = {n.output[0]: numpy_helper.to_array(n.attribute[0].t) for n in branch_16k(model).node if n.op_type == "Constant"}
    weights = {}
    for name, (suffix, shape) in SHAPES.items():
        found = [v for k, v in constants.items() if k.endswith("__" + suffix)]
        if len(found) != 1 or found[0].size != np.prod(shape):
            raise SystemExit(f"{suffix}: wanted one constant of shape {shape}, found {[v.shape for v in found]}")
        weights[name] = np.ascontiguousarray(found[0], np.float32).reshape(shape)
    return weights


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def conv1d(x, w, b, stride, pad):
    """x [C, T], w [O, C, k], b [O] or 0 -> [O, T']; cross-correlation, `pad` zeros on each side."""
    x = np.pad(x, ((0, 0), (pad, pad)))
    frames = range(0, x.shape[1] - w.shape[2] + 1, stride)
    return np.stack([np.tensordot(w, x[:, t:t + w.shape[2]], 2) + b for t in frames], 1)


def reference(weights, audio):
    """audio f32 [n * 512] -> probability of speech [n] by the plain formulas of the module's head, in double."""
    w = {k: v.astype(np.float64) for k, v in weights.items()}
    h, c, context, out = np.zeros(HIDDEN), np.zeros(HIDDEN), np.zeros(CONTEXT), []
    for chunk in audio.astype(np.float64).reshape(-1, CHUNK):
        x = np.concatenate([context, chunk])
        s = conv1d(np.pad(x, (0, 64), mode="reflect")[None], w["stft.basis"], 0.0, 128, 0)
        y = np.hypot(s[:129], s[129:])
        for i, stride in enumerate(ENCODER_STRIDES):
            y = np.maximum(conv1d(y, w[f"encoder.{i}.weight"], w[f"encoder.{i}.bias"], stride, 1), 0)
        z = w["lstm.weight_ih"] @ y[:, 0] + w["lstm.bias_ih"] + w["lstm.weight_hh"] @ h + w["lstm.bias_hh"]
        i, f, g, o = np.split(z, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(sigmoid(w["head.weight"] @ np.maximum(h, 0) + w["head.bias"])[0])
        context = chunk[-CONTEXT:]
    return np.array(out)


def runtime(path, audio):
    """The same by ONNX Runtime on the original file; also the final state [2, 1, 128] (h, c)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state, context, out = np.zeros((2, 1, HIDDEN), np.float32), np.zeros(CONTEXT, np.float32), []
    for chunk in audio.reshape(-1, CHUNK):
        x = np.concatenate([context, chunk])[None]
        probability, state = session.run(None, {"input": x, "state": state, "sr": np.array(RATE_HZ, np.int64)})
        out.append(probability[0, 0])
        context = chunk[-CONTEXT:]
    return np.array(out, np.float32), state


def read(path):
    """Mono 16 kHz audio as f32, whole chunks only."""
    import soundfile
    audio, rate = soundfile.read(path, dtype="float32")
    if rate != RATE_HZ or audio.ndim != 1:
        raise SystemExit(f"{path}: wanted 16 kHz mono, got {rate} Hz with shape {audio.shape}")
    return audio[:len(audio) // CHUNK * CHUNK]


def golden_audio(speech_path, noise_path):
    """Named signals [n * 512]: speech after digital silence, noise without speech, seeded white noise and a loud tone."""
    rng = np.random.default_rng(7)
    speech, noise = read(speech_path)[:72 * CHUNK], read(noise_path)[:32 * CHUNK]
    tone = 0.9 * np.sin(2 * np.pi * 440 * np.arange(10 * CHUNK) / RATE_HZ)
    synthetic = np.concatenate([rng.normal(0, 0.02, 12 * CHUNK), tone, np.zeros(6 * CHUNK)]).astype(np.float32)
    return {"speech": np.concatenate([np.zeros(8 * CHUNK, np.float32), speech, np.zeros(14 * CHUNK, np.float32)]), "noise": noise, "synthetic": synthetic}


MANIFEST = '''# Voice activity: the 16 kHz branch of Silero VAD.
name = "vad"
kind = "vad"
version = 1
licence = "MIT"
source = "https://github.com/snakers4/silero-vad"
made_by = "training/vad/fold_silero.py"

[source_file]
name = "{file}"
sha256 = "{source_sha}"

[files]
"weights.safetensors" = {{ sha256 = "{weights_sha}", bytes = {weights_bytes} }}
"LICENSE" = {{ sha256 = "{licence_sha}" }}

[geometry]  # training/vad/fold_silero.py states the arithmetic
rate_hz = 16000
chunk_samples = 512
context_samples = 64          # before each chunk: the end of the previous one, zeros at first
reflect_right_samples = 64    # after each chunk, mirrored without repeating the last sample
stft_window_samples = 256
stft_hop_samples = 128
stft_bins = 129
encoder_channels = [128, 64, 64, 128]
encoder_kernel = 3
encoder_strides = [1, 2, 2, 1]
encoder_pad = 1               # zeros, each side
lstm_width = 128
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--onnx", type=Path, required=True, help="silero_vad.onnx; its LICENSE lies beside it")
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--golden", type=Path, help="folder for golden values; needs --speech and --noise")
    parser.add_argument("--speech", type=Path, help="16 kHz mono, 2.3 s or more")
    parser.add_argument("--noise", type=Path, help="16 kHz mono, 1 s or more")
    args = parser.parse_args()

    weights = fold(onnx.load(args.onnx))
    args.pack.mkdir(parents=True, exist_ok=True)
    target = args.pack / "weights.safetensors"
    save_file(weights, target)
    target.chmod(0o644)
    shutil.copyfile(args.onnx.parent / "LICENSE", args.pack / "LICENSE")
    sha = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
    (args.pack / "manifest.toml").write_text(MANIFEST.format(file=args.onnx.name, source_sha=sha(args.onnx), weights_sha=sha(target), weights_bytes=target.stat().st_size, licence_sha=sha(args.pack / "LICENSE")))
    print(f"{target}: {sum(w.size for w in weights.values())} parameters, {target.stat().st_size} bytes")

    if args.golden:
        args.golden.mkdir(parents=True, exist_ok=True)
        for name, audio in golden_audio(args.speech, args.noise).items():
            audio = (np.round(audio * 32768).clip(-32768, 32767) / 32768).astype(np.float32)
            probability, state = runtime(args.onnx, audio)
            difference = np.abs(reference(weights, audio) - probability).max()
            save_file({"audio": audio, "probability": probability, "h": state[0, 0], "c": state[1, 0]}, args.golden / f"{name}.safetensors")
            (args.golden / f"{name}.safetensors").chmod(0o644)
            print(f"{name}: {len(probability)} chunks, probability {probability.min():.4f} to {probability.max():.4f}, formulas differ from ONNX Runtime by at most {difference:.2e}")


if __name__ == "__main__":
    main()
