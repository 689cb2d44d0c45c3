"""Questions made from plain text: a span of a sentence becomes the answer, the rest a rough question.

After Lewis et al., "Unsupervised Question Answering by Cloze Translation" (arXiv 1906.04980), with their noisy clozes in
place of a translator: a question word that fits the answer, then words around it, some dropped, some out of order.
"""
import re

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_NUMBER = (r"\d[\d,.]*\d|\d|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty"
           r"|sixty|seventy|eighty|ninety|(?:one|two|three|four|five|six|seven|eight|nine) hundred|(?:one|two|three|four|five) thousand")
_PATTERNS = (  # kind, expression: group 1 is the answer
    ("date", rf"\b((?:\d{{1,2}}(?:st|nd|rd|th)? )?(?:{_MONTH})(?: \d{{1,2}}(?:st|nd|rd|th)?)?(?:,? \d{{4}})?|(?:1[0-9]|20)\d\d)\b"),
    ("count", rf"\b((?:{_NUMBER}) (?:million|billion|thousand)|(?:{_NUMBER}))\b"),
    ("name", r"(?<=[a-z,;] )((?:[A-Z][\w'’-]+(?: (?:of|the|de|and) (?=[A-Z]))? ?){1,4})(?=[ ,.;:?!)]|$)"),
    ("thing", r"\b(?:the|an?|his|her|their|its) ((?:[a-z-]{3,} ){0,2}[a-z-]{4,})(?= (?:of|in|to|for|on|with|and|was|were|is|are|which|that|had|has|from|by|at)\b|[,.;])"),
)
_PATTERNS = tuple((kind, re.compile(expression)) for kind, expression in _PATTERNS)
_PLACE = re.compile(r"\b(?:in|at|near|from|to|through|into|across)(?: the)?\s*$", re.I)
_STOP = set("the a an of to in and or that which was were is are be been has have had it its this these those with for on by as at from his her their he she they".split())


def answers(sentence):
    """[(kind, begin, end)] of spans that a question could ask for; none overlap."""
    found = []
    for kind, pattern in _PATTERNS:
        for m in pattern.finditer(sentence):
            begin, end = m.start(1), m.start(1) + len(m[1].rstrip(" ,.;"))
            if end > begin and all(end <= b or begin >= e for _, b, e in found):
                found.append((kind, begin, end))
    return found


def question_word(kind, before, after, rng):
    """-> words that ask, and how many words of `after` they took."""
    if kind == "date":
        return rng.choice(["when", "in what year" if rng.random() < 0.5 else "on what date", "what year"]), 0
    if kind == "count":
        noun = re.match(r"\s*([a-z]{3,})", after)
        return ("how many " + noun[1], 1) if noun and noun[1] not in _STOP else (rng.choice(["how many", "how much", "what number"]), 0)
    if kind == "name":
        return rng.choice(["where", "in what place", "what place"] if _PLACE.search(before) and rng.random() < 0.8 else ["who", "who", "what", "which"]), 0
    return rng.choice(["what", "what", "which", "what kind of thing"]), 0


def ask(sentence, kind, begin, end, rng):
    """A rough question whose answer is sentence[begin:end], or None where too little would be left."""
    before, after = sentence[:begin], sentence[end:]
    asks, taken = question_word(kind, before, after, rng)
    left = re.findall(r"[\w'’-]+", re.split(r"[;:()\"]", before)[-1])
    right = re.findall(r"[\w'’-]+", re.split(r"[;:()\"]", after)[0])[taken:]
    left, right = left[-rng.randint(5, 10):], right[:rng.randint(3, 9)]
    while left and left[-1].lower() in _STOP and rng.random() < 0.7:
        left.pop()
    body = right + left if rng.random() < 0.3 else left + right
    if sum(w.lower() not in _STOP for w in body) < 3:
        return None
    body = [w for w in body if rng.random() > (0.25 if w.lower() in _STOP else 0.1)]
    body = [w for _, w in sorted((i + rng.random() * 2.5, w) for i, w in enumerate(body))]  # local disorder
    words = [asks, rng.choice(["did", "was", "is", "does", ""] )] + body
    if rng.random() < 0.15:
        words = body + [asks]
    return " ".join(w for w in words if w) + rng.choice(["", "?"])


def questions(sentences, rng, most):
    """A paragraph's sentences -> paragraph, up to `most` of (question, begin, end in the paragraph)."""
    paragraph, candidates = "", []
    for s in sentences:
        at = len(paragraph)
        candidates += [(at, s, *a) for a in answers(s)]
        paragraph += s + " "
    rng.shuffle(candidates)
    made = []
    for at, s, kind, begin, end in candidates:
        q = ask(s, kind, begin, end, rng)
        if q and len(made) < most:
            made.append((q, at + begin, at + end))
    return paragraph.rstrip(), made
