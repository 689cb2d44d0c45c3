"""What a recogniser makes of words: alignment, labels carried over to heard words, and errors drawn as they were counted.

    python3 -m training.nlu.heard OUT.json --split dev TABLE.tsv SHOWN [TABLE.tsv SHOWN]...

TABLE.tsv: what asr_wer read. SHOWN: what its --show printed, pairs of lines "- said" and "+ heard"; what is not there was heard as it is.
OUT.json: {"right": {word: times}, "confused": {word: {heard: times}}, "inserted": {word: times}, "letters": {letter: {heard letters: times}}};
"" as heard: left out. Letters are counted within confused words only.
"""
import argparse
import json
import re
from collections import Counter, defaultdict

from ..common.text import read_table
from .corpora import Example


def aligned(said, heard, cost=lambda a, b: 0 if a == b else 1):
    """Least-cost alignment of two sequences -> [(place in said or None, place in heard or None)]."""
    n, m = len(said), len(heard)
    d = [[i + j if not i or not j else 0 for j in range(m + 1)] for i in range(n + 1)]
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            d[i][j] = min(d[i - 1][j - 1] + cost(said[i - 1], heard[j - 1]), d[i - 1][j] + 1, d[i][j - 1] + 1)
    out = []
    while n or m:
        if n and m and d[n][m] == d[n - 1][m - 1] + cost(said[n - 1], heard[m - 1]):
            n, m = n - 1, m - 1
            out.append((n, m))
        elif n and d[n][m] == d[n - 1][m] + 1:
            n -= 1
            out.append((n, None))
        else:
            m -= 1
            out.append((None, m))
    return out[::-1]


def likeness(a, b):
    """Cost of one word for another, 0 to 1.2: by letters, so that a word meets what was heard in its place."""
    if a == b:
        return 0.0
    edits = sum(x is None or y is None or a[x] != b[y] for x, y in aligned(a, b))
    return 0.2 + edits / max(len(a), len(b))


def groups(said, heard):
    """-> [(place in said or None, [places in heard])]: words beside a confused one that nothing matches belong to it ("playlist": "play list")."""
    pairs = aligned(said, heard, likeness)
    out = []
    for a, b in pairs:
        if a is not None:
            out.append((a, [] if b is None else [b]))
        elif out and out[-1][0] is not None and out[-1][1] and said[out[-1][0]] != heard[out[-1][1][0]]:
            out[-1][1].append(b)
        else:
            out.append((None, [b]))
    for i in range(len(out) - 1):  # what was heard before a confused word
        (a, front), (b, behind) = out[i], out[i + 1]
        if a is None and b is not None and behind and said[b] != heard[behind[0]]:
            out[i], out[i + 1] = (None, []), (b, front + behind)
    return [(a, b) for a, b in out if a is not None or b]


def carried(tags, parts):
    """Labels of heard words. parts: groups(); a word heard for nothing joins a slot that goes on around it."""
    out = []
    begun = None  # a slot whose first words were not heard
    for k, (place, heard) in enumerate(parts):
        if place is None:
            later = next((tags[a] for a, b in parts[k + 1:] if a is not None and b), "O")
            inside = out and out[-1] != "O" and later == "I" + out[-1][1:]
            out += [("I" + out[-1][1:]) if inside else "O"] * len(heard)
            continue
        tag = tags[place]
        if not heard:
            begun = tag[1:] if tag[0] == "B" else begun
            continue
        if tag[0] == "I" and begun == tag[1:]:
            tag = "B" + tag[1:]
        begun = None
        out += [tag if i == 0 or tag == "O" else "I" + tag[1:] for i in range(len(heard))]
    return out


def as_heard(example, heard):
    """The example with what was heard of it (words), labels carried over."""
    tags = example.tags or ["O"] * len(example.words)
    new = carried(tags, groups(example.words, heard))
    return Example(example.domain, example.split, example.intent, list(heard), new if example.tags else [])


def words_of(text):
    return [w.strip("'") for w in re.sub(r"[^\w' ]|_", " ", text.lower().replace("’", "'")).split() if w.strip("'")]


def count(pairs):
    """[(said, heard)] texts -> the counts."""
    right, confused, inserted, letters = Counter(), defaultdict(Counter), Counter(), defaultdict(Counter)
    for said, heard in pairs:
        said, heard = words_of(said), words_of(heard)
        for place, got in groups(said, heard):
            new = " ".join(heard[i] for i in got)
            if place is None:
                inserted[new] += 1
            elif new == said[place]:
                right[new] += 1
            else:
                confused[said[place]][new] += 1
                if new:
                    for letter, written in spelled(said[place], new):
                        letters[letter][written] += 1
    return {"right": right, "confused": confused, "inserted": inserted, "letters": letters}


def spelled(said, heard):
    """Letters of a confused word and what was written for each; what was written for nothing joins the letter before."""
    out = []
    for a, b in aligned(said, heard):
        if a is not None:
            out.append([said[a], "" if b is None else heard[b]])
        elif out:
            out[-1][1] += heard[b]
        else:
            out.append(["^", heard[b]])
    return out


_ALIKE = str.maketrans("bdgkqzvm", "ptccssfn")


def sound(word):
    """The consonants, voiced and unvoiced alike, doubled ones once: words that share it are taken for each other."""
    w = re.sub(r"ck|ch|k|q|x", "c", re.sub(r"ph", "f", re.sub(r"[^a-z]", "", word)))
    return (w[:1] if w[:1] in "aeiou" else "") + re.sub(r"(.)\1+", r"\1", re.sub(r"[aeiouyhw]", "", w.translate(_ALIKE)))


class Confusions:
    """Draws errors. `common`: {word: times in text}, by which words that were never counted are judged; `level`: least and most, for
    each utterance anew, of what the counted rates are multiplied by."""

    def __init__(self, counts, common, rng, level=(0.2, 1.0)):
        self.rng, self.level, self.common = rng, level, common
        self.right, self.confused = Counter(counts["right"]), {w: Counter(c) for w, c in counts["confused"].items()}
        self.inserted = list(Counter(counts["inserted"]).elements())
        self.letters = {a: [list(x) for x in zip(*((b, n) for b, n in c.items() if b != a))] for a, c in counts["letters"].items() if set(c) - {a}}
        self.sounding = defaultdict(list)
        for word, times in common.items():
            if times >= 5 and len(sound(word)) > 1:
                self.sounding[sound(word)].append(word)
        total = Counter()
        wrong = Counter()
        for w in set(self.right) | set(self.confused):
            k, bad = self.rarity(w), sum(self.confused.get(w, {}).values())
            wrong[k] += bad
            total[k] += bad + self.right[w]
        self.rates = {k: wrong[k] / total[k] for k in total}
        self.insert_rate = len(self.inserted) / max(1, sum(total.values()))

    def rarity(self, word):
        """0 (unknown) to 5 (very common)."""
        return min(5, len(str(self.common[word]))) if self.common.get(word) else 0

    def rate(self, word):
        """Probability that the word is not heard: counted, drawn towards that of words as rare."""
        prior = self.rates.get(self.rarity(word), 0.3)
        bad = sum(self.confused.get(word, {}).values())
        return (bad + 4 * prior) / (bad + self.right[word] + 4)

    def misspelt(self, word):
        """One letter in four, at least one, replaced as letters of confused words were."""
        letters = list(word)
        for at in self.rng.sample(range(len(word)), min(len(word), 1 + self.rng.randrange(1 + len(word) // 4))):
            letters[at] = self.rng.choices(*self.letters[word[at]])[0] if word[at] in self.letters else ""
        return " ".join("".join(letters).split())

    def error(self, word):
        """What was heard in its place before, a word that sounds like it, or letters."""
        seen, like = self.confused.get(word), self.sounding.get(sound(word), [])
        if seen and self.rng.random() < 0.6:
            return self.rng.choices(list(seen), list(seen.values()))[0]
        if len(like) > 1 and self.rng.random() < 0.6:
            return self.rng.choice(like)
        return self.misspelt(word)

    def distorted(self, example):
        """The example with errors, labels carried over; None where nothing changed or nothing is left."""
        parts, words, level = [], [], self.rng.uniform(*self.level)
        for i, word in enumerate(example.words):
            new = self.error(word).split() if self.rng.random() < level * self.rate(word) else [word]
            parts.append((i, list(range(len(words), len(words) + len(new)))))
            words += new
            if self.rng.random() < level * self.insert_rate and self.inserted:
                extra = self.rng.choice(self.inserted).split()
                parts.append((None, list(range(len(words), len(words) + len(extra)))))
                words += extra
        if not words or words == example.words:
            return None
        tags = carried(example.tags, parts) if example.tags else []
        return Example(example.domain, example.split, example.intent, words, tags)


def pairs_of(table, shown):
    """(row of the table, heard) of every utterance; shown in the table's order."""
    with open(shown, encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if line[:2] in ("- ", "+ ")]
    wrong = [(a[2:], b[2:]) for a, b in zip(lines[::2], lines[1::2], strict=True)]
    for row in read_table(table):
        if wrong and wrong[0][0] == row["text"]:
            yield row, wrong.pop(0)[1]
        else:
            yield row, row["text"]
    if wrong:
        raise SystemExit(f"{shown}: {wrong[0][0]!r} is not in {table}, or not in its order")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out"), parser.add_argument("paths", nargs="+", metavar="TABLE.tsv SHOWN"), parser.add_argument("--split", default="dev")
    a = parser.parse_args()
    pairs = [(row["text"], heard) for table, shown in zip(a.paths[::2], a.paths[1::2], strict=True) for row, heard in pairs_of(table, shown) if row["split"] == a.split]
    counts = count(pairs)
    with open(a.out, "w", encoding="utf-8") as f:
        json.dump(counts, f, ensure_ascii=False, sort_keys=True)
    wrong = sum(sum(c.values()) for c in counts["confused"].values())
    print(f"{len(pairs)} utterances: {sum(counts['right'].values())} words right, {wrong} wrong, {sum(counts['inserted'].values())} put in")


if __name__ == "__main__":
    main()
