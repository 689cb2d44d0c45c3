"""Batches, rounds, agreement of two views and packed weights of the understanding network's training.

    python3 -m unittest training.tests.test_nlu_training        from the top of the repository; needs PyTorch
"""
import os
import sys
import tempfile
import types
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import numpy as np
    import torch

    from training.nlu.examples import drawn_again, utterance_batch
    from training.nlu.packed import load_weights, save_packed
    from training.nlu.tokenizer import CLS, PAD, SEP
    from training.nlu.train import disagreement
except ImportError:  # PyTorch or num2words
    torch = None


@unittest.skipUnless(torch, "no PyTorch or num2words here")
class Training(unittest.TestCase):
    def test_batch_of_utterances(self):
        n = np.array([2, 7, 1], np.uint8)
        data = types.SimpleNamespace(utt_n=n, utt_at=np.array([0, 2, 9]), utt_ids=np.arange(10, 20, dtype=np.int16), utt_tags=np.array([0, -1, 3, 4, 4, -1, 0, 0, 0, 5], np.int16))
        ids, keep, tags = utterance_batch(data, np.array([2, 0, 1]))
        self.assertEqual((3, 16), tuple(ids.shape))
        self.assertEqual([CLS, 19, SEP] + [PAD] * 13, ids[0].tolist())
        self.assertEqual([CLS, 10, 11, SEP] + [PAD] * 12, ids[1].tolist())
        self.assertEqual([CLS, *range(12, 19), SEP] + [PAD] * 7, ids[2].tolist())
        self.assertEqual([3, 4, 9], keep.sum(1).tolist())
        self.assertTrue(all(row[:k].all() for row, k in zip(keep, (3, 4, 9))))
        self.assertEqual([-1, 3, 4, 4, -1, 0, 0, 0] + [-1] * 8, tags[2].tolist())
        self.assertEqual([-1, 5] + [-1] * 14, tags[0].tolist())

    def test_round_takes_each_kind_as_often_as_asked(self):
        kinds = np.repeat([0, 1, 2], [100, 40, 20])
        first, again = (drawn_again(kinds, [1.0, 0.0, 2.5], np.random.default_rng(seed)) for seed in (1, 2))
        self.assertEqual(list(range(100)), first[first < 100].tolist())
        self.assertFalse(((first >= 100) & (first < 140)).any())
        counts = np.bincount(first[first >= 140] - 140, minlength=20)
        self.assertEqual({2, 3}, set(counts.tolist()))
        self.assertNotEqual(first.tolist(), again.tolist())

    def test_disagreement_is_both_divergences(self):
        torch.manual_seed(5)
        p = torch.softmax(torch.randn(4, 3, 6), -1)
        want = torch.stack([0.5 * sum(float((a * (a / b).log()).sum()) * torch.ones(()) for a, b in ((x, y), (y, x))) for x, y in zip(p[:2].reshape(-1, 6), p[2:].reshape(-1, 6))])
        self.assertTrue(torch.allclose(want, disagreement(p.log()).reshape(-1), atol=1e-5))
        self.assertEqual(0.0, float(disagreement(torch.cat([p[:2], p[:2]]).log()).abs().max()))

    def test_packed_weights(self):
        torch.manual_seed(6)
        state = {"a": torch.randn(3, 5), "b": torch.tensor([0.0, -0.0, 6.5e4, 1e-7]), "c": torch.randn(2, 2, 2).half()}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.pt")
            save_packed(path, state, step=3)
            back = load_weights(path)
            self.assertEqual(3, torch.load(path, weights_only=True)["step"])
            self.assertEqual(list(state), list(back))
            for k, v in state.items():
                self.assertTrue(torch.equal(v.half(), back[k]), k)
            torch.save({"net": state}, path)
            self.assertTrue(torch.equal(state["a"], load_weights(path)["a"]))


if __name__ == "__main__":
    unittest.main()
