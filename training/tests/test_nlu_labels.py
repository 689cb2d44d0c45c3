"""Chains of slot labels against every labelling there is, and labels carried over to what was heard.

    python3 -m unittest training.tests.test_nlu_labels        from the top of the repository; needs PyTorch
"""
import itertools
import os
import random
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import numpy as np
    import torch

    from training.nlu.chain import Chain, words_first
    from training.nlu.corpora import Example
    from training.nlu.forms import Values
    from training.nlu.heard import Confusions, as_heard, count, groups
except ImportError:  # PyTorch or num2words
    torch = None

NAMES = ["O", "B-d/a", "I-d/a", "B-d/b", "I-d/b"]


@unittest.skipUnless(torch, "no PyTorch or num2words here")
class Chains(unittest.TestCase):
    def all_of(self, chain, next, x):
        """{labelling: score} of those that are permitted."""
        out = {}
        for path in itertools.product(range(len(NAMES)), repeat=len(x)):
            if NAMES[path[0]][0] != "I" and all(NAMES[b][0] != "I" or NAMES[a][2:] == NAMES[b][2:] for a, b in zip(path, path[1:])):
                out[path] = sum(float(x[i, k]) for i, k in enumerate(path)) + sum(float(next[a, b]) for a, b in zip(path, path[1:]))
        return out

    def test_loss_and_search_over_every_labelling(self):
        torch.manual_seed(3)
        chain, next, x = Chain(NAMES), torch.randn(5, 5), 2 * torch.randn(6, 4, 5)
        want = 0.0
        tags = torch.full((6, 4), -1)
        for i in range(6):
            n = 1 + i % 4
            scores = self.all_of(chain, next, x[i, :n])
            best = max(scores, key=scores.get)
            self.assertEqual(best, tuple(chain.best(next.numpy(), x[i, :n].numpy(), np.ones(5, bool))))
            path = sorted(scores)[i % len(scores)]
            tags[i, :n] = torch.tensor(path)
            want += np.logaddexp.reduce(list(scores.values())) - scores[path]
        self.assertAlmostEqual(want, float(chain.loss(next, x, tags)), places=4)  # f32 logits
        tags[2] = -1  # a sentence without labels counts for nothing
        fewer = [i for i in range(6) if i != 2]
        self.assertAlmostEqual(float(chain.loss(next, x[fewer], tags[fewer])), float(chain.loss(next, x, tags)), places=9)

    def test_search_keeps_to_the_mask(self):
        mask = np.array([True, True, True, False, False])
        x = np.zeros((2, 5), np.float32)
        x[:, 3] = 9
        self.assertTrue((Chain(NAMES).best(np.zeros((5, 5)), x, mask) < 3).all())

    def test_words_first(self):
        places, tags = words_first(torch.tensor([[-1, 4, -1, 2], [-1, -1, -1, -1], [-1, -1, 0, -1]]), 2)
        self.assertEqual([[1, 3], [0, 1], [2, 0]], places.tolist())
        self.assertEqual([[4, 2], [-1, -1], [0, -1]], tags.tolist())


@unittest.skipUnless(torch, "no PyTorch or num2words here")
class Heard(unittest.TestCase):
    def heard(self, said, tags, heard):
        return as_heard(Example("snips", "train", "snips/x", said.split(), tags.split()), heard.split()).tags

    def test_labels_follow_their_words(self):
        self.assertEqual("O B-a I-a O".split(), self.heard("play one two now", "O B-a I-a O", "play won two now"))
        self.assertEqual("O B-a O".split(), self.heard("play one two now", "O B-a I-a O", "play two now"))
        self.assertEqual("O B-a I-a I-a O".split(), self.heard("play one two now", "O B-a I-a O", "play one the two now"))
        self.assertEqual("O O B-a O".split(), self.heard("play one now", "O B-a O", "play uh one now"))
        self.assertEqual("O B-a I-a O".split(), self.heard("play facebook now", "O B-a O", "play face book now"))
        self.assertEqual("O B-b".split(), self.heard("play one two", "O B-a B-b", "play two"))

    def test_every_heard_word_is_in_one_group(self):
        rng = random.Random(5)
        for _ in range(300):
            said, heard = ([rng.choice("abcd") * rng.randint(1, 3) for _ in range(rng.randint(1, 6))] for _ in range(2))
            parts = groups(said, heard)
            self.assertEqual(list(range(len(said))), [a for a, _ in parts if a is not None])
            self.assertEqual(list(range(len(heard))), [i for _, b in parts for i in b])

    def test_errors_come_as_often_as_they_were_counted(self):
        counts = count([("turn the light on", "turn the lied on")] * 30 + [("turn the light on", "turn the light on")] * 70)
        noise = Confusions(counts, {"light": 9, "turn": 9, "the": 9, "on": 9}, random.Random(2), (1, 1))
        example = Example("snips", "train", "snips/x", "turn the light on".split(), "O O B-a O".split())
        made = [noise.distorted(example) for _ in range(2000)]
        wrong = sum(m is not None and "light" not in m.words for m in made) / len(made)
        self.assertAlmostEqual(0.3, wrong, delta=0.06)
        self.assertTrue(all(len(m.words) == len(m.tags) for m in made if m))

    def test_other_values_are_of_the_same_slot(self):
        train = [Example("snips", "train", "i", ["play", w, "by", a], ["O", "B-track", "O", "B-composer"]) for w, a in zip("kqvz", "1234")]
        values = Values(train, ["some words of a book"], random.Random(1))
        for _ in range(50):
            e = values.other(train[0], made=0)
            self.assertIn(e.words[1], "kqvz")
            self.assertIn(e.words[3], "1234")


if __name__ == "__main__":
    unittest.main()
