#!/usr/bin/env python3
"""Installs to a scratch folder and builds the examples there: install_test.py SOURCE BUILD CMAKE [LAUNCHER].

The examples are run too. With all packs there is an answer; without, an error that names what is missing.
"""
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile

PACKS = ("asr-en", "nlu-en", "tts-en", "vocoder-en", "vad")


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    return done.returncode, done.stdout


def must(command, **more):
    code, output = run(command, **more)
    if code != 0:
        sys.exit(f"{' '.join(command)}: exit code {code}\n{output}")
    return output


def build_examples(source, cmake, launcher, prefix, folder):
    must([cmake, "-S", f"{source}/examples", "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
          f"-DCMAKE_C_COMPILER_LAUNCHER={launcher}", f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"])
    must([cmake, "--build", folder])


def check_runs(folder, have_packs):
    for program, wanted in (("one_turn", "reply: "), ("conversation", '"type":"turn_end"')):
        code, output = run([f"{folder}/{program}"], cwd=folder, timeout=250)
        print(f"{program}:\n{output}")
        if have_packs:
            assert code == 0 and wanted in output, f"{program}: exit code {code}, wanted {wanted}"
        else:
            assert code == 1 and "manifest.toml is missing" in output, f"{program}: exit code {code}"


def check_network(folder, source):
    """The engine from C: a model calibrated, built and run; errors that name what is wrong."""
    program = f"{folder}/network"
    model = f"{source}/tests/golden/calibration/net.onnx"
    code, output = run([program, model, "x", "y", "2", "3", "12", "14"], cwd=folder, timeout=60)
    print(f"network:\n{output}")
    found = re.fullmatch(r"y: \[2, 14, 10\], int8 differs by ([0-9.e-]+)\n", output)
    assert code == 0 and found, f"network: exit code {code}"
    assert 0 < float(found[1]) < 0.5, "int8 rounds, and not by much"
    for arguments, wanted in ((("/nowhere.onnx", "x", "y", "1"), "/nowhere.onnx: no such file"),
                              ((model, "x", "y", "1", "3", "12", "13"), "sample 0"),
                              ((model, "x", "z", "1", "3", "12", "14"), "output 'z'")):
        code, output = run([program, *arguments], cwd=folder, timeout=60)
        assert code == 1 and wanted in output, f"{arguments}: exit code {code}, {output}"


def check_shared_library(prefix):
    """Only the C ABI is visible, and it loads without anything else of ours."""
    library = next(os.path.join(d, "libantiphon.so") for d, _, files in os.walk(prefix) if "libantiphon.so" in files)
    assert ctypes.CDLL(library).antiphon_abi_version() == 1
    names = [line.split()[-1] for line in must(["nm", "-D", "--defined-only", library]).splitlines()]
    strange = [n for n in names if not n.startswith("antiphon_")]
    assert not strange, f"visible beside the C ABI: {strange[:5]}"


def check_not_portable_paths(prefix, source):
    """The package does not point back into the tree that it was built from."""
    for folder, _, files in os.walk(prefix):
        for name in files:
            if name.endswith((".cmake", ".pc")):
                text = open(os.path.join(folder, name), encoding="utf-8").read()
                assert source not in text, f"{name} names {source}"


def main(source, build, cmake, launcher=""):
    scratch = tempfile.mkdtemp(prefix="antiphon_install_")
    try:
        prefix = f"{scratch}/prefix"
        must([cmake, "--install", build, "--prefix", prefix])
        check_not_portable_paths(prefix, source)
        check_shared_library(prefix)
        build_examples(source, cmake, launcher, prefix, f"{scratch}/examples")
        have_packs = all(os.path.exists(f"{source}/models/{p}/manifest.toml") for p in PACKS)
        check_runs(f"{scratch}/examples", have_packs)
        check_network(f"{scratch}/examples", source)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main(*sys.argv[1:])
