"""The language network's rows, what is counted of them, and how often kinds are drawn.

    python3 -m unittest training.tests.test_piece_lm        from the top of the repository; needs PyTorch
"""
import os
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    import numpy as np
    import torch

    from training.asr import piece_lm
    from training.asr.piece_lm import LENGTHS, Batches, PieceLanguage, log_probability, perplexities, rows_of
    from training.asr.pieces import END
    from training.asr.speller import LEAD
except ImportError:
    torch = None

PIECES = 11


def saved(**kinds):
    """{part.kind: texts} as `texts` writes them; a text's words are its pieces."""
    out = {}
    for name, texts in kinds.items():
        name = name.replace("_", ".")
        out |= {f"{name}.lengths": np.array([len(t) for t in texts], np.uint8), f"{name}.pieces": np.array([k for t in texts for k in t], np.uint16),
                f"{name}.words": np.array(sum(map(len, texts)))}
    return out


@unittest.skipUnless(torch, "no PyTorch here")
class PieceLm(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(2)
        self.net = PieceLanguage(PIECES, 1, 12, 3, 16, drop=0).eval()

    def test_rows_have_a_lead_and_an_end(self):
        rows = rows_of(saved(train_a=[[4, 5], [6, 7, 8, 9, 10, 3]]), "train.a", "cpu")
        self.assertEqual(rows[8].tolist(), [[*LEAD, 4, 5, END, END, END, END]])
        self.assertEqual(rows[12].tolist(), [[*LEAD, 6, 7, 8, 9, 10, 3, END, END, END, END]])
        self.assertEqual(sum(map(len, rows.values())), 2)

    def test_a_text_counts_to_its_end(self):
        rows = rows_of(saved(train_a=[[4, 5], [6, 7, 8]]), "train.a", "cpu")[8]
        logp, there = log_probability(self.net, rows)
        self.assertEqual(there.sum(1).tolist(), [3, 4])
        for text, row in (([4, 5], logp[0]), ([6, 7, 8], logp[1])):
            given = self.net(torch.tensor([[*LEAD, *text]]))[0, len(LEAD) - 1:]
            alone = sum(given[i, k].item() for i, k in enumerate([*text, END]))
            self.assertAlmostEqual(row.sum().item(), alone, places=4)

    def test_perplexity_is_of_words_and_ends(self):
        texts = [[4, 5], [6, 7, 8]]
        data = saved(test_a=texts)
        total = log_probability(self.net, rows_of(data, "test.a", "cpu")[8])[0].sum().item()
        self.assertAlmostEqual(perplexities(self.net, data, ["a"], "cpu")["a"], float(np.exp(-total / 7)), places=0)

    def test_kinds_are_drawn_by_weight(self):
        batches = Batches(saved(train_a=[[4]] * 30, train_b=[[5]] * 10), dict(a=1.0, b=9.0), 8000, "cpu", 1)
        drawn = torch.cat([batches.next()[:, len(LEAD)] for _ in range(4)])
        self.assertAlmostEqual((drawn == 5).float().mean().item(), 0.75, delta=0.03)
        self.assertEqual(set(batches.rows), set(LENGTHS))

    def test_a_training_goes_on_where_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            path = lambda *names: os.path.join(folder, *names)
            np.savez(path("texts.npz"), count=PIECES, **saved(train_a=[[k, 3 + k % 7] for k in range(3, PIECES)], test_a=[[4, 5]]))

            def train(out, steps):
                line = ["piece_lm", "train", path("texts.npz"), path(out), "--weights", "a=1", "--batch", "64", "--device", "cpu", "--amp", "fp32",
                        "--layers", "1", "--channels", "12", "--heads", "3", "--inner", "16", "--lr", "0.05", "--minutes", "1e9", "--max-steps", str(steps)]
                with mock.patch.object(sys, "argv", line), mock.patch("builtins.print"):
                    piece_lm.main()
                return torch.load(path(out, "language.pt"))
            whole, _, parted = train("whole", 6), train("parts", 2), train("parts", 6)
            self.assertEqual(6, parted["step"])
            for name, w in whole["net"].items():
                self.assertTrue(torch.equal(w, parted["net"][name]), name)


if __name__ == "__main__":
    unittest.main()
