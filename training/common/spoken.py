"""Written English -> as people say it: numbers, times, money and dates spelled out. Needs num2words."""
import re

from num2words import num2words

MONTHS = ("January February March April May June July August September October November "
          "December").split()
_MONTH = "|".join(MONTHS)
_REFUSE = re.compile(r"[0-9@#$%^*_+=<>|\\/\[\]{}~`]")


def say_int(n):
    return num2words(int(n)).replace("-", " ").replace(",", "")


def say_year(n):
    return num2words(int(n), to="year").replace("-", " ").replace(",", "")


def say_ordinal(n):
    return num2words(int(n), to="ordinal").replace("-", " ")


def say_digits(text):
    return " ".join(say_int(c) for c in text if c.isdigit())


def say_time(hours, minutes, half=""):
    """Twelve-hour clock with `half` "a" or "p", else as a bare time."""
    h, m = int(hours), int(minutes)
    tail = {"a": " A M", "p": " P M"}.get(half[:1].lower(), "")
    if m:
        return f"{say_int(h)} {'oh ' if m < 10 else ''}{say_int(m)}{tail}"
    return say_int(h) + (tail or (" o'clock" if 1 <= h <= 12 else " hundred"))


def _money(m):
    whole = int(m[1].replace(",", ""))
    said = f"{say_int(whole)} dollar{'' if whole == 1 else 's'}"
    return said + (f" and {say_int(m[2])} cents" if m[2] and int(m[2]) else "")


_RULES = [
    (r"\b(\d{1,2}):(\d{2})(?:\s*([ap])\.?\s?m\b\.?)?", lambda m: say_time(*m.groups(default=""))),
    (r"\b(\d{1,2})\s*([ap])\.?\s?m\b\.?", lambda m: say_time(m[1], 0, m[2])),
    (r"\$\s?(\d[\d,]*)(?:\.(\d\d))?", _money),
    (r"\b(\d{3})-(\d{3})-(\d{4})\b", lambda m: ", ".join(say_digits(g) for g in m.groups())),
    (rf"\b({_MONTH}) (\d{{1,2}})\b(?!\d)", lambda m: f"{m[1]} {say_ordinal(m[2])}"),
    (r"\b(\d{1,2})(?:st|nd|rd|th)\b", lambda m: say_ordinal(m[1])),
    (r"\b(\d+)\s?%", lambda m: say_int(m[1]) + " percent"),
    (r"\b(1[5-9]\d\d|20[0-4]\d)\b", lambda m: say_year(m[1])),
    (r"\b\d{1,3}(?:,\d{3})+\b", lambda m: say_int(m[0].replace(",", ""))),
    (r"\b(\d+)\.(\d)\b", lambda m: f"{say_int(m[1])} point {say_int(m[2])}"),
    (r"\b\d{1,6}\b", lambda m: say_int(m[0])),
]


def spoken(text, most_words=32):
    """The text with every number spelled out, or None where it is not clear how it is said."""
    t = text.replace("’", "'").replace("–", "-").replace(" & ", " and ")
    t = re.sub(r"\s+", " ", t).strip(" \"")
    for pattern, say in _RULES:
        if any(c.isdigit() for c in t):
            t = re.sub(pattern, say, t, flags=re.I)
    t = re.sub(r"\s+([.,?!])", r"\1", t)
    if _REFUSE.search(t) or not t.isascii() or not re.search(r"[a-zA-Z]", t):
        return None
    return t if 1 <= len(t.split()) <= most_words else None
