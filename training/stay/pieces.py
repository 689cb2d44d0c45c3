#!/usr/bin/env python3
"""Files in pieces that a call may carry, there and back.

    pieces.py make STAGE PIECES [--mib 18] [--order FIRST...]    STAGE's files -> PIECES/00/piece.tar, 01, ...
    pieces.py take PIECE STAY/in                                 on the machine: unpacks one, joins what is whole
    pieces.py home STAY FOLDER --group look|0|1|... [--plan]     on the machine: results, cut to what may come back
    pieces.py join FOLDER DEST                                   at home: whole files again

A file that is cut becomes NAME.part-K-of-N; N parts make it whole, in any order. in/complete appears with the last piece.
"""
import argparse
import glob
import os
import re
import shutil
import tarfile
import tomllib

PART = re.compile(r"(.+)\.part-(\d+)-of-(\d+)$")
BACK_FILES, BACK_BYTES, BACK_TOTAL = 8, 16 << 20, 64 << 20  # what one call brings back at most


def cut(path, most):
    """[(suffix, offset, bytes)] of a file in parts of at most `most` bytes."""
    size = os.path.getsize(path)
    count = max(1, -(-size // most))
    if count == 1:
        return [("", 0, size)]
    each = -(-size // count)
    return [(f".part-{i}-of-{count}", i * each, min(each, size - i * each)) for i in range(count)]


def copy_range(source, offset, count, target):
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    with open(source, "rb") as a, open(target, "wb") as b:
        a.seek(offset)
        while count:
            block = a.read(min(count, 1 << 20))
            b.write(block)
            count -= len(block)


def joined(folder, dest):
    """Moves whole files of `folder` to `dest` and joins parts that are all there -> names of those still incomplete."""
    parts = {}
    for path in sorted(glob.glob(os.path.join(folder, "**"), recursive=True)):
        if not os.path.isfile(path):
            continue
        name = os.path.relpath(path, folder)
        found = PART.match(name)
        if found:
            parts.setdefault((found[1], int(found[3])), {})[int(found[2])] = path
        else:
            place(dest, name, [path])
    waiting = []
    for (name, count), have in sorted(parts.items()):
        if len(have) == count:
            place(dest, name, [have[i] for i in range(count)])
        else:
            waiting.append(f"{name} ({len(have)} of {count} parts)")
    return waiting


def place(dest, name, paths):
    """Appends the files to one at its place, which appears there whole or not at all."""
    target = os.path.join(dest, name)
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    with open(target + ".arriving", "wb") as out:
        for path in paths:
            with open(path, "rb") as f:
                shutil.copyfileobj(f, out, 1 << 20)
    os.replace(target + ".arriving", target)
    for path in paths:
        os.remove(path)


def make(a):
    """Files of --order first, then the others by name; a piece is filled before the next begins."""
    names = sorted(os.path.relpath(p, a.source) for p in glob.glob(os.path.join(a.source, "**"), recursive=True) if os.path.isfile(p))
    rank = lambda n: next((i for i, first in enumerate(a.order) if n.startswith(first)), len(a.order))
    names.sort(key=lambda n: (rank(n), n))
    most, pieces = int(a.mib * (1 << 20)) - (64 << 10), [[]]
    room = most
    for name in names:
        path = os.path.join(a.source, name)
        for suffix, offset, count in cut(path, most // 6):
            if count + 1024 > room and pieces[-1]:
                pieces.append([])
                room = most
            pieces[-1].append((path, name + suffix, offset, count))
            room -= count + 1536
    for k, piece in enumerate(pieces):
        write_piece(os.path.join(a.target, f"{k:02d}"), piece, k + 1 == len(pieces))
    print(len(pieces), "pieces,", sum(c for p in pieces for *_, c in p), "bytes")


def write_piece(folder, piece, last):
    os.makedirs(folder, exist_ok=True)
    scratch = os.path.join(folder, "scratch")
    with tarfile.open(os.path.join(folder, "piece.tar"), "w") as tar:
        for path, name, offset, count in piece:
            copy_range(path, offset, count, scratch)
            tar.add(scratch, name)
            os.remove(scratch)
        if last:
            open(scratch, "w").close()
            tar.add(scratch, "complete")
            os.remove(scratch)


def take(a):
    arriving = os.path.join(os.path.dirname(os.path.abspath(a.target)), "arriving")
    os.makedirs(arriving, exist_ok=True)
    with tarfile.open(os.path.join(a.source, "piece.tar")) as tar:
        tar.extractall(arriving, filter="data")
    last = os.path.join(arriving, "complete")
    held = os.path.join(os.path.dirname(arriving), "last-piece-is-here")
    if os.path.exists(last):
        os.replace(last, held)
    waiting = joined(arriving, a.target)
    if os.path.exists(held) and not waiting:
        os.replace(held, os.path.join(a.target, "complete"))
    print("taken;", "waiting for " + ", ".join(waiting) if waiting else "nothing is incomplete")


def home(a):
    with open(a.plan, "rb") as f:
        plan = tomllib.load(f)["home"]
    names = plan["look"] if a.group == "look" else plan["end"][int(a.group)]
    files, total = 0, 0
    for name in names:
        path = os.path.join(a.source, "out", name)
        if not os.path.exists(path):
            print("not there yet:", name)
            continue
        parts = cut(path, BACK_BYTES - 4096)
        size = os.path.getsize(path)
        if files + len(parts) > BACK_FILES or total + size > BACK_TOTAL:
            print("no room for", name)
            continue
        for suffix, offset, count in parts:
            copy_range(path, offset, count, os.path.join(a.target, name.replace("/", "--") + suffix))
        files, total = files + len(parts), total + size
    print(files, "files,", total, "bytes")


def join(a):
    waiting = joined(a.source, a.target)
    for path in glob.glob(os.path.join(a.target, "*--*")):
        target = os.path.join(a.target, *os.path.basename(path).split("--"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(path, target)
    print("joined;", waiting or "nothing is incomplete")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("what", choices=["make", "take", "home", "join"]), ap.add_argument("source"), ap.add_argument("target")
    ap.add_argument("--mib", type=float, default=18, help="of one piece")
    ap.add_argument("--order", nargs="*", default=[], help="paths, or beginnings of paths, that go first")
    ap.add_argument("--group", default="look")
    ap.add_argument("--plan", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "plan.toml"))
    a = ap.parse_args()
    dict(make=make, take=take, home=home, join=join)[a.what](a)


if __name__ == "__main__":
    main()
