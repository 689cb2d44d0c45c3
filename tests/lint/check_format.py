#!/usr/bin/env python3
"""Fails on C and C++ that .clang-format would write otherwise: check_format.py [ROOT] [FILE...]. 77: no clang-format."""
import os
import re
import shutil
import subprocess
import sys

FOLDERS = "engine pipeline asr nlu dialog tts plugins antiphon server cli bench tests examples".split()
MISPLACED = re.compile(r"^(.+?):(\d+):\d+: .*clang-format-violations", re.M)


def sources(root):
    for top in FOLDERS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".h", ".c", ".cpp", ".cu")):
                    yield os.path.join(folder, name)


def check(root, files):
    """Returns a list of "file:line", the first place in each file."""
    done = subprocess.run(["clang-format", "--dry-run", *files], capture_output=True, text=True, check=True)
    first = {}
    for path, line in MISPLACED.findall(done.stderr):
        first.setdefault(os.path.relpath(path, root), line)
    return [f"{path}:{line}: not formatted; run: clang-format -i {path}" for path, line in sorted(first.items())]


if __name__ == "__main__":
    if not shutil.which("clang-format"):
        print("format: skipped, there is no clang-format")
        sys.exit(77)
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    found = check(root, sys.argv[2:] or list(sources(root)))
    print("\n".join(found) or "format: ok")
    sys.exit(bool(found))
