"""The deck's vision networks: torchvision's, and a U-Net. `small`: the same structure in golden size."""
import torch
import torchvision
from torch import nn
from torch.nn import functional as F


def lively(module):
    """Batch normalisations with statistics that are not the identity."""
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.8, 1.2)
            m.weight.data.uniform_(0.8, 1.2)
            m.bias.data.normal_(0, 0.1)
    return module


def image(size, batch=1):
    return (torch.randn(batch, 3, size, size),), ["image"]


def vgg19(small):
    if not small:
        return torchvision.models.vgg19(weights=None), *image(224), ["scores"]
    layers = torchvision.models.vgg.make_layers([4, 4, "M", 8, 8, "M", 8, 8, "M"])
    net = torchvision.models.VGG(layers)
    net.avgpool, net.classifier = nn.AdaptiveAvgPool2d(3), nn.Sequential(
        nn.Linear(72, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 10))
    return net, *image(24), ["scores"]


def inception_v3(small):
    if not small:
        net = torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=False)
        return lively(net), *image(299), ["scores"]

    class Mixed(nn.Module):
        """A reduction of channels, the four branches of an Inception block, and a head."""

        def __init__(self):
            super().__init__()
            block = torchvision.models.inception
            self.stem = block.BasicConv2d(3, 8, kernel_size=3, stride=2)
            self.branch1 = block.BasicConv2d(8, 6, kernel_size=1)
            self.branch2 = nn.Sequential(block.BasicConv2d(8, 4, kernel_size=1),
                                         block.BasicConv2d(4, 8, kernel_size=(1, 7), padding=(0, 3)),
                                         block.BasicConv2d(8, 6, kernel_size=(7, 1), padding=(3, 0)))
            self.branch3 = nn.Sequential(block.BasicConv2d(8, 4, kernel_size=1),
                                         block.BasicConv2d(4, 6, kernel_size=3, padding=1))
            self.pooled = block.BasicConv2d(8, 4, kernel_size=1)
            self.head = nn.Linear(22, 10)

        def forward(self, x):
            x = self.stem(x)
            pooled = self.pooled(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
            y = torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), pooled], 1)
            return self.head(torch.flatten(F.adaptive_avg_pool2d(F.max_pool2d(y, 3, 2), 1), 1))

    return lively(Mixed()), *image(21), ["scores"]


def resnet50(small):
    if not small:
        return lively(torchvision.models.resnet50(weights=None)), *image(224), ["scores"]
    block = torchvision.models.resnet.Bottleneck
    skip = lambda i, o, stride: nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
    net = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
                        block(8, 4, downsample=skip(8, 16, 1)), block(16, 4), block(16, 8, 2, skip(16, 32, 2)), block(32, 8),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    return lively(net), *image(32), ["scores"]


def resnet152(small):
    if small:
        return None
    return lively(torchvision.models.resnet152(weights=None)), *image(224), ["scores"]


class SsdHeads(nn.Module):
    """SSD without its choice of boxes: class scores and box offsets of every anchor."""

    def __init__(self, net):
        super().__init__()
        self.backbone, self.head = net.backbone, net.head

    def forward(self, x):
        out = self.head(list(self.backbone(x).values()))
        return out["cls_logits"], out["bbox_regression"]


def ssd300(small):
    if not small:
        net = torchvision.models.detection.ssd300_vgg16(weights=None, weights_backbone=None)
        return SsdHeads(net), *image(300), ["scores", "boxes"]

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            conv = lambda i, o, **more: nn.Sequential(nn.Conv2d(i, o, 3, **more), nn.ReLU())
            self.a = nn.Sequential(conv(3, 8, padding=1), conv(8, 8, stride=2, padding=1))
            self.scale = nn.Parameter(torch.full((8,), 20.0))
            self.b = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(8, 16, padding=3, dilation=3), conv(16, 12, stride=2, padding=1))
            self.heads = nn.ModuleList(nn.Conv2d(c, 3 * 7, 3, padding=1) for c in (8, 12))

        def forward(self, x):
            a = self.a(x)
            b = self.b(a)
            maps = [self.scale.view(1, -1, 1, 1) * F.normalize(a), b]
            outs = []
            for head, y in zip(self.heads, maps):
                y = head(y)
                n, _, h, w = y.shape
                outs.append(y.view(n, 3, 7, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, 7))
            return torch.cat(outs, 1)

    return Tiny(), *image(20), ["scores"]


class UNet(nn.Module):
    """arXiv 1505.04597 with padding, so that the mask has the image's size."""

    def __init__(self, widths, classes=2):
        super().__init__()
        pair = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(),
                                          nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())
        self.down = nn.ModuleList(pair(i, o) for i, o in zip([3] + widths, widths))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(o, i, 2, 2) for i, o in zip(widths, widths[1:]))
        self.up = nn.ModuleList(pair(2 * i, i) for i in widths[:-1])
        self.out = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([skips[i], self.grow[i](x)], 1))
        return self.out(x)


def unet(small):
    net = UNet([4, 8, 8]) if small else UNet([32, 64, 128, 256, 512])
    return lively(net), *image(16 if small else 256), ["mask"]


def mobilenet_v2(small):
    """Clips to [0, 6] behind its layers, depth-wise convolutions."""
    if not small:
        return lively(torchvision.models.mobilenet_v2(weights=None)), *image(224), ["scores"]
    net = torchvision.models.MobileNetV2(10, 0.25, [[1, 16, 1, 1], [6, 24, 2, 2]])
    net.features[-1] = torchvision.ops.Conv2dNormActivation(8, 32, 1, activation_layer=nn.ReLU6)
    net.classifier = nn.Linear(32, 10)
    return lively(net), *image(20), ["scores"]


def mobilenet_v3(small):
    """Hard swish, and scales of whole channels (squeeze and excitation)."""
    if not small:
        return lively(torchvision.models.mobilenet_v3_large(weights=None)), *image(224), ["scores"]
    block = torchvision.models.mobilenetv3.InvertedResidualConfig
    net = torchvision.models.MobileNetV3([block(8, 3, 16, 8, True, "RE", 1, 1, 1.0), block(8, 5, 24, 16, True, "HS", 2, 1, 1.0)], 32, 10)
    return lively(net), *image(20), ["scores"]


def efficientnet_b0(small):
    """SiLU behind its layers, depth-wise convolutions, scales of whole channels."""
    if not small:
        return lively(torchvision.models.efficientnet_b0(weights=None)), *image(224), ["scores"]
    block = torchvision.models.efficientnet.MBConvConfig
    net = torchvision.models.EfficientNet([block(1, 3, 1, 8, 8, 1), block(6, 5, 2, 8, 12, 2)], 0.2, num_classes=10, last_channel=32)
    return lively(net), *image(20), ["scores"]


NETWORKS = {f.__name__: f for f in (vgg19, inception_v3, resnet50, resnet152, ssd300, unet, mobilenet_v2, mobilenet_v3, efficientnet_b0)}
