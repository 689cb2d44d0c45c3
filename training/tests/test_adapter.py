"""A voice as an adapter of the vocoder: begins as the pack, leaves what is large, and its file says what was trained.

    python3 -m unittest training.tests.test_adapter        from the top of the repository; needs PyTorch
"""
import copy
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    import torch

    from training.tts import pack
    from training.vocoder import adapter
    from training.vocoder.discriminators import Discriminators
    from training.vocoder.export import PackedWaveGlow, tensors as packed
    from training.vocoder.export_voice import check_base, manifest, voice_tensors
    from training.vocoder.model import SlimWaveGlow, harmonics, of
    from training.vocoder.rounding import corrected, levels, moments, packed_voice, stored, unpacked_voice
    from training.vocoder.train import JUDGED_STEPS, begin
except ImportError:
    torch = None

GEOMETRY = dict(flows=2, channels=128, layers=3)
MANIFEST = """name = "vocoder-en"

[vocoder]
flows = 2

[voices.b]
adapter = "b.safetensors"

[files]
"weights.safetensors" = { bytes = 1, sha256 = "0" }

[accuracy]
"held" = 0.2
"""


@unittest.skipUnless(torch, "no PyTorch here")
class Adapter(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.base = os.path.join(self.folder.name, "weights.safetensors")
        plain = SlimWaveGlow(**GEOMETRY)
        with torch.no_grad():
            for p in plain.parameters():
                p.copy_(torch.randn_like(p) * 0.1)
        pack.write(self.base, packed(plain), {})
        self.mel, self.noise = torch.randn(1, 80, 8), torch.randn(1, 32, 64)

    def begun(self, **config):
        net = of(GEOMETRY | dict(adapted=True) | config)
        self.assertEqual((JUDGED_STEPS, 1), begin(self.base, net, None, adapted=True))
        return net

    def changed(self, net):
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p) * 0.02) if p.requires_grad else None
        return net

    def test_begins_as_the_pack(self):
        net = self.begun()
        want = PackedWaveGlow(pack.read(self.base)[0])(self.mel, self.noise)
        self.assertLess((net(self.mel, noise=self.noise) - want).abs().max().item(), 1e-5 * want.abs().max().item())

    def test_with_harmonics_begins_as_the_pack_beside_them(self):
        net = self.begun(pitch=8, hearing=1)
        frames = self.mel.transpose(1, 2)
        want = PackedWaveGlow(pack.read(self.base)[0])(self.mel, self.noise) + harmonics(frames, net.pitch(frames))
        self.assertLess((net(self.mel, noise=self.noise) - want).abs().max().item(), 1e-5 * want.abs().max().item())

    def test_a_step_leaves_the_large_matrices(self):
        net = self.begun(pitch=8, hearing=1)
        before = copy.deepcopy(net.state_dict())
        net(self.mel, noise=self.noise).square().mean().backward()
        own = [p for p in net.parameters() if p.requires_grad]
        self.assertTrue(all(p.grad is not None for p in own))
        torch.optim.SGD(own, 1.0).step()
        moved = {name for name, w in net.state_dict().items() if not torch.equal(w, before[name])}
        self.assertFalse([name for name in moved if name.endswith(("original", "gate_b")) or name.startswith("pitch.")])
        for part in ("mix.0", "wn.0.depth", "wn.1.start_w", "wn.0.parametrizations.gate_w.0.up"):
            self.assertIn(part, moved)

    def test_its_file_beside_the_pack_says_what_was_trained(self):
        net = self.changed(self.begun(pitch=8, hearing=1))
        path = os.path.join(self.folder.name, "b.safetensors")
        pack.write(path, voice_tensors(net), {}, lambda name: torch.float32)
        base = {k: v for k, v in pack.read(self.base)[0].items()}
        merged = pack.plain(adapter.adapted(base, pack.load(path)[0]))
        got, want = PackedWaveGlow(merged)(self.mel, self.noise), net(self.mel, noise=self.noise)
        self.assertLess((got - want).abs().max().item(), 1e-4 * want.abs().max().item())
        self.assertGreater((want - self.begun(pitch=8, hearing=1)(self.mel, noise=self.noise)).abs().max().item(), 0.01)

    def test_sums_are_int8_where_the_pack_is(self):
        net = self.changed(self.begun())
        path = os.path.join(self.folder.name, "b.safetensors")
        pack.write(path, voice_tensors(net), {})
        base, voice = pack.load(self.base)[0], pack.load(path)[0]
        merged = adapter.adapted(base, voice)
        self.assertEqual(set(base), set(merged))
        self.assertEqual(torch.int8, merged["flow.0.gate.0.weight"].dtype)
        own = pack.plain(voice)
        want = pack.plain(base)["flow.0.gate.0.weight"] + own["flow.0.gate.0.weight.up"].T @ own["flow.0.gate.0.weight.down"]
        gap = (pack.plain(merged)["flow.0.gate.0.weight"] - want).abs().amax(1)
        self.assertTrue((gap <= 0.21 * want.abs().amax(1)).all() and (gap.median() < 0.02 * want.abs().max()))

    def test_balanced_pairs_say_the_same(self):
        voice = voice_tensors(self.changed(self.begun()))
        again = adapter.balanced(voice)
        for name in [k[:-5] for k in voice if k.endswith(".down")]:
            down, up = again[f"{name}.down"], again[f"{name}.up"]
            want = voice[f"{name}.up"].T @ voice[f"{name}.down"]
            self.assertLess((up.T @ down - want).abs().max().item(), 1e-5)
            gram = down @ down.T
            self.assertLess((gram - torch.diag(gram.diag())).abs().max().item(), 1e-4 * gram.max().item())
            self.assertLess((gram.diag() - (up @ up.T).diag()).abs().max().item(), 1e-4 * gram.max().item())

    def test_errors_of_rounding_take_each_other_back(self):
        x = torch.randn(200, 3, dtype=torch.double) @ torch.randn(3, 16, dtype=torch.double) + 0.1 * torch.randn(200, 16, dtype=torch.double)
        w, products = torch.randn(4, 16, dtype=torch.double), x.T @ x / len(x)
        error = lambda q, scale: (x @ (q.double() * scale.double()[:, None] - w).T).square().mean().item()
        q, scale = levels(w, products)
        self.assertEqual((torch.int8, torch.float32, w.shape), (q.dtype, scale.dtype, q.shape))
        self.assertLess(error(q, scale), 0.3 * error(*pack.quantised(w)))

    def test_moments_are_of_what_matrices_hear_quiet_frames_first(self):
        weights = pack.plain(pack.load(self.base)[0])
        loud, quiet = torch.full((80, 4), 0.0), torch.full((80, 4), -8.0)
        products, mean = moments(weights, [torch.cat([loud, quiet], 1)])["flow.0.cond.weight"]
        self.assertTrue(torch.allclose(mean, torch.full((80,), -8.0, dtype=torch.double), atol=0.05))
        self.assertTrue(torch.allclose(products, torch.full((80, 80), 64.0, dtype=torch.double), atol=0.5))

    def test_a_file_is_rounded_for_the_voice(self):
        voice, base = voice_tensors(self.changed(self.begun(pitch=8, hearing=1))), pack.load(self.base)[0]
        wanted = pack.plain(adapter.adapted(pack.plain(base), voice))
        mels = [torch.randn(80, 24) - 5 for _ in range(3)]
        heard = moments(wanted, mels)
        said = lambda weights: torch.cat([PackedWaveGlow(weights)(mel[None], torch.zeros(1, 96, 64))[0] for mel in mels])
        error = lambda kept: (said(pack.plain(adapter.adapted(base, kept))) - said(wanted)).square().mean().item()
        pairs, plain, file = stored(voice, heard), pack.stored(voice), packed_voice(voice, base, mels)
        for name in [k[:-5] for k in voice if k.endswith(".down")]:
            products, want = heard[name][0], wanted[name].double()
            gap = lambda kept: pack.plain(adapter.adapted(pack.plain(base), kept))[name].double() - want
            heard_of = lambda kept: ((gap(kept) @ products) * gap(kept)).sum().item()
            self.assertLess(heard_of(pairs), heard_of(plain), name)
        self.assertEqual((torch.int8, torch.float16), (file["flow.1.end.weight.down"].dtype, file["flow.1.end.weight.up"].dtype))
        self.assertLess(error(file), 0.5 * error(plain))
        again = unpacked_voice(file, base, mels)
        for name, bias in corrected(again, file, base, moments(pack.plain(adapter.adapted(pack.plain(base), again)), mels)).items():
            self.assertLess((bias - file[name].float()).abs().max().item(), 1e-3, name)
            if ".start." not in name:  # rounded once: what stands in the file is it
                self.assertGreater((again[name] - file[name].float()).abs().max().item(), 1e-4, name)

    def test_a_checkpoint_goes_on(self):
        net, dis = self.changed(self.begun()), Discriminators((4, 8, 8, 8), 4)
        path = os.path.join(self.folder.name, "vocoder_small.pt")
        torch.save(dict(net=net.state_dict(), dis=dis.state_dict(), config={}), path)
        again = of(GEOMETRY | dict(adapted=True))
        self.assertEqual((300, 300), begin(path, again, dis, adapted=True))
        self.assertTrue(torch.equal(net(self.mel, noise=self.noise), again(self.mel, noise=self.noise)))

    def test_the_way_back_from_a_file(self):
        net = self.changed(self.begun(pitch=8, hearing=1))
        again = self.begun(pitch=8, hearing=1)
        adapter.restore(again, voice_tensors(net))
        want = net(self.mel, noise=self.noise)
        self.assertLess((again(self.mel, noise=self.noise) - want).abs().max().item(), 1e-4 * want.abs().max().item())

    def test_another_pack_is_refused(self):
        net = self.begun()
        check_base(net, self.base)
        other, path = SlimWaveGlow(**GEOMETRY), os.path.join(self.folder.name, "other.safetensors")
        pack.write(path, packed(other), {})
        with self.assertRaisesRegex(SystemExit, "not trained beside"):
            check_base(net, path)

    def test_the_manifest_takes_it_once(self):
        text = MANIFEST
        for value in ("0.3", "0.25"):
            text = manifest(text, "b", ['adapter = "b.safetensors"', "pitch_layers = 3"], ['"b.safetensors" = 1', '"weights.safetensors" = 2'], [f'"b/held"={value}'])
        want = MANIFEST.replace('[voices.b]\nadapter = "b.safetensors"\n', '[voices.b]\nadapter = "b.safetensors"\npitch_layers = 3\n')
        want = want.replace('"weights.safetensors" = { bytes = 1, sha256 = "0" }', '"b.safetensors" = 1\n"weights.safetensors" = 2') + '"b/held" = 0.25\n'
        self.assertEqual(want, text)


if __name__ == "__main__":
    unittest.main()
