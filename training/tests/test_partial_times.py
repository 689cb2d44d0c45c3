"""How late words of partial results are.

    python3 -m unittest training.tests.test_partial_times        from the top of the repository; needs PyTorch and soundfile
"""
import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    from training.asr.partial_times import delays, places, spread
except ImportError:
    delays = None

SAID = [("turn", 0, 300), ("the", 300, 400), ("light", 400, 900), ("on", 900, 1100)]


@unittest.skipUnless(delays, "no PyTorch or soundfile here")
class PartialTimes(unittest.TestCase):
    def test_a_word_counts_from_its_end_in_its_place(self):
        first, kept = delays(SAID, [(500, "turn"), (700, "turn the"), (1200, "turn the light"), (1300, "turn the light on")])
        self.assertEqual([200, 300, 300, 200], first)
        self.assertEqual(first, kept)

    def test_a_word_that_goes_and_comes_back(self):
        first, kept = delays(SAID, [(500, "turn the"), (1000, "earn the"), (1300, "turn the light")])
        self.assertEqual([200, 100, 400, None], first)
        self.assertEqual([1000, 100, 400, None], kept)

    def test_a_word_that_is_lost_at_last_was_seen_but_not_kept(self):
        first, kept = delays(SAID, [(500, "turn"), (1000, "earn")])
        self.assertEqual(([200, None, None, None], [None] * 4), (first, kept))

    def test_places_follow_the_order(self):
        self.assertEqual({0, 2}, places(["a", "b", "c"], ["a", "x", "c"]))
        told = spread("x", [100, None, 300])
        self.assertEqual((3, 2, 200.0), (told["words"], told["found"], told["mean_ms"]))


if __name__ == "__main__":
    unittest.main()
