"""Convolutional modules that a vectorised pass can train."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class BasicBlock(nn.Module):
    """ResNet's block for small nets."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class SeparableBlock(nn.Module):
    """Depthwise separable convolution, squeeze-and-excitation, and stochastic depth."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.excite = nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, width), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        out = F.hardswish(self.norm(self.pointwise(self.depthwise(x))))
        out = out * self.excite(out.mean(dim=(2, 3)))[:, :, None, None]
        if self.training and self.drop_path > 0.0:
            keep = 1 - self.drop_path
            out = out / keep * (torch.rand(x.shape[0], 1, 1, 1, device=x.device) < keep)
        return x + out


class TinyUNet(nn.Module):
    """One level down and up again, with a skip connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = self._conv(1, width)
        self.middle = self._conv(width, 2 * width)
        self.up = self._conv(3 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    @staticmethod
    def _conv(n_in: int, n_out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.GroupNorm(2, n_out), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        x = self.middle(F.max_pool2d(skip, 2))
        x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return self.head(self.up(torch.cat([x, skip], dim=1)))


def critic(width: int) -> nn.Module:
    """A GAN's discriminator, with spectral norm throughout."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(3, width, 3, stride=2, padding=1)),
        nn.LeakyReLU(0.2, inplace=True),
        spectral_norm(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
        nn.InstanceNorm2d(2 * width, affine=True, track_running_stats=True),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(),
        spectral_norm(nn.Linear(2 * width * 9, 1)),
        nn.Flatten(0),
    )
