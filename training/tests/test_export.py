"""A pack's weights give back the network that was exported, with an attention decoder and without.

    python3 -m unittest training.tests.test_export        from the top of the repository; needs PyTorch
"""
import os
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    import torch

    from training.asr import export
    from training.asr.export import packed, rounded
    from training.asr.golden import restored
    from training.asr.listener import network
    from training.asr.pieces import MARKS
except ImportError:
    torch, MARKS = None, ()

SHAPE = dict(width=24, layers=1, outputs=2, channels=24, heads=6, inner=32, blocks=2, past=5, ahead=2, final_past=7, final_ahead=4)
PIECES = [*MARKS, "a", "_a", "b", "_b"]


@unittest.skipUnless(torch, "no PyTorch here")
class Export(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        with open(self.path("pieces.txt"), "w", encoding="utf-8") as f:
            f.write("\n".join(PIECES) + "\n")

    def path(self, *names):
        return os.path.join(self.folder.name, *names)

    def exported(self, shape, *options):
        torch.manual_seed(5)
        net = network(shape)
        torch.save(dict(shape=shape, ema=net.state_dict()), self.path("asr.pt"))
        with mock.patch.object(sys, "argv", ["export", self.path("asr.pt"), self.path("pack"), *options]), mock.patch("builtins.print"):
            export.main()
        with open(self.path("pack", "manifest.toml"), encoding="utf-8") as f:
            return net, f.read()

    def same(self, net):
        got, want = packed(restored(self.path("pack", "weights.safetensors")).state_dict()), packed(rounded(net.state_dict()))
        self.assertEqual(set(got), set(want))
        for name, w in want.items():
            self.assertTrue(torch.equal(got[name], w), name)

    def test_with_an_attention_decoder(self):
        net, manifest = self.exported(SHAPE | dict(pieces=len(PIECES), spells=2), "--pieces", self.path("pieces.txt"), "--ctc-weight", "0.3")
        self.same(net)
        self.assertIn("[speller]\nlayers = 2\nbeam = ", manifest)
        self.assertIn("\nctc_weight = 0.3\n", manifest)
        self.assertIn('\npieces = "pieces.txt"\n', manifest)
        self.assertTrue(os.path.exists(self.path("pack", "pieces.txt")))

    def test_without(self):
        net, manifest = self.exported(SHAPE)
        self.same(net)
        self.assertNotIn("speller", manifest)
        self.assertNotIn("pieces", manifest)

    def test_pieces_of_another_pack_in_the_folder_are_not_its_own(self):
        os.mkdir(self.path("pack"))
        os.rename(self.path("pieces.txt"), self.path("pack", "pieces.txt"))
        self.assertNotIn("pieces = ", self.exported(SHAPE)[1])

    def test_a_vocabulary_that_does_not_fit_is_refused(self):
        for options in ([], ["--pieces", self.path("pieces.txt")]):
            with self.assertRaisesRegex(SystemExit, "pieces"):
                self.exported(SHAPE | dict(pieces=len(PIECES) + 1, spells=2), *options)
        with self.assertRaisesRegex(SystemExit, "no attention decoder"):
            self.exported(SHAPE, "--pieces", self.path("pieces.txt"))


if __name__ == "__main__":
    unittest.main()
