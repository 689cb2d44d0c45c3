"""Cuts utterances out of an Ogg/Opus corpus without decoding: whole packets, so nothing is coded twice.

    python3 -m training.common.ogg_cut DATA/speech/NAME.tsv OUT/NAME [--part 0/2] [--train-only] [--limit 600]

Writes OUT/NAME.opus and OUT/NAME.tsv with new positions. Each utterance takes the packets that cover it and 80 ms before
(a decoder needs them to settle; RFC 7845 section 4.6). Ogg: RFC 3533.
"""
import argparse
import os
import re
import struct
import zlib

from .data import NATIVE, RATE
from .text import KeptOut, clean, read_table

CLOCK = 48000  # granule positions count samples at 48 kHz whatever the corpus's rate
SETTLE = 3840
_FLIP = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))
_FRAME = [480, 960, 1920, 2880] * 3 + [480, 960] * 2 + [120, 240, 480, 960] * 4  # samples by configuration, RFC 6716


def packet_samples(packet):
    """Length of an Opus packet at 48 kHz."""
    code = packet[0] & 3
    frames = 1 if code == 0 else 2 if code < 3 else packet[1] & 63
    return frames * _FRAME[packet[0] >> 3]


def read_packets(data):
    """All packets of a single-stream Ogg file."""
    at, parts = 0, []
    while at < len(data):
        if data[at:at + 4] != b"OggS":
            raise ValueError(f"byte {at}: no Ogg page")
        count = data[at + 26]
        lacing = data[at + 27:at + 27 + count]
        at += 27 + count
        for n in lacing:
            parts.append(data[at:at + n])
            at += n
            if n < 255:
                yield b"".join(parts)
                parts = []


def page_crc(page):
    """Ogg's CRC (0x04c11db7, first bit highest) by zlib's, whose bits run the other way."""
    crc = zlib.crc32(page.translate(_FLIP), 0xffffffff) ^ 0xffffffff
    return int(f"{crc:032b}"[::-1], 2)


class Writer:
    """One Ogg stream; pages of at most about 4 KiB."""

    def __init__(self, path, head, tags):
        self.file, self.serial, self.number = open(path, "wb"), 0x414e5450, 0
        self.granule, self.waiting, self.lacing = 0, [], []
        self.page([head], 2, 0)
        self.page([tags], 0, 0)

    @staticmethod
    def segments(packet):
        return [255] * (len(packet) // 255) + [len(packet) % 255]

    def page(self, packets, flags, granule):
        lacing = bytes(n for p in packets for n in self.segments(p))
        head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, self.serial, self.number, 0)
        page = bytearray(head + bytes([len(lacing)]) + lacing + b"".join(packets))
        struct.pack_into("<I", page, 22, page_crc(bytes(page)))
        self.file.write(page)
        self.number += 1

    def put(self, packet):
        pieces = len(packet) // 255 + 1
        if self.lacing and (sum(self.lacing) + pieces > 255 or len(self.waiting) >= 100):
            self.flush()
        self.waiting.append(packet)
        self.lacing.append(pieces)
        self.granule += packet_samples(packet)

    def flush(self, last=False):
        self.page(self.waiting, 4 if last else 0, self.granule)
        self.waiting, self.lacing = [], []

    def close(self):
        self.flush(last=True)
        self.file.close()


def cut(table, out, rows):
    """Copies `rows` of the corpus; returns bytes written."""
    corpus = os.path.basename(table)[:-4]
    rate = NATIVE.get(corpus, RATE)
    with open(table[:-4] + ".opus", "rb") as f:
        packets = list(read_packets(f.read()))
    head, tags, packets = packets[0], packets[1], packets[2:]
    skip, starts, at = struct.unpack_from("<H", head, 10)[0], [], 0
    for p in packets:
        starts.append(at - skip)
        at += packet_samples(p)
    tag_text = b"OpusTags" + struct.pack("<I", 8) + b"antiphon" + struct.pack("<I", 0)
    writer, k = Writer(out + ".opus", head, tag_text if len(tags) > 4000 else tags), 0
    with open(out + ".tsv", "w", encoding="utf-8") as f:
        print("id", "speaker", "split", "start_sample", "num_samples", "text", sep="\t", file=f)
        for r in sorted(rows, key=lambda r: int(r["start_sample"])):
            begin = int(r["start_sample"]) * CLOCK // rate
            end = (int(r["start_sample"]) + int(r["num_samples"])) * CLOCK // rate
            while k < len(packets) and starts[k] + packet_samples(packets[k]) <= begin - SETTLE:
                k += 1
            place = writer.granule - skip + begin - starts[k]
            while k < len(packets) and starts[k] < end:
                writer.put(packets[k])
                k += 1
            print(r["id"], r["speaker"], r["split"], round(place * rate / CLOCK), r["num_samples"], r["text"], sep="\t", file=f)
    writer.close()
    return os.path.getsize(out + ".opus")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("table")
    ap.add_argument("out")
    ap.add_argument("--part", default="0/1", help="i/n: the i-th of n runs of like length")
    ap.add_argument("--limit", type=int, default=0, help="utterances kept out of training that go along, for evaluation")
    ap.add_argument("--untold", help="table id, text: only its rows, for a corpus without texts")
    a = ap.parse_args()
    corpus, kept = os.path.basename(a.table)[:-4], KeptOut()
    rows = list(read_table(a.table))
    if a.untold:
        known = {r["id"] for r in read_table(a.untold)}
        rows = [r for r in rows if r["id"] in known]
    held = sorted((r for r in rows if kept.row(corpus, r)), key=lambda r: zlib.crc32(r["id"].encode()))[:a.limit]
    native = NATIVE.get(corpus, RATE)
    rows = [r for r in rows if not kept.row(corpus, r) and not kept.text(r["text"]) and not re.search(r"\d", r["text"])
            and 0.3 < int(r["num_samples"]) / native < 20 and (clean(r["text"]) or a.untold)] + held
    rows.sort(key=lambda r: int(r["start_sample"]))
    i, n = map(int, a.part.split("/"))
    rows = rows[len(rows) * i // n:len(rows) * (i + 1) // n]
    seconds = sum(int(r["num_samples"]) for r in rows) / native
    print(corpus, len(rows), "utterances", round(seconds / 3600, 2), "h", cut(a.table, a.out, rows), "bytes", flush=True)


if __name__ == "__main__":
    main()
