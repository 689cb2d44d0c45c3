"""Half precision: the optimiser's scale of the loss; and the parts of a recogniser's step, which are timed.

    python3 -m unittest training.tests.test_arithmetics        from the top of the repository; needs PyTorch
"""
import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import torch

    from training.asr.parts import parts
    from training.tts.flat_adam import FIRST_SCALE, GROWS, FlatAdamW
except ImportError:
    torch = None


def stepped(opt, gradient):
    opt.zero_grad()
    opt.grads.add_(gradient * opt.scale)
    opt.step()


@unittest.skipUnless(torch, "no PyTorch here")
class Half(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def optimiser(self, half):
        torch.manual_seed(1)
        opt = FlatAdamW(torch.nn.Linear(3, 2), half=half)
        opt.rate.fill_(0.1)
        return opt

    def test_steps_are_those_of_whole_precision(self):
        half, whole = self.optimiser(True), self.optimiser(False)
        for _ in range(5):
            gradient = torch.randn(8)
            stepped(half, gradient), stepped(whole, gradient)
        self.assertEqual(1.0, float(whole.scale))
        self.assertTrue(torch.allclose(whole.weights, half.weights, atol=1e-6))

    def test_scale_is_halved_by_what_overflows_and_doubled_after_many_steps(self):
        opt = self.optimiser(True)
        before = opt.weights.clone()
        stepped(opt, torch.full((8,), torch.inf))
        self.assertEqual((FIRST_SCALE / 2, 0.0), (float(opt.scale), float(opt.steps)))
        self.assertTrue(torch.equal(before, opt.weights))
        for _ in range(GROWS - 1):
            stepped(opt, torch.ones(8))
        self.assertEqual(FIRST_SCALE / 2, float(opt.scale))
        stepped(opt, torch.ones(8))
        self.assertEqual((FIRST_SCALE, 0.0), (float(opt.scale), float(opt.streak)))

    def test_scale_is_resumed_by_half_precision_alone(self):
        half = self.optimiser(True)
        stepped(half, torch.full((8,), torch.nan))
        again, whole = self.optimiser(True), self.optimiser(False)
        again.load(half.state()), whole.load(half.state()), half.load(whole.state())
        self.assertEqual([FIRST_SCALE / 2, 1.0, FIRST_SCALE / 2], [float(x.scale) for x in (again, whole, half)])

    def test_parts_of_a_step_run_in_every_type(self):
        for dtype in (torch.float32, torch.bfloat16):
            found = [name for name, part in parts("cpu", dtype, rows=2, steps=9, width=16, layers=2) if part() is None]
            self.assertEqual("convolutions LSTMs look-ahead CTC optimiser".split(), found)


if __name__ == "__main__":
    unittest.main()
