"""The streaming encoder: what it may hear of the future, and that nothing beyond a row's end is heard.

    python3 -m unittest training.tests.test_listener        from the top of the repository; needs PyTorch
"""
import os
import sys
import types
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    import torch

    from training.asr.listener import POSITIONS, Listener, places
    from training.asr.train import Trainer
except ImportError:
    torch = None


@unittest.skipUnless(torch, "no PyTorch here")
class Streaming(unittest.TestCase):
    STEPS = 40

    def setUp(self):
        torch.set_grad_enabled(False)
        self.addCleanup(torch.set_grad_enabled, True)
        torch.manual_seed(0)
        self.net = Listener(width=48, layers=2, channels=32, heads=2, inner=64, blocks=2, past=5, ahead=2).eval()
        self.mel = torch.randn(2, 80, 4 * self.STEPS)

    def test_what_was_learnt_before_changes_more_slowly(self):
        heard = {id(p) for p in self.net.listened()}
        for listen, start in ((None, None), ("whisper.npz", None), (None, "begin.pt")):
            a = types.SimpleNamespace(blocks=2, listen=listen, start=start, listen_lr=0.1)
            groups = Trainer.groups(types.SimpleNamespace(a=a, net=self.net, trained=list(self.net.parameters())))
            slow = {id(p) for g in groups if g["share"] == 0.1 for p in g["params"]}
            self.assertEqual(heard if listen or start else set(), slow)
            self.assertEqual(len(list(self.net.parameters())), sum(len(g["params"]) for g in groups))

    def test_a_row_is_as_if_alone(self):
        both = self.net(self.mel, torch.tensor([self.STEPS, 25]))
        torch.testing.assert_close(both[1, :50], self.net(self.mel[1:, :, :100])[0], atol=1e-5, rtol=0)

    def test_the_future_ends_where_it_says(self):
        changed = self.mel[:1].clone()
        changed[:, :, 80:] += 1
        moved = (self.net(changed) - self.net(self.mel[:1])).abs().amax(-1)[0].nonzero()[:, 0]
        self.assertEqual(2, self.net.late)
        self.assertEqual(20 - self.net.late, moved[0].item() // 2)

    def test_attention_is_that_of_a_full_score_matrix(self):
        block, length = self.net.blocks[0], 19
        q, k, v = torch.randn(3, 2, length, 32).unbind()
        on = torch.arange(length)[None] < torch.tensor([[length], [12]])
        got = block.attend(q, k, v, on)
        heads = lambda x: x.unflatten(-1, (2, 16)).transpose(1, 2)
        t = torch.arange(length)
        reach = block.past + block.ahead  # q stands for the frame `ahead` before its row
        near = (t[None] <= t[:, None]) & (t[None] >= t[:, None] - reach)
        score = heads(q) @ heads(k).transpose(-1, -2) / 4
        score = score.masked_fill(~(near & on[:, None])[:, None], -1e4)
        want = (score.softmax(-1) @ heads(v)).transpose(1, 2).flatten(2)
        torch.testing.assert_close(got[on], want[on], atol=1e-5, rtol=0)

    def test_a_reach_over_all_of_it_is_the_whole_encoder(self):
        net = Listener(width=48, layers=2, channels=32, heads=2, inner=64, blocks=2, past=40, ahead=40).eval()
        mel, steps = self.mel[:, :, :80], torch.tensor([20, 20])
        told = net.encode(torch.nn.functional.pad(mel, (0, 4 * net.late)), steps, torch.zeros(2, dtype=torch.long))
        torch.testing.assert_close(told[:, net.late:], net.whole(mel, steps), atol=1e-5, rtol=0)
        self.assertFalse(told[:, :net.late].any())

    def test_two_look_aheads_of_one_set_of_weights(self):
        shape = dict(width=48, layers=2, channels=32, heads=2, inner=64, blocks=2, past=5)
        both = Listener(**shape, ahead=2, final_ahead=6).eval()
        both.load_state_dict(self.net.state_dict())
        self.assertEqual((6, 6), (both.ahead, both.late))  # what is told in the end comes first
        alone = Listener(**shape, ahead=6).eval()
        alone.load_state_dict(self.net.state_dict())
        torch.testing.assert_close(both(self.mel), alone(self.mel), atol=0, rtol=0)
        both.look(*both.modes[0])
        torch.testing.assert_close(both(self.mel), self.net(self.mel), atol=0, rtol=0)
        further = Listener(**shape, ahead=2, final_past=9, final_ahead=6).eval()
        further.load_state_dict(self.net.state_dict())
        self.assertFalse(torch.allclose(further(self.mel), alone(self.mel)))
        further.look(*further.modes[0])
        torch.testing.assert_close(further(self.mel), self.net(self.mel), atol=0, rtol=0)
        with self.assertRaises(ValueError):
            Listener(**dict(shape, blocks=3), ahead=2, final_ahead=5)

    def test_places_go_round(self):
        table = places(32)
        self.assertEqual((POSITIONS, 32), tuple(table.shape))
        start = torch.tensor([POSITIONS - 3])
        shifted = list(self.net.layers(self.mel[:1], start=start))[-1]
        self.assertTrue(shifted.isfinite().all())
        self.assertFalse(torch.allclose(shifted, list(self.net.layers(self.mel[:1]))[-1]))


if __name__ == "__main__":
    unittest.main()
