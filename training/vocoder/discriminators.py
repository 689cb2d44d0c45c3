"""Judges of the vocoder: multi-period after HiFi-GAN (arXiv 2010.05646), multi-resolution after UnivNet (2106.07889).

The multi-resolution judges read the magnitudes that the spectral loss has already computed. Both return a map of
scores and the list of inner features.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = (512, 1024, 2048)  # points of the transform, hop a quarter


class NormedConv2d(nn.Module):
    """Convolution whose weight is a direction times a length per output channel (arXiv 1602.07868)."""

    def __init__(self, cin, cout, kernel, stride, padding):
        super().__init__()
        plain = nn.Conv2d(cin, cout, kernel)
        self.direction, self.bias = nn.Parameter(plain.weight.detach()), nn.Parameter(plain.bias.detach())
        self.length = nn.Parameter(plain.weight.detach().flatten(1).norm(dim=1))
        self.stride, self.padding = stride, padding

    def forward(self, x):
        d = self.direction
        w = d * (self.length / d.flatten(1).norm(dim=1))[:, None, None, None]
        return F.conv2d(x, w.to(x.dtype), self.bias.to(x.dtype), self.stride, self.padding)


class Judge(nn.Module):
    def __init__(self, convs, out):
        super().__init__()
        self.convs, self.out = nn.ModuleList(convs), out

    def forward(self, x):
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        return self.out(x), features


def period_judge(width):
    c = (1,) + width
    convs = [NormedConv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in zip(c, c[1:])]
    return Judge(convs, NormedConv2d(width[-1], 1, (3, 1), 1, (1, 0)))


def resolution_judge(width):
    shape = [((3, 9), (1, 1)), ((3, 9), (1, 2)), ((3, 9), (1, 2)), ((3, 9), (1, 2)), ((3, 3), (1, 1))]
    convs = [NormedConv2d(width if i else 1, width, k, s, (k[0] // 2, k[1] // 2)) for i, (k, s) in enumerate(shape)]
    return Judge(convs, NormedConv2d(width, 1, 3, 1, 1))


class Discriminators(nn.Module):
    def __init__(self, period_width=(16, 64, 256, 384), resolution_width=24):
        super().__init__()
        self.periods = nn.ModuleList(period_judge(tuple(period_width)) for _ in PERIODS)
        self.resolutions = nn.ModuleList(resolution_judge(resolution_width) for _ in RESOLUTIONS)

    def forward(self, x, magnitudes, dtype=torch.float32):
        """x [B, samples], magnitudes {points: [B, bins, frames]} -> [(scores, features)]."""
        out = []
        for period, judge in zip(PERIODS, self.periods):
            folded = F.pad(x, (0, -x.shape[1] % period)).view(x.shape[0], 1, -1, period)
            out.append(judge(folded.to(dtype)))
        for points, judge in zip(RESOLUTIONS, self.resolutions):
            out.append(judge(magnitudes[points].transpose(1, 2).unsqueeze(1).to(dtype)))
        return out
