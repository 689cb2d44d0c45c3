#!/usr/bin/env python3
"""Makes the seeds of the corpora from what the repository holds: make_corpus.py ANTIPHON_PROGRAM.

    make_corpus.py --more FOLDER    what a longer run of onnx_fuzz begins with beside the corpus, not kept: the small models
                                    of the `onnx` package's node tests in FOLDER/nodes, the words of the importer in FOLDER/onnx.dict
    make_corpus.py --transformers   the models of transformer_seeds.py alone, which need the `onnx` package

What fuzzing adds (FUZZER -merge=1 CORPUS FOUND) lies beside them under the names that libFuzzer gives.
"""
import json
import pathlib
import re
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORPUS = HERE / "corpus"


def put(fuzzer, name, content):
    path = CORPUS / fuzzer / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def safetensors(tensors, **metadata):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def wav(code, channels, rate, bits, data, extra=b""):
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


EXTENTS = {"decoder": ["--profile", "B=1:1:2", "--profile", "T=1:2:8"], "unet": ["--profile", "H=16:16:32", "--profile", "W=16:16:32"]}


def make_plans(program):
    for model in sorted((ROOT / "tests/golden/onnx").glob("*.onnx")):
        if model.stat().st_size > 10_000 or model.stem.startswith("plugin"):
            continue
        path = CORPUS / "plan" / (model.stem + ".plan")
        path.parent.mkdir(parents=True, exist_ok=True)
        made = subprocess.run(
            [program, "build", model, "--output", path, "--max-isa", "portable", "--threads", "1",
             *EXTENTS.get(model.stem, [])],
            capture_output=True, text=True)
        if made.returncode:
            print(f"{model.name}: no plan: {made.stderr.strip()}")


def make_manifests():
    for pack in sorted((ROOT / "models").glob("*/manifest.toml")):
        put("manifest", pack.parent.name, pack.read_bytes())
    put("manifest", "vocoder-pitch", 'kind = "vocoder"\n[vocoder]\nflows = 6\nlayers = 10\nchannels = 256\npitch_channels = 64\npitch_layers = 3\n'
        'pitch_flows = 2\n')
    put("manifest", "vocoder-voices", 'kind = "vocoder"\n[vocoder]\nflows = 6\nlayers = 10\nchannels = 256\n[voices.am_puck]\n'
        'adapter = "manifest.toml"\npitch_channels = 64\npitch_layers = 3\npitch_flows = 2\n')
    put("manifest", "asr-language", 'kind = "asr"\n[network]\nmel_bins = 80\nwidth = 24\nlayers = 2\nblocks = 2\nahead = 2\nfinal_ahead = 6\n'
        '[speller]\nlayers = 2\n[language_network]\nlayers = 2\nchannels = 24\nheads = 3\ninner = 40\nweight = 0.3\n'
        '[files]\nweights = "w"\npieces = "p"\nlanguage = "l"\n')
    put("manifest", "coffee", (ROOT / "models/assistants/coffee.toml").read_bytes())
    put("manifest", "responses", (ROOT / "models/nlu-en/responses.toml").read_bytes())
    put("manifest", "server", '[server]\nport = 8080\n[limits]\nmax_sessions = 4\n[models]\nplans = "p"\n')


def make_messages():
    pcm = b"b" + b"\x01\x40" * 50
    start = {"type": "start", "rate_hz": 8000, "encoding": "pcm16", "reply": "audio", "partials": True,
             "endpointing": False, "hotwords": [{"text": "latte", "boost": 3}], "context": "It opens at nine.",
             "voice": "fake"}
    turn = [json.dumps(start).encode(), pcm, pcm, b'{"type":"end"}']
    put("protocol", "turn", b"\n".join(turn))
    put("protocol", "typed", b'{"type":"start"}\n{"type":"text","text":"order coffee"}\n'
        b'{"type":"speak","text":"hello"}\n{"type":"played","turn":1,"ms":20}\n{"type":"cancel","turn":2}')
    put("protocol", "mulaw", b'{"type":"start","encoding":"mulaw","rate_hz":48000}\nb' + b"\x80\x12" * 40 +
        b'\n{"type":"cancel"}')
    put("protocol", "float32", b'{"type":"start","encoding":"float32","written":false}\nb' +
        struct.pack("<4f", 0.5, -0.5, 1e9, 0))
    put("protocol", "order", pcm + b'\n{"type":"end"}')
    put("protocol", "strange", b'{"type":"dance"}\n[]\n{"type":3}\n{"type":"start","rate_hz":"x"}')


def make_files():
    ramp = bytes(range(64))
    put("safetensors", "types", safetensors({
        "a": ("F32", [2, 3], bytes(24)), "b": ("F16", [4], bytes(8)), "c": ("I8", [3, 2], bytes(6)),
        "c.scale": ("F32", [3], bytes(12)), "d": ("I64", [], bytes(8))}, format="pt"))
    put("safetensors", "empty", safetensors({}))
    put("safetensors", "no_elements", safetensors({"a": ("F32", [0, 4], b"")}))
    put("safetensors", "adapter", safetensors({  # of what safetensors_fuzz.cpp adapts
        "w.down": ("F16", [1, 3], ramp[:6]), "w.up": ("F32", [1, 2], bytes(8)), "q.down": ("I8", [2, 2], ramp[:4]),
        "q.down.scale": ("F32", [2], struct.pack("<2f", 1, 0.5)), "q.up": ("F32", [2, 3], struct.pack("<6f", 1, 2, 3, 4, 5, 6)),
        "more": ("F16", [2], bytes(4))}))
    put("timing_cache", "three", "antiphon timing cache 1\navx2|1|linear|8x8\tcpu/gemm\t12.500\n"
        "avx2|1|linear|8x8\tcpu/plain\t99.000\nk\tcpu/x\t0.000\n")
    put("timing_cache", "empty", "antiphon timing cache 1\n")
    put("wav", "pcm16", wav(1, 1, 16000, 16, ramp))
    put("wav", "pcm8_stereo", wav(1, 2, 8000, 8, ramp))
    put("wav", "pcm24", wav(1, 1, 48000, 24, ramp[:63]))
    put("wav", "float32", wav(3, 1, 16000, 32, struct.pack("<4f", 0.5, -1, 2, float("nan"))))
    put("wav", "mulaw", wav(7, 1, 8000, 8, ramp))
    put("wav", "ima_adpcm", wav(17, 1, 8000, 4, bytes(64), struct.pack("<HH", 2, 57)))
    for folder in ("onnx", "microsoft"):
        for model in sorted((ROOT / "tests/golden" / folder).glob("*.onnx")):
            if model.stat().st_size < (2000 if folder == "onnx" else 700):
                put("onnx", model.stem, model.read_bytes())
    for name in ("grouped_past", "grouped_uneven"):  # the tables of angles make them larger than the others
        put("onnx", name, (ROOT / f"tests/golden/microsoft/{name}.onnx").read_bytes())
    for name in ("lstm_node_uneven", "lstm_node_reverse"):
        put("onnx", name, (ROOT / f"tests/golden/quantized/{name}.onnx").read_bytes())


def make_transformers():
    import transformer_seeds
    for name, model in transformer_seeds.models().items():
        put("onnx", name, model)


def make_more(folder):
    sys.path.insert(0, str(ROOT / "tests/conformance"))
    import onnx_node_tests
    (folder / "nodes").mkdir(parents=True, exist_ok=True)
    for case in onnx_node_tests.test_cases():
        model = case.model.SerializeToString()
        if len(model) < 3000:
            (folder / "nodes" / case.name).write_bytes(model)
    sources = ROOT / "engine/import"
    words = set(re.findall(r'\{("[A-Z]\w+"),', (sources / "op_table.cpp").read_text()))
    for source in sources.glob("ops_*.cpp"):
        words.update(re.findall(r'"[a-z_]{4,24}"', source.read_text()))
    (folder / "onnx.dict").write_text("\n".join(sorted(words)) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "--transformers":
        make_transformers()
        sys.exit()
    if sys.argv[1] == "--more":
        make_more(pathlib.Path(sys.argv[2]))
        sys.exit()
    make_plans(sys.argv[1])
    make_manifests()
    make_messages()
    make_files()
