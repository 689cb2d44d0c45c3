"""Processes that learn one network together: what they agree on, and that their weights are one.

    python3 -m unittest training.tests.test_workers        from the top of the repository; needs PyTorch
"""
import argparse
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    import torch

    from training.asr.workers import start
except ImportError:
    torch = None


def meet(a, workers):
    """Each worker brings its own tensors and number, and writes what it has afterwards."""
    mine = [torch.full((2, 3), float(workers.rank)), torch.arange(4.0) * (workers.rank + 1)]
    workers.mean(mine)
    words = workers.sent([dict(text="one"), workers.rank])
    audio = workers.tensor(torch.arange(5, dtype=torch.int16) - 2 if workers.rank == 0 else None, 5, torch.int16, "cpu")
    torch.save((mine, workers.agreed(10.0 + workers.rank), words, audio), os.path.join(a.out, str(workers.rank)))


@unittest.skipUnless(torch, "no PyTorch here")
@unittest.skipUnless(torch, "no PyTorch here")
class Together(unittest.TestCase):
    def of(self, count):
        with tempfile.TemporaryDirectory() as out:
            start(meet, argparse.Namespace(out=out, device="cpu"), count)
            return [torch.load(os.path.join(out, str(k))) for k in range(count)]

    def test_all_have_the_mean_and_the_first_ones_number(self):
        for (first, second), told, words, audio in self.of(3):
            self.assertEqual([dict(text="one"), 0], words)
            self.assertEqual([-2, -1, 0, 1, 2], audio.tolist())
            torch.testing.assert_close(first, torch.full((2, 3), 1.0))
            torch.testing.assert_close(second, torch.arange(4.0) * 2)
            self.assertEqual(10.0, told)

    def test_one_alone_keeps_what_it_has(self):
        (first, second), told, words, audio = self.of(1)[0]
        self.assertEqual([-2, -1, 0, 1, 2], audio.tolist())
        torch.testing.assert_close(first, torch.zeros(2, 3))
        torch.testing.assert_close(second, torch.arange(4.0))
        self.assertEqual(10.0, told)


if __name__ == "__main__":
    unittest.main()
