"""What sentences for an assistant sound like, as tables for build/bin/asr_wer: OUT/NAME and OUT/NAME_noisy, the same in rooms beside noise.

    python3 -m training.asr.phrase_tables OUT NAME --data DATA PREFIX...        PREFIX: shards that the teacher's kept-out voices spoke

phrases/zoo.txt and orders.txt are such sentences, one a line; zoo.toml is an assistant whose words the language model does not know.
"""
import argparse
import os

from ..common.data import load
from .augment import read_noise, read_rooms
from .batches import tables_of
from .held_tables import beside_noise, write


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("name"), ap.add_argument("prefix", nargs="+"), ap.add_argument("--data", required=True)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    said = [(r["id"], r["speaker"], r["text"], pcm[r["start"]:r["start"] + r["n"]])
            for _, rows, pcm in load(tables_of(a.data, a.prefix, ()), jobs=1) for r in rows]
    folder = os.path.join(a.data, "noise")
    rooms, noise = read_rooms(folder, held=True), read_noise(folder, held=True)
    write(a.out, a.name, said)
    write(a.out, a.name + "_noisy", [(i, s, t, beside_noise(i, x, rooms, noise)) for i, s, t, x in said])


if __name__ == "__main__":
    main()
