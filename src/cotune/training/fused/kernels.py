"""Operations on all lanes at once: every tensor has the lanes first, and no lane's bits depend on the others.

They stand in for what torch.vmap would do where that is slow (a short last axis), lane by lane (attention), or absent.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_FEW = 32
"""A matrix product with so few columns is several times slower than its transpose (measured with MKL)."""


class _Linear(torch.autograd.Function):
    """x (K, n, i), weight (K, o, i), bias (K, o) or None -> (K, n, o)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        if weight.shape[1] <= _FEW:
            if bias is None:
                return (weight @ x.mT).mT.contiguous()
            return torch.baddbmm(bias[:, :, None], weight, x.mT).mT.contiguous()
        return x @ weight.mT if bias is None else torch.baddbmm(bias[:, None], x, weight.mT)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = ctx.needs_input_grad
        gradient = gradient.contiguous()  # lanes first: or sums over the samples would depend on the neighbours
        return (
            gradient @ weight if by_x else None,
            gradient.mT @ x if by_weight else None,
            gradient.sum(1) if by_bias and ctx.has_bias else None,
        )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (K, ..., i), weight (K, o, i), bias (K, o) -> (K, ..., o)."""
    rows = x.reshape(len(x), -1, x.shape[-1])
    result: Tensor = _Linear.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
    return result.view(*x.shape[:-1], weight.shape[1])


class _CrossEntropy(torch.autograd.Function):
    """logits (K, n, c), target (K, n), smoothing (K,) or None, weights (K, n) or None -> (K,) mean losses.

    Works with the classes before the samples, because a softmax over a short last axis is not vectorised.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, smoothing: Tensor | None, ignored: int, weight: Tensor | None
    ) -> Tensor:
        log_p = logits.mT.contiguous().log_softmax(1)
        is_counted = target != ignored
        target = (target * is_counted)[:, None]
        if weight is None:
            weight = is_counted.to(log_p.dtype) / is_counted.sum(-1, keepdim=True)
        weight = weight.to(log_p.dtype)
        score, s = log_p.gather(1, target)[:, 0], None
        if smoothing is not None:
            s = smoothing[:, None].to(log_p.dtype)
            score = (1 - s) * score + s * log_p.mean(1)
        ctx.save_for_backward(log_p, target, weight, s)
        return -(score * weight).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        log_p, target, weight, s = ctx.saved_tensors
        chosen = log_p.new_full((), -1.0) if s is None else s - 1
        by_logits = log_p.exp().scatter_add_(1, target, chosen.expand_as(weight)[:, None])
        if s is not None:
            by_logits.sub_((s / log_p.shape[1])[:, None])
        by_logits.mul_((weight * gradient[:, None])[:, None])
        return by_logits.mT, None, None, None, None


def cross_entropy(
    logits: Tensor, target: Tensor, smoothing: Tensor | None, ignored: int, weights: Tensor | None
) -> Tensor:
    """The mean cross-entropy of each lane, as `nn.CrossEntropyLoss` has it for class indices without class weights.

    weights: (K, n), what each sample counts, where none is ignored; None for the mean.
    """
    result: Tensor = _CrossEntropy.apply(logits, target, smoothing, ignored, weights)  # type: ignore[no-untyped-call]
    return result


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, scale: float | None
) -> Tensor:
    """Scaled dot-product attention of (K, ..., length, width) tensors, without dropout."""
    lead = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])

    def flat(x: Tensor) -> Tensor:
        x = x.expand(*lead, *x.shape[-2:])
        return x.reshape(-1, lead[-1] if len(lead) > 2 else 1, *x.shape[-2:])

    if mask is not None:
        spread = mask.view(len(mask), *[1] * (len(lead) + 1 - (mask.dim() - 1)), *mask.shape[1:])
        mask = flat(spread)
    result = functional.scaled_dot_product_attention(
        flat(query), flat(key), flat(value), attn_mask=mask, is_causal=is_causal, scale=scale
    )
    return result.reshape(*lead, query.shape[-2], value.shape[-1])


def embedding(rows: Tensor, table: Tensor, padding: int | None) -> Tensor:
    """rows (K, ...) of each lane's table (K, v, width) -> (K, ..., width); no gradient reaches the padding row."""
    n_lanes, size, width = table.shape
    if padding is not None and padding < 0:
        padding += size
    first = torch.arange(n_lanes, device=rows.device).view(-1, *[1] * (rows.dim() - 1)) * size
    found = functional.embedding(rows + first, table.reshape(-1, width))
    return found if padding is None else torch.where((rows == padding)[..., None], found.detach(), found)


class _BatchNorm(torch.autograd.Function):
    """x (K, n, c, m), mean and variance (K, 1, c, 1), weight and bias (K, 1, c, 1) -> (K, n, c, m).

    Ioffe & Szegedy 2015, algorithm 1, and its derivatives. Mean and variance are of x itself if is_own.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: Any, is_own: bool
    ) -> Tensor:
        scale = (variance + eps).rsqrt()
        normal = (x - mean).mul_(scale)
        ctx.save_for_backward(normal, scale, weight)
        ctx.is_own = is_own
        return (normal * weight).add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        normal, scale, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        by_bias = gradient.sum((1, 3), keepdim=True)
        by_weight = (gradient * normal).sum((1, 3), keepdim=True)
        by_x = gradient
        if ctx.is_own:
            n = normal.shape[1] * normal.shape[3]
            by_x = (normal * (by_weight / -n)).add_(gradient).sub_(by_bias / n)
        return by_x * (scale * weight), None, None, by_weight, by_bias, None, None


def batch_norm(
    x: Tensor, running: tuple[Tensor, Tensor] | None, affine: tuple[Tensor, Tensor] | None, momentum: Any, eps: Any, *,
    training: bool,
) -> Tensor:  # fmt: skip
    """x (K, n, c, ...) as `functional.batch_norm` has it; running means and variances (K, c) are updated in place.

    What is shorter than single precision is computed in that, as torch does it.
    """
    whole = x.contiguous().view(*x.shape[:3], -1)
    whole = whole.float() if whole.dtype.itemsize < torch.float32.itemsize else whole
    if training:
        n = whole.shape[1] * whole.shape[3]
        with torch.no_grad():
            mean = whole.mean((1, 3), keepdim=True)
            variance = (whole - mean).square_().mean((1, 3), keepdim=True)
            for kept, new in zip(running or (), (mean, variance * (n / max(n - 1, 1))), strict=False):
                kept.mul_(1 - momentum).add_(new.view_as(kept) * momentum)
    else:
        assert running is not None
        mean, variance = (kept[:, None, :, None] for kept in running)
    one = whole.new_ones(())
    weight, bias = (t[:, None, :, None] for t in affine) if affine is not None else (one, one - 1)
    result: Tensor = _BatchNorm.apply(whole, mean, variance, weight, bias, eps, training)  # type: ignore[no-untyped-call]
    return result.view(x.shape).to(x.dtype)
