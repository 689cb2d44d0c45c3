"""WaveGlow as published: invertible, its likelihood true, its weights those of the network that bench/deck exports.

    python3 -m unittest training.tests.test_waveglow        from the top of the repository; needs PyTorch
"""
import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import torch

    from training.tts.speech import HOP_SAMPLES
    from training.vocoder.waveglow import GEOMETRY, WINDOW, WaveGlow
except ImportError:
    torch = None


@unittest.skipUnless(torch, "no PyTorch here")
class Published(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.net = WaveGlow(**dict(GEOMETRY, flows=5, every=2, channels=8, layers=2)).eval()
        for wn in self.net.WN:
            torch.nn.init.normal_(wn.end.weight, std=0.1), torch.nn.init.normal_(wn.end.bias, std=0.1)
        self.mel, self.audio = torch.randn(2, 80, 3), 0.1 * torch.randn(2, 3 * HOP_SAMPLES)

    def test_noise_becomes_the_audio_that_it_came_from(self):
        with torch.no_grad():
            noise, _ = self.net(self.mel, self.audio)
            again = self.net.speak(self.mel, noise)
        self.assertLess((again - self.audio).abs().max().item(), 1e-4)

    def test_the_determinant_is_that_of_the_jacobian(self):
        mel, audio = self.mel[:1, :, :1], self.audio[:1, :HOP_SAMPLES].double()
        net = self.net.double()
        jacobian = torch.autograd.functional.jacobian(lambda x: net(mel.double(), x[None])[0].flatten(), audio[0])
        want = torch.linalg.slogdet(jacobian)[1] / HOP_SAMPLES
        self.assertAlmostEqual(want.item(), net(mel.double(), audio)[1].item(), places=5)

    def test_weights_are_those_of_the_published_network(self):
        sys.path.insert(0, os.path.join(ROOT, "bench", "deck"))
        import speech as deck
        theirs = deck.WaveGlow(80, 8, 5, 2, 2, 8, 2, WINDOW, HOP_SAMPLES).eval()
        state = {}
        for name, value in self.net.published().items():
            part = name.split(".")
            if part[0] == "convinv":  # the deck's network mixes the other way
                state[f"mix.{part[1]}.weight"] = torch.linalg.inv(value[..., 0])[..., None]
            else:
                name = name.replace("WN.", "wn.").replace("cond_layer", "cond").replace("in_layers", "into").replace("res_skip_layers", "res")
                state[name] = value
        theirs.load_state_dict(state)
        noise = torch.randn(2, 8, 3 * HOP_SAMPLES // 8)
        with torch.no_grad():
            # the deck's takes what comes in late behind what is there from the start
            want, said = theirs(self.mel, noise), self.net.speak(self.mel, torch.cat([noise[:, 6:8], noise[:, 4:6], noise[:, :4]], 1))
        self.assertLess((want - said).abs().max().item(), 1e-4)


if __name__ == "__main__":
    unittest.main()
