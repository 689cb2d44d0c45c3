"""Texts for LibriSpeech utterances that came without one, written by an independent recogniser (whisper tiny.en).

    python3 -m training.asr.pseudo OUT.tsv --data DATA --model DIR

Writes `id<TAB>text` for utterances that the recogniser is sure of (mean log-probability of a token > --sure), that are
neither in librispeech_mini nor ruled out by training/heldout. Needs faster-whisper.
"""
import argparse
import re

import numpy as np

from ..common.data import corpus_rows, decode
from ..common.text import KeptOut, clean


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--model", required=True, help="folder of a CTranslate2 whisper tiny.en")
    ap.add_argument("--sure", type=float, default=-0.35)
    a = ap.parse_args()
    from faster_whisper import WhisperModel
    whisper = WhisperModel(a.model, device="cpu", compute_type="int8", cpu_threads=1)
    kept, known = KeptOut(), {r["id"] for r in corpus_rows(a.data, "librispeech_mini")}
    pcm = decode(f"{a.data}/speech/librispeech_train_unlabelled.opus")
    made = 0
    with open(a.out, "w", encoding="utf-8") as out:
        print("id", "text", sep="\t", file=out)
        for r in corpus_rows(a.data, "librispeech_train_unlabelled"):
            at, n = int(r["start_sample"]), int(r["num_samples"])
            parts, _ = whisper.transcribe(pcm[at:at + n].astype(np.float32) / 32768, language="en", beam_size=5,
                                         condition_on_previous_text=False)
            parts = list(parts)
            text = clean(" ".join(p.text for p in parts))
            sure = np.average([p.avg_logprob for p in parts], weights=[p.end - p.start for p in parts]) if parts else -9
            digits = any(re.search(r"\d", p.text) for p in parts)
            if r["id"] not in known and not digits and sure > a.sure and text and not kept.text(text):
                print(r["id"], text, sep="\t", file=out, flush=True)
                made += 1
    print(made, "utterances")


if __name__ == "__main__":
    main()
