"""A start network of another geometry: MPNet as transformers has it, and the geometry that a checkpoint tells.

    python3 -m unittest training.tests.test_nlu_mpnet        from the top of the repository; needs PyTorch and transformers
"""
import os
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import torch

    from training.nlu.model import Bert, Geometry, Understanding, bucket, geometry_of
    from training.nlu.mpnet import SIGNS, converted
    from training.nlu.packed import load_weights, save_packed
    from training.nlu.taught import Teachers
    SIZE = Geometry(128, 2, 2, 96, 32)
except ImportError:
    torch = None
try:
    from transformers import MPNetConfig, MPNetModel
except ImportError:
    MPNetModel = None

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"p{i}" for i in range(40)]


@unittest.skipUnless(torch, "no PyTorch here")
class Mpnet(unittest.TestCase):
    @unittest.skipUnless(MPNetModel, "no transformers here")
    def test_equals_transformers(self):
        torch.manual_seed(2)
        theirs = MPNetModel(MPNetConfig(vocab_size=len(PIECES) + 6, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96, max_position_embeddings=514)).eval()
        for p in theirs.parameters():  # biases and gains begin at 0 and 1, which would hide a mistake
            p.data.normal_(0, 0.3)
        vocabulary = ["<s>", "<pad>", "</s>", "<unk>"] + [p for p in reversed(PIECES) if p not in SIGNS] + ["[PAD]", "<mask>"]
        ours = Bert(len(PIECES), size=SIZE).eval()
        ours.load_state_dict(converted(theirs.state_dict(), vocabulary, PIECES))
        ids = torch.randint(5, len(PIECES), (2, 200))
        ids[:, 0], ids[:, 50], ids[:, -1] = 2, 3, 3
        keep = torch.ones(2, 200, dtype=torch.bool)
        keep[1, 90:] = False
        rows = torch.tensor([vocabulary.index(SIGNS.get(p, p)) for p in PIECES])
        with torch.no_grad():
            want = theirs(input_ids=rows[ids], attention_mask=keep.long(), position_ids=torch.arange(200).expand(2, -1) + 2).last_hidden_state
            got = ours(ids, torch.zeros_like(ids), keep)
        self.assertLess(float((want - got)[keep].abs().max()), 1e-4)

    def test_distances_have_sides_and_widen(self):
        self.assertEqual([0, 1, 7, 8, 15, 15], bucket(torch.tensor([0, -1, -7, -8, -128, -400]), 32).tolist())
        self.assertEqual([17, 23, 24, 31], bucket(torch.tensor([1, 7, 8, 300]), 32).tolist())

    def test_geometry_is_told_by_weights(self):
        for size in (Geometry(), SIZE, Geometry(768, 12, 1, 40)):
            net = Understanding(20, 3, 5, size=size)
            self.assertEqual(size, geometry_of(net.state_dict()))
            self.assertEqual(size, geometry_of(net.bert.state_dict()))

    def test_teachers_may_be_larger(self):
        make = lambda size: Understanding(len(PIECES), 3, 5, size=size)
        net, ids, keep = make(SIZE).eval(), torch.randint(5, 40, (2, 6)), torch.ones(2, 6, dtype=torch.bool)
        with tempfile.TemporaryDirectory() as folder:
            save_packed(os.path.join(folder, "large.pt"), net.state_dict())
            self.assertEqual(net.state_dict().keys(), load_weights(os.path.join(folder, "large.pt")).keys())
            teachers = Teachers([os.path.join(folder, "large.pt")], make, "cpu")
        told, _ = teachers.utterance(ids, keep, lambda x: x, lambda x: x)
        with torch.no_grad():
            self.assertLess(float((told - net.utterance(ids, keep)[0].softmax(-1)).abs().max()), 1e-3)


if __name__ == "__main__":
    unittest.main()
