"""The attention decoder: what it may look at, what its loss counts, and how texts are split into pieces.

    python3 -m unittest training.tests.test_speller        from the top of the repository; needs PyTorch
"""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    import torch

    from training.asr.listener import Listener
    from training.asr.pieces import MARKS, Pieces
    from training.asr.speller import LEAD, Speller
except ImportError:
    torch = None


@unittest.skipUnless(torch, "no PyTorch here")
class Splitting(unittest.TestCase):
    def pieces(self, *names):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as f:
            f.write("\n".join(names) + "\n")
        self.addCleanup(os.unlink, f.name)
        return Pieces(f.name)

    def test_the_longest_piece_comes_first(self):
        p = self.pieces(*MARKS, "_t", "h", "e", "_the", "_then", "n", "r", "en")
        self.assertEqual(["_then", "_the", "r", "e"], [p.names[k].replace(" ", "_") for k in p.split("then there")])
        self.assertEqual("then there", p.text(p.split("then there")))
        self.assertEqual("then", p.text([*range(len(MARKS)), *p.split("then")]))

    def test_another_file_is_refused(self):
        with self.assertRaisesRegex(ValueError, "wanted"):
            self.pieces("_the", "_a", "_b", "c")


@unittest.skipUnless(torch, "no PyTorch here")
class Spelling(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.net = Speller(pieces=11, layers=2, channels=32, heads=2, inner=48).eval()
        torch.nn.init.normal_(self.net.place)
        self.heard = torch.randn(2, 9, 32)
        self.on = torch.arange(9)[None] < torch.tensor([[9], [6]])

    def test_the_loss_is_that_of_every_piece_and_the_end(self):
        texts, want, count = [[4, 7, 5], [9]], 0.0, 0
        for row, text in enumerate(texts):
            line = [*LEAD, *text, 0]
            for at in range(len(LEAD), len(line)):  # one place after the other, the row alone
                logp = self.net(torch.tensor([line[:at]]), self.heard[row:row + 1], self.on[row:row + 1])
                want, count = want - logp[0, -1, line[at]].item(), count + 1
        self.assertAlmostEqual(want / count, self.net.loss(texts, self.heard, self.on, smooth=0).item(), places=5)

    def test_what_is_not_there_is_not_heard(self):
        changed = self.heard.clone()
        changed[1, 6:] += 5
        texts = [[4], [5, 6]]
        self.assertEqual(self.net.loss(texts, self.heard, self.on).item(), self.net.loss(texts, changed, self.on).item())

    def test_greedy_takes_the_most_probable_and_stops(self):
        for row, line in enumerate(self.net.greedy(self.heard, self.on, most=6)):
            numbers = [*LEAD]
            for k in line:
                logp = self.net(torch.tensor([numbers]), self.heard[row:row + 1], self.on[row:row + 1])[0, -1]
                logp[1:len(MARKS)] = -torch.inf
                self.assertEqual(logp.argmax().item(), k)
                numbers.append(k)
            self.assertLessEqual(len(line), 6)

    def test_frames_are_the_listeners(self):
        net = Listener(width=24, layers=1, channels=32, heads=2, inner=48, blocks=2, past=5, ahead=2, final_ahead=4, pieces=11, spells=1).eval()
        steps = torch.tensor([10, 7])
        list(net.layers(torch.randn(2, 80, 40), steps))
        heard, on = net.told(steps)
        self.assertEqual((2, 20, 32), tuple(heard.shape))
        self.assertEqual([20, 14], on.sum(1).tolist())
        self.assertTrue(heard[1, :14].abs().sum(1).all())


if __name__ == "__main__":
    unittest.main()
