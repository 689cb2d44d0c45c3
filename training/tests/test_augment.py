"""What the recogniser's augmentation may do to speech, and what it may not.

    python3 -m unittest training.tests.test_augment        from the top of the repository; needs PyTorch
"""
import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import torch

    from training.asr.augment import Augment
except ImportError:
    torch = None


@unittest.skipUnless(torch, "no PyTorch here")
class Microphones(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.augment = Augment(None, "cpu", equaliser=6.0, pace=0.3)

    def test_gains_are_smooth_and_within_two_spreads(self):
        hz = torch.linspace(0, 8000, 4001)
        db = 20 * self.augment.response(50, hz, 6.0).log10()
        self.assertLessEqual(db.abs().max().item(), 12.001)
        self.assertGreater(db.std(0).min().item(), 2.0)  # every frequency is moved
        self.assertLess((db[:, 1:] - db[:, :-1]).abs().max().item(), 0.6)  # 2 Hz further on nothing jumps

    def test_no_spread_changes_nothing(self):
        torch.testing.assert_close(self.augment.response(3, torch.linspace(0, 8000, 9), 0.0), torch.ones(3, 9))


@unittest.skipUnless(torch, "no PyTorch here")
class Noisy(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.x = torch.randn(200, 4000) * 0.05
        self.power = (self.x ** 2).mean(1, keepdim=True)

    def noise_db(self, share):
        """How loud what stands beside each row is, in dB of the row."""
        augment = Augment(None, "cpu", noisy=share)
        augment.noise = (torch.randn(90000) * 3000).short()
        augment.rooms = torch.eye(1, 8000)
        beside = augment.beside(self.x, self.power, 0.0, augment.on(200, share))
        return 10 * torch.log10((beside ** 2).mean(1) / self.power[:, 0])

    def test_noise_is_sure_and_as_loud_as_it_says(self):
        db = self.noise_db(1.0)
        self.assertGreater(db.min().item(), -15.3)
        self.assertLess(db.max().item(), -4.2)

    def test_none_leaves_what_hardness_allows(self):
        self.assertLess(self.noise_db(0.0).max().item(), -15.5)


@unittest.skipUnless(torch, "no PyTorch here")
class Pace(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(2)
        self.augment = Augment(None, "cpu", pace=0.3)
        self.ramp = torch.arange(300.0).expand(8, 80, 300).contiguous()  # a frame tells where it was
        self.frames = torch.tensor([300, 300, 299, 200, 120, 60, 2, 1])

    def test_ends_stay_and_time_never_turns_back(self):
        at = self.augment.paced(self.ramp, self.frames, 0.3)[:, 0]
        for row, n in zip(at, self.frames.tolist()):
            self.assertAlmostEqual(0.0, row[0].item(), places=4)
            self.assertAlmostEqual(n - 1.0, row[n - 1].item(), delta=0.01)
            if n > 1:
                self.assertGreater((row[1:n] - row[:n - 1]).min().item(), 0.5)
                self.assertLess((row[1:n] - row[:n - 1]).max().item(), 1.9)
            torch.testing.assert_close(row[n:], torch.arange(300.0)[n:])

    def test_speeds_differ_within_an_utterance(self):
        at = self.augment.paced(self.ramp, self.frames, 0.3)[0, 0]
        step = at[1:] - at[:-1]
        self.assertGreater((step.max() / step.min()).item(), 1.2)

    def test_none_is_none(self):
        torch.testing.assert_close(self.augment.paced(self.ramp, self.frames, 0.0), self.ramp)


if __name__ == "__main__":
    unittest.main()
