"""The deck's networks over three axes: torchvision's for video, and a U-Net for volumes. `small`: the same structure in golden size."""
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import video
from torchvision.models.video.resnet import BasicBlock, BasicStem, Conv2Plus1D, Conv3DSimple, R2Plus1dStem, VideoResNet


def lively(module):
    """Batch normalisations with statistics that are not the identity."""
    for m in module.modules():
        if isinstance(m, nn.BatchNorm3d):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.8, 1.2)
            m.weight.data.uniform_(0.8, 1.2)
            m.bias.data.normal_(0, 0.1)
    return module


def clip(frames, size):
    return (torch.randn(1, 3, frames, size, size),), ["clip"]


def narrow(conv, stem):
    """A network for video of one block a stage, and its channels divided by eight."""
    net = VideoResNet(BasicBlock, [conv] * 4, [1, 1, 1, 1], stem)
    for name, m in list(net.named_modules()):
        owner = net.get_submodule(name.rpartition(".")[0])
        part = lambda n: n if n <= 3 else max(4, n // 8)
        if isinstance(m, nn.Conv3d):
            few = nn.Conv3d(part(m.in_channels), part(m.out_channels), m.kernel_size, m.stride, m.padding, bias=False)
            few.weight.data *= 0.5
            owner._modules[name.rpartition(".")[2]] = few
        elif isinstance(m, nn.BatchNorm3d):
            owner._modules[name.rpartition(".")[2]] = nn.BatchNorm3d(part(m.num_features))
    net.layer3, net.layer4, net.fc = nn.Identity(), nn.Identity(), nn.Linear(16, 10)
    return lively(net)


def r3d18(small):
    if small:
        return narrow(Conv3DSimple, BasicStem), *clip(4, 20), ["scores"]
    return lively(video.r3d_18(weights=None)), *clip(16, 112), ["scores"]


def r2plus1d18(small):
    if small:
        return narrow(Conv2Plus1D, R2Plus1dStem), *clip(4, 20), ["scores"]
    return lively(video.r2plus1d_18(weights=None)), *clip(16, 112), ["scores"]


class UNet3d(nn.Module):
    """arXiv 1606.06650 with padding: volumes of one channel, a mask of the same size."""

    def __init__(self, widths, classes=3):
        super().__init__()
        one = lambda i, o: [nn.Conv3d(i, o, 3, padding=1), nn.BatchNorm3d(o), nn.ReLU()]
        first = [nn.Sequential(*one(i, w // 2), *one(w // 2, w)) for i, w in zip([1] + widths, widths)]
        self.down = nn.ModuleList(first)
        self.grow = nn.ModuleList(nn.ConvTranspose3d(o, o, 2, 2) for o in widths[1:])
        self.up = nn.ModuleList(nn.Sequential(*one(i + o, i), *one(i, i)) for i, o in zip(widths, widths[1:]))
        self.out = nn.Conv3d(widths[0], classes, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool3d(x, 2))
            skips.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([skips[i], self.grow[i](x)], 1))
        return self.out(x)


def unet3d(small):
    net = UNet3d([8, 8, 16] if small else [32, 64, 128, 256])
    return lively(net), (torch.randn(1, 1, *((4, 8, 8) if small else (32, 64, 64))),), ["volume"], ["mask"]


NETWORKS = {f.__name__: f for f in (r3d18, r2plus1d18, unet3d)}
