"""Prunes BERT's English vocabulary to the pieces that our text uses, and the embedding rows with it."""
import unicodedata
from collections import Counter

from .tokenizer import SPECIAL, WordPiece, basic_words

_EXTRA = "£€¥°–—‘’“”…•·×÷½¼¾²³ß§©®™¿¡æøœ"


def single(piece):
    """ASCII characters and some signs, alone or inside a word."""
    core = piece.removeprefix("##")
    return len(core) == 1 and (core.isascii() or core in _EXTRA)


def prune(old_pieces, texts, size):
    """texts: iterable of (weight, text). -> pieces in the new order, the old id of each.

    Kept: the special pieces (ids 0..4), single characters, then ASCII pieces by weighted count, ties by old id;
    English pieces that never came up fill what is left in the old vocabulary's order, which is one of frequency.
    """
    old = WordPiece(old_pieces)
    words = Counter()
    for weight, text in texts:
        for word, _ in basic_words(text):
            words[word] += weight
    count = Counter()
    for word, n in words.items():
        for piece, _, _ in old.cut(word):
            count[piece] += n
    must = [old.ids[p] for p in SPECIAL] + [i for i, p in enumerate(old_pieces) if single(p)]
    taken = set(must)
    rest = [i for i, p in enumerate(old_pieces) if i not in taken and p.isascii() and not p.startswith("[unused")
            and any(unicodedata.category(c)[0] in "LN" for c in p)]
    rest.sort(key=lambda i: (-count[i], i))
    chosen = must[:len(SPECIAL)] + sorted(must[len(SPECIAL):] + rest[:size - len(must)])
    covered = sum(n for i, n in count.items() if i in set(chosen))
    return [old_pieces[i] for i in chosen], chosen, covered / max(1, sum(count.values()))
