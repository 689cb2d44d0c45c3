"""Sentences of the teacher as speakers of other languages might say them: the phonemes change, the text stays.

    python3 -m training.common.accents IN.tsv[.xz] OUT.tsv --share 0.35 [--seed 2]      # id, text, american, british

Which sounds are exchanged follows what is said of learners in the literature on contrastive phonology (Swan and Smith, Learner
English, 2001): th, v and w, lax vowels, final voiced consonants, clusters. One accent a sentence; each rule holds with its odds.
"""
import argparse
import lzma
import random
import re

VOWEL = "aeiouɑɐɒæɔəɛɜɪʊʌᵊᵻAIOQWY"
LAX = [("ɪ(?!ŋ)", "i", 0.6), ("æ", "ɛ", 0.5), ("ʊ", "u", 0.6), ("ʌ", "ɑ", 0.4)]
DEVOICED = [("z(?=[ ,.?!]|$)", "s", 0.7), ("d(?=[ ,.?!]|$)", "t", 0.6), ("ɡ(?=[ ,.?!]|$)", "k", 0.6), ("v(?=[ ,.?!]|$)", "f", 0.7)]
RULES = dict(
    east_asian=[("θ", "s", 0.8), ("ð", "z", 0.5), ("ð", "d", 0.7), ("v", "w", 0.6), ("ɹ(?=[ˈˌ]?[" + VOWEL + "])", "l", 0.15),
                (r"(?<=[" + VOWEL + r"])l(?=[ ,.?!]|$)", "o", 0.4), (r"(?<=[ptkbdɡsz])(?=[ ,.?!]|$)", "ə", 0.12),
                (r"[td](?=[ ,.?!]|$)", "", 0.25), *LAX, *DEVOICED[:2]],
    south_asian=[("θ", "t", 0.8), ("ð", "d", 0.85), ("w", "v", 0.6), ("ɹ", "r", 0.5), ("z", "s", 0.25), ("ɜ", "ɛ", 0.5), ("æ", "a", 0.6),
                 ("A", "e", 0.6), ("O", "o", 0.6), ("ə(?=[ ,.?!]|$)", "a", 0.3)],
    romance=[(r"(?<= )([ˈˌ]?)s(?=[ptkmnl])", r"\1ɛs", 0.5), ("z", "s", 0.5), ("v", "b", 0.3), ("ʃ", "ʧ", 0.25), ("ʤ", "j", 0.25),
             ("θ", "t", 0.5), ("θ", "s", 0.6), ("ð", "d", 0.8), ("h", "", 0.35), ("ɹ", "r", 0.6), ("ə", "a", 0.2), *LAX],
    germanic_slavic=[("θ", "s", 0.8), ("ð", "z", 0.5), ("ð", "d", 0.6), ("w", "v", 0.7), ("ɹ", "r", 0.35), ("ŋ", "nk", 0.2), ("æ", "ɛ", 0.7),
                     *DEVOICED, *LAX[:1]])


def accented(phonemes, name, rng):
    """Phonemes of a whole sentence; no word loses all its sounds."""
    said = phonemes
    for what, becomes, odds in RULES[name]:
        if rng.random() < odds:  # a speaker does it or does not; now and then it fails
            said = re.sub(what, lambda m: m.expand(becomes) if rng.random() < 0.85 else m[0], said)
    words, before = said.split(" "), phonemes.split(" ")
    kept = all(re.search("[" + VOWEL + "]", w) or not re.search("[" + VOWEL + "]", b) for w, b in zip(words, before))
    return said if len(words) == len(before) and all(words) and kept else phonemes


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("sentences"), ap.add_argument("out")
    ap.add_argument("--share", type=float, default=0.35), ap.add_argument("--seed", type=int, default=2)
    a = ap.parse_args()
    changed = total = 0
    with (lzma.open if a.sentences.endswith(".xz") else open)(a.sentences, "rt", encoding="utf-8") as f, open(a.out, "w", encoding="utf-8") as out:
        for line in f:
            id, text, *forms = line.rstrip("\n").split("\t")
            rng = random.Random(f"{a.seed} {id}")
            if rng.random() < a.share:
                name = rng.choice(sorted(RULES))
                forms, before = [accented(p, name, rng) for p in forms], forms
                changed += forms != before
            total += 1
            print(id, text, *forms, sep="\t", file=out)
    print(changed, "of", total, "sentences")


if __name__ == "__main__":
    main()
