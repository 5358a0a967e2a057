"""Modules whose steps depend on values, or that hide their work from a vectorised pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class GuardedMLP(nn.Module):
    """Rescales its features, but only if they have grown too large."""

    def __init__(self, n_in: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(n_in, hidden), nn.Linear(hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.first(x))
        if h.abs().max() > 1.5:
            h = h / h.abs().max()
        return self.head(h)


class Temperature(nn.Module):
    """Cosine logits, sharpened by the features' spread as a plain number."""

    def __init__(self, n_in: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_in, hidden), nn.Tanh())
        self.prototypes = nn.Parameter(torch.randn(n_out, hidden))

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        temperature = max(h.std().item(), 0.1)
        return F.normalize(h, dim=-1) @ F.normalize(self.prototypes, dim=-1).T / temperature


class HardExperts(nn.Module):
    """Each sample goes through the expert that the gate likes best, and through no other."""

    def __init__(self, n_in: int, n_out: int, n_experts: int) -> None:
        super().__init__()
        self.n_out = n_out
        self.gate = nn.Linear(n_in, n_experts)
        self.experts = nn.ModuleList(nn.Linear(n_in, n_out) for _ in range(n_experts))

    def forward(self, x: Tensor) -> Tensor:
        weight, choice = self.gate(x).softmax(dim=-1).max(dim=-1)
        out = torch.zeros(x.size(0), self.n_out, device=x.device)
        for i, expert in enumerate(self.experts):
            chosen = choice == i
            out[chosen] = weight[chosen].unsqueeze(-1) * expert(x[chosen])
        return out


class CheckpointedMLP(nn.Module):
    """Forgets the activations of its blocks and computes them again for the gradient."""

    def __init__(self, n_in: int, hidden: int, n_out: int, dropout: float) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(n_in, hidden), nn.Linear(hidden, n_out)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return self.head(x)


class Equilibrium(nn.Module):
    """A deep equilibrium model: iterates one layer until its state no longer moves."""

    def __init__(self, n_in: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.inject, self.layer = nn.Linear(n_in, hidden), nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        injected = self.inject(x)
        z = torch.zeros_like(injected)
        for _ in range(30):
            previous, z = z, torch.tanh(0.5 * self.layer(z) + injected)
            if torch.norm(z - previous) < 1e-3:
                break
        return self.head(z)


class SignSTE(torch.autograd.Function):
    """The sign, with the gradient of a clipped identity (BinaryConnect)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (x,) = ctx.saved_tensors
        return grads[0] * (x.abs() <= 1)


sign: Callable[[Tensor], Tensor] = SignSTE.apply


class BinaryMLP(nn.Module):
    """Binary weights and activations."""

    def __init__(self, n_in: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.first, self.norm, self.head = nn.Linear(n_in, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        h = F.linear(x, sign(self.first.weight), self.first.bias)
        return self.head(sign(self.norm(h)))
