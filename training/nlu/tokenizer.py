"""BERT's uncased WordPiece tokenizer (arXiv 1810.04805) with the place of every piece in the text."""
import unicodedata

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # ids 0..4 of our vocabularies
PAD, UNK, CLS, SEP, MASK = range(5)
LONGEST_WORD = 100  # characters; longer ones are [UNK]
_CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
        (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))


def is_cjk(char):
    return any(a <= ord(char) <= b for a, b in _CJK)


def is_punctuation(char):
    n = ord(char)
    return 33 <= n <= 47 or 58 <= n <= 64 or 91 <= n <= 96 or 123 <= n <= 126 or unicodedata.category(char)[0] == "P"


def basic_words(text):
    """Yields (normalised word, [place in text of each of its characters]): split at white space and punctuation."""
    word, places = [], []
    for at, char in enumerate(text):
        if char == "\ufffd" or char not in "\t\n\r" and unicodedata.category(char) in ("Cc", "Cf", "Cn", "Co", "Cs"):
            continue
        if char.isspace():
            alone, normal = True, ""
        else:
            normal = [c for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn"]
            normal = "".join(normal).lower()
            alone = bool(normal) and (is_cjk(char) or is_punctuation(normal[0]))
        if alone:
            if word:
                yield "".join(word), places
            word, places = [], []
            if normal:
                yield normal, [at] * len(normal)
        else:
            word += normal
            places += [at] * len(normal)
    if word:
        yield "".join(word), places


class WordPiece:
    """Immutable. `pieces`: the vocabulary in order of ids."""

    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.ids = {p: i for i, p in enumerate(self.pieces)}
        self.unk = self.ids["[UNK]"]
        self.known = {}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as f:
            return cls(f.read().split("\n")[:-1])

    def cut(self, word):
        """[(id, begin, end)] of one word: longest known pieces from the left, or [UNK] for all of it."""
        if word in self.known:
            return self.known[word]
        pieces, begin = [], 0
        while begin < len(word) <= LONGEST_WORD:
            end = len(word)
            while end > begin and ("##" if begin else "") + word[begin:end] not in self.ids:
                end -= 1
            if end == begin:
                break
            pieces.append((self.ids[("##" if begin else "") + word[begin:end]], begin, end))
            begin = end
        if begin < len(word):
            pieces = [(self.unk, 0, len(word))]
        self.known[word] = pieces
        return pieces

    def encode(self, text):
        """-> ids, [(begin, end) in text], [whether the piece begins a word]; no special pieces."""
        ids, spans, first = [], [], []
        for word, places in basic_words(text):
            for piece, begin, end in self.cut(word):
                ids.append(piece)
                spans.append((places[begin], places[end - 1] + 1))
                first.append(begin == 0)
        return ids, spans, first

    def encode_tagged(self, words, tags):
        """Words with one BIO tag each -> ids, tag of each piece ("" behind the first piece of a word), [whether the piece begins one of `words`].

        Punctuation cuts words further ("o'clock" gives three); those parts continue the slot.
        """
        ids, piece_tags, heads = [], [], []
        for word, tag in zip(words, tags):
            piece_ids, _, first = self.encode(word)
            rest = "I" + tag[1:] if tag != "O" else tag
            for i, (piece, begins) in enumerate(zip(piece_ids, first)):
                ids.append(piece)
                piece_tags.append(tag if i == 0 else rest if begins else "")
                heads.append(i == 0)
        return ids, piece_tags, heads
