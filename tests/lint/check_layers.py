#!/usr/bin/env python3
"""Fails on any #include that breaks the layer table: check_layers.py [ROOT]."""
import os
import re
import sys

ENGINE = {"engine/base", "engine"}
# layer -> layers it may include besides itself
TABLE = {
    "engine/base": set(),
    "engine/ir": {"engine/base"},
    "engine/import": {"engine/ir", "engine/base"},
    "engine/passes": {"engine/ir", "engine/base"},
    "engine/kernels": {"engine/ir", "engine/base"},
    "engine/kernels/cpu": {"engine/kernels", "engine/ir", "engine/base"},
    "engine/kernels/cuda": {"engine/kernels", "engine/ir", "engine/base"},
    "engine/plan": {"engine/kernels", "engine/ir", "engine/base"},
    "engine/runtime": {"engine/plan", "engine/kernels", "engine/ir", "engine/base"},
    "engine": {"engine/base", "engine/ir", "engine/import", "engine/passes", "engine/kernels",
               "engine/kernels/cpu", "engine/kernels/cuda", "engine/plan", "engine/runtime"},
    "pipeline": {"engine/base"},
    "asr": {"pipeline"} | ENGINE,
    "nlu": {"pipeline"} | ENGINE,
    "tts": {"pipeline"} | ENGINE,
    "dialog": {"pipeline", "engine/base"},
    "plugins": {"pipeline", "engine/kernels"} | ENGINE,
    "antiphon": {"pipeline", "asr", "nlu", "tts", "dialog"} | ENGINE,
    "server": {"antiphon", "pipeline"} | ENGINE,
    "cli": {"antiphon", "server"} | ENGINE,
}
# Headers of the engine's façade that the layers below it share: plain data.
SHARED = {"engine/tensor.h", "engine/network.h", "engine/weights.h", "engine/engine.h",
          "engine/onnx_options.h", "engine/plugins.h"}
FREE = ("tests", "bench", "examples")  # may include everything
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def layer_of(path):
    """The longest layer whose folder holds `path`, or None."""
    parts = os.path.dirname(path)
    while parts:
        if parts in TABLE:
            return parts
        parts = os.path.dirname(parts)
    return None


def is_private(included, layer):
    """What lies in a sub-folder of a layer is its own business."""
    if layer.startswith("engine/"):
        return False
    return os.path.dirname(included) != layer


def check(root):
    """Returns a list of "file:line: message"."""
    errors = []
    for top in sorted({layer.split("/")[0] for layer in TABLE}):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in sorted(files):
                if not name.endswith((".h", ".cpp", ".cu", ".cuh")):
                    continue
                path = os.path.relpath(os.path.join(folder, name), root)
                mine = layer_of(path)
                for number, line in enumerate(open(os.path.join(root, path), encoding="utf-8"), 1):
                    found = INCLUDE.match(line)
                    if not found:
                        continue
                    included = found[1]
                    theirs = layer_of(included)
                    if theirs is None:
                        errors.append(f'{path}:{number}: "{included}" is not written from the repository root')
                    elif theirs == mine or included in SHARED and mine != "engine/base" and mine not in ("pipeline", "dialog"):
                        continue
                    elif theirs not in TABLE[mine]:
                        errors.append(f"{path}:{number}: {mine} may not include {theirs} ({included})")
                    elif is_private(included, theirs):
                        errors.append(f"{path}:{number}: {included} is private to {theirs}")
    return errors


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found) or "layers: ok")
    sys.exit(bool(found))
