#!/usr/bin/env python3
"""Fails on files over the limits of lines: check_size.py [ROOT]. Sources 400, headers 200 (façade 400), tests 500."""
import os
import sys

FOLDERS = "engine pipeline asr nlu dialog tts plugins antiphon server cli bench tests training".split()
WIDE_HEADERS = {"engine/network.h"}  # one list of operations


def limit(path):
    if path.startswith("tests/"):
        return 500
    if path.endswith(".h") and path not in WIDE_HEADERS:
        return 200
    return 400


def check(root):
    errors = []
    for top in FOLDERS:
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in sorted(files):
                if name.endswith((".h", ".cpp", ".cu", ".py")):
                    path = os.path.relpath(os.path.join(folder, name), root)
                    lines = sum(1 for _ in open(os.path.join(root, path), encoding="utf-8"))
                    if lines > limit(path):
                        errors.append(f"{path}: {lines} lines, limit {limit(path)}")
    return errors


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found) or "sizes: ok")
    sys.exit(bool(found))
