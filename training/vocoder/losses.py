"""Losses of the vocoder: multi-resolution spectra, mel distance, least-squares adversarial, feature matching."""
import torch
import torch.nn.functional as F

POINTS = (256, 512, 1024, 2048)  # hop a quarter; 1024 / 256 is also the mel's transform


class Spectra(torch.nn.Module):
    """[B, samples] f32 -> {points: [B, points / 2 + 1, frames]} amplitudes."""

    def __init__(self):
        super().__init__()
        for n in POINTS:
            self.register_buffer(f"window{n}", torch.hann_window(n), persistent=False)

    def forward(self, x):
        window = lambda n: getattr(self, f"window{n}")
        stft = lambda n: torch.stft(x, n, n // 4, n, window(n), center=True, pad_mode="reflect", return_complex=True)
        return {n: torch.view_as_real(stft(n)).pow(2).sum(-1).add(1e-10).sqrt() for n in POINTS}


def spectral_distance(fake, real):
    """Spectral convergence and log magnitude, mean over the resolutions (Parallel WaveGAN, arXiv 1910.11480)."""
    total = 0.0
    for n in POINTS:
        x, y = fake[n], real[n]
        total = total + (y - x).norm() / y.norm().clamp_min(1e-3) + F.l1_loss(x.log(), y.log())
    return total / len(POINTS)


def judged(real, fake):
    """Loss of the judges: real scores to one, fake scores to zero."""
    return sum(((1 - r[0].float()) ** 2).mean() + (f[0].float() ** 2).mean() for r, f in zip(real, fake))


def deceived(fake):
    return sum(((1 - f[0].float()) ** 2).mean() for f in fake)


def feature_distance(real, fake):
    return sum(F.l1_loss(p.float(), q.detach().float()) for f, r in zip(fake, real) for p, q in zip(f[1], r[1]))
