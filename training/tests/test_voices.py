"""Several voices of one synthesiser, and the mels that it predicts for the vocoder.

    python3 -m unittest training.tests.test_voices        from the top of the repository; needs PyTorch
"""
import math
import os
import sys
import tempfile
import tomllib
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    import torch
    import torch.nn.functional as F

    from training.tts.export import restored, tensors
    from training.tts.model import Tacotron2
    from training.tts import pack
    from training.tts.speech import HOP_SAMPLES, LogMel, RATE_HZ
    from training.tts.train import Recipe, awaken, begun
    from training.vocoder.copies import copied, vocoder
    from training.vocoder.discriminators import Discriminators
    from training.vocoder.export import PackedWaveGlow, tensors as packed, unpacked
    from training.vocoder.model import SlimWaveGlow, harmonics
    from training.vocoder.pitch import blurred, examples, loss_of
    from training.vocoder.predicted import Predicted, spoken_by
    from training.vocoder.train import Batches, begin, validate
except ImportError:
    torch = None

SMALL = dict(enc=16, rnn=16, pre=8, att=8, loc=4, post=16)
SYMBOLS = "^abc$"
TABLE = {c: i + 1 for i, c in enumerate(SYMBOLS)}


def random_rows(net):
    for table in net.speakers:
        torch.nn.init.normal_(table.weight)


@unittest.skipUnless(torch, "no PyTorch here")
class Voices(unittest.TestCase):
    def setUp(self):
        torch.set_grad_enabled(False)
        self.addCleanup(torch.set_grad_enabled, True)
        torch.manual_seed(0)
        self.ids, self.lengths = torch.tensor([[1, 2, 3, 4, 5], [1, 3, 5, 0, 0]]), torch.tensor([5, 3])

    def test_a_new_voice_begins_as_the_first(self):
        one, two = Tacotron2(5, **SMALL).eval(), Tacotron2(5, **SMALL, speakers=2).eval()
        missing = two.load_state_dict(one.state_dict(), strict=False).missing_keys
        self.assertEqual(["speakers.0.weight", "speakers.1.weight"], missing)
        want = one.encode(self.ids, self.lengths)
        for speaker in (None, torch.tensor([1, 0])):
            self.assertTrue(torch.equal(want, two.encode(self.ids, self.lengths, speaker)))

    def test_each_row_of_a_batch_has_its_own_voice(self):
        net = Tacotron2(5, **SMALL, speakers=2).eval()
        random_rows(net)
        both = net.encode(self.ids, self.lengths, torch.tensor([1, 0]))
        for row, speaker in ((0, 1), (1, 0)):
            n = int(self.lengths[row])
            alone = net.encode(self.ids[row:row + 1, :n], self.lengths[row:row + 1], torch.tensor([speaker]))
            self.assertLess((alone[0] - both[row, :n]).abs().max().item(), 1e-5)
        self.assertEqual(0.0, both[1, 3:].abs().max().item())
        other = net.encode(self.ids, self.lengths, torch.tensor([0, 1]))
        self.assertGreater((other - both).abs().max().item(), 0.1)

    def test_a_pack_carries_the_voices(self):
        net = Tacotron2(5, **SMALL, speakers=3).eval()
        random_rows(net)
        weights = tensors(net)
        self.assertEqual((3, 16), tuple(weights["speaker.encoding.weight"].shape))
        speaker = torch.tensor([2, 1])
        again = restored(weights, 5).encode(self.ids, self.lengths, speaker)
        self.assertLess((again - net.encode(self.ids, self.lengths, speaker)).abs().max().item(), 1e-4)


@unittest.skipUnless(torch, "no PyTorch here")
class FromAPack(unittest.TestCase):
    """Trainings that begin with what ships."""

    def setUp(self):
        torch.set_grad_enabled(False)
        self.addCleanup(torch.set_grad_enabled, True)
        torch.manual_seed(0)

    def test_tacotron_stays_as_it_is_and_normalises_again(self):
        net = Tacotron2(5, **SMALL).eval()
        for norm in [*net.norms, *net.post_norms]:
            torch.nn.init.uniform_(norm.running_mean), torch.nn.init.uniform_(norm.running_var, 0.2, 3)
            torch.nn.init.uniform_(norm.weight, 0.5, 2), torch.nn.init.uniform_(norm.bias)
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as f:
            pack.save(f.name, tensors(net), dict(symbols=SYMBOLS))
            saved = begun(f.name)
        self.assertEqual(TABLE, saved["table"])
        again = Tacotron2(5, **saved["shape"])
        again.load_state_dict(saved["net"])
        ids, lengths = torch.randint(1, 6, (4, 40)), torch.full((4,), 40)
        batch = dict(ids=ids, symbols=lengths, speaker=None, mel=torch.randn(4, 90, 80), place=torch.linspace(0, 39, 90).repeat(4, 1),
                     length=torch.full((4,), 90), frames=torch.full((4, 40), 2.0))

        class Data:
            batch = staticmethod(lambda group: batch)
        awaken(Recipe(again, None, "cpu", 0.5, 0.0), Data, [0])
        want = net.encode(ids, lengths)
        self.assertLess((again.eval().encode(ids, lengths) - want).abs().max().item(), 1e-4)
        for norm in again.norms:
            self.assertGreater((norm.running_var - 1).abs().max().item(), 0.01)
        for layer in again.modules():  # statistics of the batch instead of the kept ones, without dropout
            layer.training = isinstance(layer, torch.nn.BatchNorm1d)
        self.assertLess((again.encode(ids, lengths) - want).abs().max().item(), 1e-3)

    def test_vocoder_says_the_same(self):
        net = SlimWaveGlow(flows=2, channels=128, layers=3)
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * 0.1)
        again = SlimWaveGlow(flows=2, channels=128, layers=3)
        again.load_state_dict(unpacked(packed(net)))
        mel, noise = torch.randn(1, 80, 8), torch.randn(1, 32, 64)
        want = net(mel, noise=noise)
        self.assertGreater(want.abs().max().item(), 0.1)
        self.assertLess((again(mel, noise=noise) - want).abs().max().item(), 1e-4 * want.abs().max().item())

    def test_copies_are_what_the_checkpoint_says_of_a_recording(self):
        net = SlimWaveGlow(flows=2, channels=64, layers=2)
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * 0.1)
        with tempfile.NamedTemporaryFile(suffix=".pt") as f:
            torch.save(dict(net=net.state_dict(), config=dict(flows=2, channels=64, layers=2, tiny=True)), f.name)
            again = vocoder(f.name)
        x = torch.sin(torch.arange(10 * HOP_SAMPLES + 100) * 0.05)
        got = copied(again, x, LogMel())
        self.assertEqual(10 * HOP_SAMPLES, len(got))
        self.assertTrue(torch.equal(got, net(LogMel()(x[None])[:, :, :10], sigma=0.0)[0]))
        self.assertGreater(got.abs().max().item(), 0.01)


@unittest.skipUnless(torch, "no PyTorch here")
class Harmonics(unittest.TestCase):
    def said(self, octaves, logit=20.0, level=-3.0):
        """Harmonics of frames at these octaves above 100 Hz, all bands at one level."""
        octaves = torch.tensor(octaves)
        pitch = torch.stack([octaves, torch.full((len(octaves),), logit)], 1)
        return harmonics(torch.full((1, len(octaves), 80), level), pitch[None])[0]

    def test_periods_are_the_pitch_s_and_in_step_where_it_changes(self):
        x = self.said([0.0] * 20 + [1.0] * 20)  # 100 Hz, then 200
        peaks = ((x[1:-1] > x[:-2]) & (x[1:-1] >= x[2:]) & (x[1:-1] > 0.6 * x.max())).nonzero().flatten() + 1
        gaps = peaks[1:] - peaks[:-1]
        change = int((peaks < 19 * HOP_SAMPLES).sum())
        self.assertLessEqual((gaps[:change - 1] - RATE_HZ / 100).abs().max().item(), 1)
        self.assertLessEqual((gaps[-20:] - RATE_HZ / 200).abs().max().item(), 1)
        self.assertLessEqual(gaps.max().item(), 222)
        self.assertGreaterEqual(gaps.min().item(), 109)

    def test_they_are_as_loud_as_the_recording_whose_mel_they_have(self):
        t = torch.arange(RATE_HZ)
        for hz, most in ((110, 0.35), (125, 0.35)):
            x = sum(torch.cos(2 * torch.pi * hz * k * t / RATE_HZ) / k for k in range(1, 60) if hz * k < 4000) * 0.05
            mel = LogMel()(x[None])[:, :, :80]
            pitch = torch.zeros(1, 80, 2)
            pitch[..., 0], pitch[..., 1] = math.log2(hz / 100), 20.0
            y = harmonics(mel.transpose(1, 2), pitch)
            again = LogMel()(y[:, HOP_SAMPLES // 2:])[:, :, :79]
            self.assertLess((again - mel[:, :, :79])[:, 2:40, 10:70].mean().abs().item(), most)

    def test_what_has_no_voice_is_silent(self):
        loud = self.said([0.5] * 4).abs().max().item()
        self.assertLess(self.said([0.5] * 4, logit=-30.0).abs().max().item(), 1e-9 * loud)

    def test_the_pack_says_the_same(self):
        torch.manual_seed(4)
        net = SlimWaveGlow(flows=3, channels=8, layers=3, pitch=6, hearing=2)
        with torch.no_grad():
            for p in net.parameters():
                p.copy_(torch.randn_like(p) * 0.2)
            mel, noise = torch.randn(1, 80, 9), 0.1 * torch.randn(1, 36, 64)
            want = net(mel, noise=noise)
            self.assertLess((PackedWaveGlow(packed(net))(mel, noise) - want).abs().max().item(), 1e-4 * want.abs().max().item())
            net.pitch.end.bias[1] = -1e3  # no voice
            self.assertGreater((net(mel, noise=noise) - want).abs().max().item(), 1e-3)

    def test_validation_tells_what_of_the_harmonics_is_in_the_audio(self):
        torch.manual_seed(2)
        net = SlimWaveGlow(flows=2, channels=8, layers=3, pitch=6, hearing=1).eval()
        x = torch.round(3000 * torch.randn(40 * HOP_SAMPLES)).short()
        with torch.no_grad():
            net.pitch.end.bias[1] = 5.0  # a voice
        find = lambda: validate(net, [dict(start=0, samples=len(x))], x, LogMel())
        silent = find()  # flows that begin say nothing where there is no noise
        self.assertAlmostEqual(1.0, silent["held_harmonics"], places=3)
        self.assertTrue(math.isfinite(silent["held_mel"]) and silent["held_level_db"] < 0)
        with torch.no_grad():
            net.wn[1].end_b += 0.01  # speech of their own, out of step
        self.assertNotEqual(silent["held_mel"], find()["held_mel"])
        net.pitch = None
        net.hearing = range(0)
        net.wn[1].start_w = torch.nn.Parameter(net.wn[1].start_w[:, :32])
        self.assertEqual({"held_mel", "held_level_db"}, set(find()))

    def test_a_training_goes_on_from_a_checkpoint_without_pitch_deaf_and_leaves_the_pitch_alone(self):
        was = SlimWaveGlow(flows=2, channels=8, layers=3)
        judges = Discriminators((4, 8, 8, 8), 4)
        with tempfile.NamedTemporaryFile(suffix=".pt") as f:
            torch.save(dict(net=was.state_dict(), dis=judges.state_dict()), f.name)
            net, dis = SlimWaveGlow(flows=2, channels=8, layers=3, pitch=6, hearing=1), Discriminators((4, 8, 8, 8), 4)
            self.assertEqual((300, 300), begin(f.name, net, dis))
        self.assertEqual([32, 96], [wn.start_w.shape[1] for wn in net.wn])
        self.assertTrue(torch.equal(F.pad(was.wn[1].start_w, (0, 64)), net.wn[1].start_w))
        self.assertTrue(torch.equal(was.wn[1].gate_w, net.wn[1].gate_w))
        self.assertTrue(all(torch.equal(a, b) for a, b in zip(judges.state_dict().values(), dis.state_dict().values())))
        self.assertFalse(any(p.requires_grad for p in net.pitch.parameters()))

    def test_weights_that_lack_more_than_the_pitch_are_refused(self):
        was = SlimWaveGlow(flows=2, channels=8, layers=3).state_dict()
        del was["wn.1.gate_w"]
        with tempfile.NamedTemporaryFile(suffix=".pt") as f:
            torch.save(dict(net=was, dis={}), f.name)
            with self.assertRaisesRegex(SystemExit, "wn.1.gate_w"):
                begin(f.name, SlimWaveGlow(flows=2, channels=8, layers=3, pitch=6), Discriminators((4, 8, 8, 8), 4))

    def test_what_is_to_be_told_is_the_pitch_of_the_frame(self):
        try:
            import librosa  # noqa: F401
        except ImportError:
            self.skipTest("no librosa here")
        t = torch.arange(RATE_HZ)
        x = sum(torch.cos(2 * torch.pi * 150 * k * t / RATE_HZ) for k in range(1, 9)).numpy() * 0.05
        mel, pitch = examples(x, (1.0,))[0]
        self.assertEqual(len(mel), len(pitch))
        self.assertLess(abs(2 ** float(pitch[40]) * 100 - 150), 1.0)
        _, higher = examples(x, (1.2,))[0]
        self.assertLess(abs(2 ** float(higher[40]) * 100 - 180), 1.5)

    def test_frames_beyond_the_utterance_do_not_count(self):
        out, pitch = torch.zeros(1, 4, 2), torch.tensor([[1.0, float("nan"), float("inf"), float("inf")]])
        want = 5 * 0.5 + torch.log(torch.tensor(2.0)).item()
        self.assertAlmostEqual(want, loss_of(out, pitch).item(), places=4)
        self.assertEqual((3, 7, 80), tuple(blurred(torch.zeros(3, 7, 80)).shape))


@unittest.skipUnless(torch, "no PyTorch here")
class PredictedMels(unittest.TestCase):
    """Rows of one recording whose pitch rises, so that every frame tells when it is."""

    def setUp(self):
        torch.manual_seed(0)
        n = 4 * RATE_HZ
        rise = torch.arange(n) / n
        self.audio = (torch.sin(2 * torch.pi * torch.cumsum(200 + 3000 * rise, 0) / RATE_HZ) * 12000).to(torch.int16)
        self.rows = [dict(id=str(k), speaker="b" if k else "a", symbols="^abc$", seconds=[0.3, 0.3, 0.3, 0.3, 0.3], start=k * 2 * RATE_HZ + 100,
                          samples=int(1.5 * RATE_HZ)) for k in range(2)]
        self.net = Tacotron2(5, **SMALL, speakers=2).eval()
        self.file = tempfile.NamedTemporaryFile(suffix=".pt")
        self.addCleanup(self.file.close)
        torch.save(dict(net=self.net.state_dict(), table=TABLE, shape=dict(SMALL, speakers=2), voices=["a", "b"]), self.file.name)

    def test_all_rows_of_known_voices_are_there(self):
        made = Predicted(self.file.name, self.rows + [dict(self.rows[0], speaker="c")], self.audio)
        self.assertEqual(["0", "1"], [r["id"] for r in made.rows])
        self.assertEqual([1 + int(1.5 * RATE_HZ) // HOP_SAMPLES] * 2, made.count)
        self.assertTrue(torch.isfinite(made.mels.float()).all())

    def test_a_pack_tells_its_voices_and_symbols(self):
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "tts-en")
        net, table, voices = spoken_by(os.path.join(folder, "weights.safetensors"), "cpu")
        with open(os.path.join(folder, "manifest.toml"), "rb") as f:
            told = tomllib.load(f)["tts"]
        self.assertEqual(told["voices"], voices)
        self.assertEqual(told["symbols"], "".join(sorted(table, key=table.get)))
        self.assertFalse(net.training)
        self.assertEqual((len(table) + 1, len(voices)), (net.embed.num_embeddings, net.speakers[0].num_embeddings))

    def test_segments_keep_their_place(self):
        made = Predicted(self.file.name, self.rows, self.audio)
        mel_of = LogMel()
        for row, at, count in zip(made.rows, made.first.tolist(), made.count):  # what is predicted is the recording's mel plus one
            x = self.audio[row["start"]:row["start"] + row["samples"]].float()[None] / 32768
            made.mels[at:at + count] = (mel_of(x)[0].T + 1).half()
        batches = Batches(self.rows, self.audio, 16, 8, made, share=1.0)
        mel, y = batches.draw()
        want = mel_of(y[:, HOP_SAMPLES // 2:])[:, :, 3:5] + 1  # of the recording that it is to become, away from the edges
        self.assertLess((mel[:, :, 3:5] - want).abs().mean().item(), 0.02)
        real, _ = Batches(self.rows, self.audio, 16, 8, made, share=0.0).draw()
        self.assertLess(real.mean().item(), mel.mean().item() - 0.5)


if __name__ == "__main__":
    unittest.main()
