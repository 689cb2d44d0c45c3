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

    from training.asr import average, export, piece_lm
    from training.asr.export import packed, rounded
    from training.asr.golden import restored
    from training.asr.listener import network
    from training.asr.piece_lm import PieceLanguage, load
    from training.asr.pieces import MARKS
except ImportError:
    torch, MARKS = None, ()

SHAPE = dict(width=24, layers=1, outputs=2, channels=24, heads=6, inner=32, blocks=2, past=5, ahead=2, final_past=7, final_ahead=4)
PIECES = [*MARKS, "a", "_a", "b", "_b"]
SPELLS = dict(pieces=len(PIECES), spells=2)
LANGUAGE = dict(layers=1, channels=12, heads=3, inner=16)


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
        net, manifest = self.exported(SHAPE | SPELLS, "--pieces", self.path("pieces.txt"), "--ctc-weight", "0.3")
        self.same(net)
        self.assertIn("[speller]\nlayers = 2\nbeam = ", manifest)
        self.assertIn("\nctc_weight = 0.3\n", manifest)
        self.assertIn('\npieces = "pieces.txt"\n', manifest)
        self.assertTrue(os.path.exists(self.path("pack", "pieces.txt")))

    def language(self, pieces=len(PIECES)):
        """The file that piece_lm.py exports, its network and the lines of the manifest that tell of it."""
        shape = dict(pieces=pieces) | LANGUAGE
        net = PieceLanguage(**shape)
        torch.save(dict(shape=shape, net=net.state_dict()), self.path("language.pt"))
        with mock.patch.object(sys, "argv", ["piece_lm", "export", self.path("language.pt"), self.path("language.safetensors")]), mock.patch("builtins.print"):
            piece_lm.main()
        return self.path("language.safetensors"), net, "[language_network]\n" + "".join(f"{k} = {v}\n" for k, v in LANGUAGE.items())

    def test_with_a_language_network(self):
        path, net, section = self.language()
        pieces = "--pieces", self.path("pieces.txt")
        _, manifest = self.exported(SHAPE | SPELLS, *pieces, "--language", path, "--language-network-weight", "0.45")
        self.assertIn(section + "weight = 0.45\n\n[files]\n", manifest)
        self.assertIn('\nlanguage = "language.safetensors"\n', manifest)
        self.assertIn('"language.safetensors" = { bytes = ', manifest)
        got, want = load(self.path("pack", "language.safetensors")).state_dict(), rounded(net.state_dict())
        self.assertEqual(set(got), set(want))
        for name, w in want.items():
            self.assertTrue(torch.equal(got[name], w), name)
        # It stays when the pack is exported again, and so does its weight.
        self.assertIn(section + "weight = 0.45\n", self.exported(SHAPE | SPELLS, *pieces)[1])
        self.assertIn(section + "weight = 0.2\n", self.exported(SHAPE | SPELLS, *pieces, "--language-network-weight", "0.2")[1])
        for line in ("language_network", "language = \"language.safetensors\""):  # a pack that has no use for it
            self.assertNotIn(line, self.exported(SHAPE)[1])

    def test_a_language_network_that_does_not_fit_is_refused(self):
        pieces = "--pieces", self.path("pieces.txt")
        with self.assertRaisesRegex(SystemExit, "--language FILE is missing"):
            self.exported(SHAPE | SPELLS, *pieces, "--language-network-weight", "0.2")
        with self.assertRaisesRegex(SystemExit, "no attention decoder"):
            self.exported(SHAPE, "--language", self.language()[0])
        with self.assertRaisesRegex(SystemExit, "8 pieces, the checkpoint has 7"):
            self.exported(SHAPE | SPELLS, *pieces, "--language", self.language(len(PIECES) + 1)[0])
        self.assertFalse(os.path.exists(self.path("pack", "language.safetensors")))

    def test_both_language_models_share_a_budget(self):
        options = "--pieces", self.path("pieces.txt"), "--language", self.language()[0], "--lm", self.path("lm.anlm")
        with open(options[-1], "wb") as f:
            f.truncate(export.BUDGET_BYTES[1] - os.path.getsize(options[3]))
        self.exported(SHAPE | SPELLS, *options)
        with open(options[-1], "ab") as f:
            f.write(b"1")
        with self.assertRaisesRegex(SystemExit, "4000001 bytes, budget 4000000"):
            self.exported(SHAPE | SPELLS, *options)

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

    def test_the_mean_of_two_trainings(self):
        net, _ = self.exported(SHAPE)
        torch.manual_seed(6)
        other = network(SHAPE)
        torch.save(dict(shape=SHAPE, ema=other.state_dict(), step=7, elapsed=1.0), self.path("other.pt"))
        with mock.patch.object(sys, "argv", ["average", self.path("mean.pt"), self.path("other.pt"), self.path("pack", "weights.safetensors"), "--share", "0.25"]):
            average.main()
        got, pack = torch.load(self.path("mean.pt")), restored(self.path("pack", "weights.safetensors")).state_dict()
        self.assertEqual((SHAPE, 7), (got["shape"], got["step"]))
        for name, w in other.state_dict().items():
            self.assertTrue(torch.allclose(0.25 * w.float() + 0.75 * pack[name].float(), got["ema"][name], atol=1e-6), name)

    def test_another_network_has_no_mean(self):
        with self.assertRaisesRegex(ValueError, r"a: \(2,\) and \(3,\); wanted two trainings of one network"):
            average.mean({"a": torch.zeros(2)}, {"a": torch.zeros(3)}, 0.5)


if __name__ == "__main__":
    unittest.main()
