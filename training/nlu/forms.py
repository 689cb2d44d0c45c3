"""Further forms of a training utterance: other values in its slots, and what a recogniser might hear of it."""
from collections import defaultdict

from .corpora import Example, as_spoken

# Slots whose value may be any words: titles and names.
OPEN = {"snips": {"entity_name", "track", "album", "object_name", "movie_name", "playlist", "artist", "restaurant_name", "poi"},
        "hwu64": {"song_name", "artist_name", "podcast_descriptor", "playlist_name", "audiobook_name", "movie_name", "game_name", "business_name", "event_name"}}


def slots_of(tags):
    """BIO tags -> [(name or "", begin, end)] that cover the sentence; words outside of slots one by one."""
    out = []
    for i, tag in enumerate(tags):
        if tag[0] == "I" and out and out[-1][0] == tag[2:]:
            out[-1] = (tag[2:], out[-1][1], i + 1)
        else:
            out.append((tag[2:], i, i + 1))
    return out


class Values:
    """The values of every slot in training sentences, each as often as it occurs, and runs of words from books."""

    def __init__(self, examples, sentences, rng):
        self.rng, self.known = rng, defaultdict(list)
        self.sentences = [s.split() for s in sentences]
        for e in examples:
            for name, begin, end in slots_of(e.tags):
                if name:
                    self.known[e.domain, name].append(tuple(e.words[begin:end]))
        for key, values in self.known.items():
            values += sorted(set(values))  # rare ones a little more

    def run_of_words(self):
        words = [w.strip(".,;:!?\"'()").lower() for w in self.rng.choice(self.sentences)]
        words = [w for w in words if w.isalpha()]
        n = self.rng.choice((1, 1, 2, 2, 2, 3, 3, 4, 5))
        at = self.rng.randrange(max(1, len(words) - n + 1))
        return words[at:at + n]

    def other(self, example, share=0.7, made=0.1):
        """The utterance with other values: each slot with probability `share`, an open one sometimes with words of a book."""
        words, tags = [], []
        for name, begin, end in slots_of(example.tags):
            value = example.words[begin:end]
            if name and self.rng.random() < share:
                value = list(self.rng.choice(self.known[example.domain, name]))
                if name in OPEN[example.domain] and self.rng.random() < made:
                    value = self.run_of_words() or value
            words += value
            tags += [("I-" if i else "B-") + name if name else "O" for i in range(len(value))]
        return Example(example.domain, example.split, example.intent, words, tags)


def further(example, values, confusions, varied, heard):
    """Yields (form, its kind): `varied` forms with other values, of three one as written, one as said, one as heard; and `heard` of the utterance itself as heard.

    Fewer where a form comes out as the utterance itself, or cannot be said.
    """
    for i in range(varied if any(t != "O" for t in example.tags) else 0):
        other = values.other(example)
        said = as_spoken(other) if i % 3 else other
        errors = confusions.distorted(said) if i % 3 == 2 and said else None
        form = errors or said
        if form and form.words != example.words:
            yield form, "distorted" if errors else "varied"
    said = as_spoken(example)
    for _ in range(heard if said else 0):
        form = confusions.distorted(said)
        if form:
            yield form, "distorted"
