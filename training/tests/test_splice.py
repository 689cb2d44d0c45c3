"""Words are found where they are, and spliced sentences say what their text says.

    python3 -m unittest training.tests.test_splice        from the top of the repository; needs PyTorch
"""
import itertools
import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import numpy as np
    import torch

    from training.asr import splice  # noqa: E402
    from training.asr.batches import Speech
except ImportError:
    torch = None


@unittest.skipUnless(torch, "no PyTorch here")
class Splice(unittest.TestCase):
    def brute(self, logp, word):
        """First steps of the symbols on the best of all paths."""
        best, firsts = -1e9, None
        for path in itertools.product(range(logp.shape[1]), repeat=len(logp)):
            kept = [(c, t) for t, c in enumerate(path) if c and (not t or c != path[t - 1])]
            score = sum(logp[t, c].item() for t, c in enumerate(path))
            if [c for c, _ in kept] == word and score > best:
                best, firsts = score, [t for _, t in kept]
        return firsts

    def test_viterbi_is_the_best_of_all_paths(self):
        torch.manual_seed(1)
        words = [[1, 2], [2, 2], [1], [1, 2, 1]]
        logp = torch.randn(len(words), 6, 3).log_softmax(-1)
        steps = [6, 6, 4, 5]
        found = splice.viterbi(logp, steps, [np.array(w) for w in words])
        for row, word, n, first in zip(logp, words, steps, found):
            self.assertEqual(self.brute(row[:n], word), list(first))

    def test_cuts_fall_into_the_pause(self):
        pcm = np.random.default_rng(1).integers(-3000, 3000, 32000).astype(np.int16)
        pcm[14000:17000] = 3
        first = np.array([5, 8, 11, 26, 27, 30, 33])  # "abc def": letters and the space between, as late as they are told
        where, quiet = splice.cuts(pcm, "abc def", first)
        self.assertEqual([0, 32000], [where[0], where[2]])
        self.assertTrue(14000 <= where[1] <= 17000, where)
        self.assertEqual([0, 1, 2], list(quiet))

    def test_a_spliced_sentence_is_its_pieces(self):
        speech = Speech.__new__(Speech)
        speech.device, speech.audio = "cpu", (torch.arange(4 * 16000) // 2).to(torch.int16)
        us = [dict(corpus="c", id=str(k), start=k * 16000, n=16000, text=f"a{k} b{k} c{k} d{k}", rms=1000.0,
                   cuts=np.array([0, 4000, 8000, 12000, 16000]), quiet=np.array([0, 2, 4])) for k in range(4)]
        made = splice.Splicer(us, 1.0, np.random.default_rng(2))(dict(us[0], cuts=np.arange(13)))  # as many words as twelve
        self.assertGreater(len(made["pieces"]), 1)
        x, n, host = speech.samples([made, us[1]])
        self.assertEqual(made["n"], int(host[0]))
        self.assertEqual(sum(p[1] for p in made["pieces"]), made["n"])
        begin, words = 0, made["text"].split()
        for start, length, gain in made["pieces"]:
            said, words = words[:length // 4000], words[length // 4000:]
            middle = begin + length // 2
            self.assertAlmostEqual((start + length // 2) // 2 / 32768, x[0, middle].item(), places=4)
            self.assertEqual(1.0, gain)
            self.assertEqual(["abcd"[(start % 16000) // 4000 + i] + str(start // 16000) for i in range(length // 4000)], said)
            begin += length
        self.assertEqual([], words)
        self.assertEqual(0, x[0, made["n"]:].abs().max().item() if x.shape[1] > made["n"] else 0)


if __name__ == "__main__":
    unittest.main()
