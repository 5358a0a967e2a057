"""Modules on flat features and columns that a vectorised pass can train."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import orthogonal


class ResidualMLP(nn.Module):
    """Residual blocks with batch norm, and in-place tricks to save memory."""

    def __init__(self, n_in: int, hidden: int, n_out: int, dropout: float, depth: int = 2) -> None:
        super().__init__()
        self.stem = nn.Linear(n_in, hidden)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Dropout(dropout))
            for _ in range(depth)
        )
        self.head = nn.Linear(hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            shortcut = x
            x = block(x)
            x += shortcut
            F.relu_(x)
        return self.head(x)


class DeepFM(nn.Module):
    """A factorisation machine plus an MLP, on two categorical columns and some numbers."""

    def __init__(self, sizes: dict[str, int], n_numbers: int, width: int, hidden: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict({name: nn.Embedding(size, width) for name, size in sizes.items()})
        self.factors = nn.Parameter(torch.randn(n_numbers, width) * 0.1)
        self.bias = nn.Parameter(torch.zeros(1))
        self.deep = nn.Sequential(nn.Linear((len(sizes) + n_numbers) * width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, categories: Tensor, numbers: Tensor) -> Tensor:
        fields = [embed(categories[:, i]) for i, embed in enumerate(self.embeddings.values())]
        vectors = torch.cat([torch.stack(fields, 1), torch.einsum("bf,fk->bfk", numbers, self.factors)], dim=1)
        pairs = 0.5 * (vectors.sum(1).pow(2) - vectors.pow(2).sum(1)).sum(1, keepdim=True)
        return (self.bias + pairs + self.deep(vectors.flatten(1))).squeeze(1)


class NonNegative(nn.Module):
    """A parametrization: weights that are never negative."""

    def forward(self, weight: Tensor) -> Tensor:
        return F.softplus(weight)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return torch.log(torch.expm1(weight.abs() + 1e-3))


class TiedAutoencoder(nn.Module):
    """The decoder is the encoder transposed; one layer is orthogonal, the other not negative."""

    def __init__(self, n_in: int, hidden: int, n_code: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(n_in, hidden), nn.Linear(hidden, n_code)
        orthogonal(self.first)
        parametrize.register_parametrization(self.second, "weight", NonNegative())
        self.bias = nn.Parameter(torch.zeros(n_in))

    def forward(self, x: Tensor) -> Tensor:
        code = self.second(torch.tanh(self.first(x)))
        return F.linear(torch.tanh(F.linear(code, self.second.weight.t())), self.first.weight.t(), self.bias)


class Coupling(nn.Module):
    """RealNVP's affine coupling: every second feature moves, by an amount that the others give."""

    def __init__(self, n_in: int, hidden: int, first: int) -> None:
        super().__init__()
        self.first = first
        self.net = nn.Sequential(nn.Linear(n_in // 2, hidden), nn.ReLU(), nn.Linear(hidden, n_in))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = x[:, self.first :: 2], x[:, 1 - self.first :: 2]
        scale, shift = self.net(kept).chunk(2, dim=1)
        scale = torch.tanh(scale)
        out = torch.zeros(x.shape[0], x.shape[1], device=x.device)
        out[:, self.first :: 2] = kept
        out[:, 1 - self.first :: 2] = moved * scale.exp() + shift
        return out, scale.sum(dim=1)


class CouplingFlow(nn.Module):
    """The log density of each sample."""

    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Coupling(n_in, hidden, first) for first in (0, 1, 0))

    def forward(self, x: Tensor) -> Tensor:
        log_det = torch.zeros(len(x), device=x.device)
        for layer in self.layers:
            x, change = layer(x)
            log_det += change
        return log_det - 0.5 * (x**2 + math.log(2 * math.pi)).sum(dim=1)


class TopKExperts(nn.Module):
    """Noisy top-k gating (Shazeer et al. 2017); all experts run, the gate is zero for most."""

    def __init__(self, n_in: int, hidden: int, n_out: int, n_experts: int = 4, k: int = 2) -> None:
        super().__init__()
        self.k = k
        self.gate, self.noise = nn.Linear(n_in, n_experts), nn.Linear(n_in, n_experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out)) for _ in range(n_experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        logits = self.gate(x)
        if self.training:
            logits = logits + torch.randn_like(logits) * F.softplus(self.noise(x))
        top, chosen = logits.topk(self.k, dim=-1)
        gates = torch.zeros_like(logits).scatter_(1, chosen, top.softmax(dim=-1))
        return (gates.unsqueeze(-1) * torch.stack([expert(x) for expert in self.experts], dim=1)).sum(dim=1)


class SoftExperts(nn.Module):
    """Every sample has weights of its own, mixed from the experts' by a softmax gate (CondConv, Yang et al. 2019)."""

    def __init__(self, n_in: int, n_out: int, n_experts: int) -> None:
        super().__init__()
        self.gate = nn.Linear(n_in, n_experts)
        self.weight = nn.Parameter(torch.empty(n_experts, n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_experts, n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        mix = F.softmax(self.gate(x), dim=-1)
        weight = torch.einsum("be,eoi->boi", mix, self.weight)
        return torch.baddbmm((mix @ self.bias).unsqueeze(-1), weight, x.unsqueeze(-1)).squeeze(-1)


class WarmVAE(nn.Module):
    """A VAE that counts its training steps to warm up the weight of the divergence."""

    steps: Tensor

    def __init__(self, n_in: int, hidden: int, n_code: int, warmup: int) -> None:
        super().__init__()
        self.warmup = warmup
        self.encoder = nn.Sequential(nn.Linear(n_in, hidden), nn.ELU(), nn.Linear(hidden, 2 * n_code))
        self.decoder = nn.Sequential(nn.Linear(n_code, hidden), nn.ELU(), nn.Linear(hidden, n_in))
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        if self.training:
            self.steps += 1
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        divergence = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(dim=-1).mean()
        return {"recon": self.decoder(code), "kl": divergence * torch.clamp(self.steps / self.warmup, max=1.0)}


class GaussianNoise(nn.Module):
    """Noise on the input while training."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) * self.std if self.training else x


class FiLMRegressor(nn.Module):
    """A self-normalising net whose features a condition scales, shifts and finally meets in a bilinear layer."""

    def __init__(self, n_in: int, n_condition: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(GaussianNoise(0.1), nn.Linear(n_in, hidden), nn.SELU(), nn.AlphaDropout(dropout))
        self.film = nn.Linear(n_condition, 2 * hidden)
        self.head = nn.Bilinear(hidden, n_condition, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gamma, beta = self.film(condition).chunk(2, dim=-1)
        return self.head(F.selu((1 + gamma) * self.trunk(x) + beta), condition)
