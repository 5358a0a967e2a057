"""The torch functions that lanes do in their own way, as a model's code calls them.

Each takes the lanes' generators and then what torch's function takes: tensors of one lane, and numbers that may be
tensors where lanes differ. NotImplemented leaves a call to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cotune.training.fused import kernels, recurrent
from cotune.training.fused.escape import across
from cotune.training.fused.lanes import Lanes
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.zeros import marks_of


def _across(lanes: Lanes, function: Callable[..., Any], *inputs: Any) -> Any:
    return across(function, len(lanes), inputs)


def _kept(lanes: Lanes, shape: Sequence[int], dtype: torch.dtype, p: Any) -> Any:
    """A lane's mask: 0 with probability p, 1 otherwise."""
    return _across(lanes, lambda p: lanes.kept(shape, dtype, lanes.numbers(p), is_scaled=False), p)


def _linear(lanes: Lanes, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    return _across(lanes, kernels.linear, input, weight, bias)


def _dropout(lanes: Lanes, input: Tensor, p: Any = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return _masked(lanes, input, input.shape, p, training, inplace) if training else input


def _feature_dropout(lanes: Lanes, input: Tensor, p: Any = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels: (n, c, ...)."""
    shape = (*input.shape[:2], *[1] * (input.dim() - 2))
    return _masked(lanes, input, shape, p, training, inplace) if training else input


def _masked(lanes: Lanes, input: Tensor, shape: Sequence[int], p: Any, training: bool, inplace: bool) -> Tensor:
    strides = input.stride()
    places = sorted(range(len(shape)), key=lambda at: strides[at], reverse=True)  # drawn in the order of the memory
    marks = {places.index(at): sizes for at, sizes in marks_of(input).items()}

    def drawn(p: Any) -> Tensor:
        mask = lanes.kept([shape[at] for at in places], input.dtype, lanes.numbers(p), marks=marks)
        return mask.permute(0, *[1 + places.index(at) for at in range(len(shape))])

    mask = _across(lanes, drawn, p)
    return input.mul_(mask) if inplace else input * mask


_ALPHA = 1.7580993408473766


def _alpha_dropout(lanes: Lanes, input: Tensor, p: Any = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    if not training:
        return input
    mask = _kept(lanes, input.shape, input.dtype, p)
    scale = ((_ALPHA * _ALPHA * p + 1) * (1 - p)) ** -0.5
    result = input * (mask * scale) + ((mask - 1) * (_ALPHA * scale) + _ALPHA * scale * p)
    return input.copy_(result) if inplace else result


def _cross_entropy(
    lanes: Lanes,
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: Any = 0.0,
) -> Any:
    is_usual = input.dim() == 2 and not target.is_floating_point() and weight is None and reduction == "mean"
    if is_usual and size_average is None and reduce is None:
        smoothing = label_smoothing
        if not isinstance(smoothing, Tensor):
            smoothing = torch.tensor(smoothing, dtype=input.dtype, device=input.device) if smoothing else None
        weights = lanes.weights

        def run(x: Tensor, y: Tensor, s: Tensor | None) -> Tensor:
            if weights is not None:
                lanes.require((y != ignore_index).all(), "ignores samples, and batches are cut into pieces")
            return kernels.cross_entropy(x, y, s, ignore_index, weights)

        return _across(lanes, run, input, target, smoothing)
    if isinstance(label_smoothing, Tensor):
        raise Unfusable("smooths labels differently in each lane in an unusual loss")
    return NotImplemented


def _attention(
    lanes: Lanes,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    if enable_gqa:
        raise Unfusable("uses grouped-query attention")
    if isinstance(dropout_p, Tensor) or dropout_p > 0:
        return _attention_with_dropout(lanes, query, key, value, attn_mask, dropout_p, is_causal, scale)
    return _across(
        lanes, lambda q, k, v, mask: kernels.attention(q, k, v, mask, is_causal, scale), query, key, value, attn_mask
    )


def _attention_with_dropout(
    lanes: Lanes, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, p: Any, is_causal: bool,
    scale: float | None,
) -> Any:  # fmt: skip
    root = (scale if scale is not None else query.shape[-1] ** -0.5) ** 0.5
    scores = (query * root) @ (key * root).mT
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return _dropout(lanes, scores.softmax(-1), p) @ value


def _recurrent(cell: recurrent.Cell, n_states: int) -> Callable[..., Any]:
    def kernel(
        lanes: Lanes, input: Tensor, hidden: Any, weights: Any, bias: Any, n_layers: Any, dropout: Any, train: Any,
        bidirectional: Any, batch_first: Any = None,
    ) -> Any:  # fmt: skip
        if batch_first is None:
            raise Unfusable("feeds packed sequences to a recurrent layer")
        n_directions, size = 1 + bool(bidirectional), 4 if bias else 2
        n_each = len(weights) // (n_layers * n_directions)
        if n_each != size:
            raise Unfusable("uses an LSTM with projections")
        states = hidden if isinstance(hidden, (tuple, list)) else (hidden,)

        def run(x: Tensor, p: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
            numbers = lanes.numbers(p) if train else []

            def drop(x: Tensor) -> Tensor:
                return x * lanes.kept(x.shape[1:], x.dtype, numbers) if any(numbers) else x

            flat = [*tensors[n_states:]]
            rows: list[Any] = [flat[i : i + size] + [None] * (4 - size) for i in range(0, len(flat), size)]
            x = x.transpose(1, 2) if batch_first else x
            output, last = recurrent.network(
                cell, x, tensors[:n_states], [tuple(row) for row in rows], n_directions=n_directions, dropout=drop
            )
            return (output.transpose(1, 2) if batch_first else output, *last)

        return _across(lanes, run, input, dropout, *states, *weights)

    return kernel


def _recurrent_cell(cell: recurrent.Cell) -> Callable[..., Any]:
    def kernel(
        lanes: Lanes, input: Tensor, hidden: Any, by_input: Tensor, by_hidden: Tensor, input_bias: Any = None,
        hidden_bias: Any = None,
    ) -> Any:  # fmt: skip
        states = hidden if isinstance(hidden, (tuple, list)) else (hidden,)

        def run(x: Tensor, wi: Tensor, wh: Tensor, bi: Any, bh: Any, *state: Tensor) -> Any:
            after = cell(kernels.linear(x, wi, bi), state, wh, bh)
            return after if len(after) > 1 else after[0]

        return _across(lanes, run, input, by_input, by_hidden, input_bias, hidden_bias, *states)

    return kernel


def _random(fill: Callable[[Tensor, torch.Generator], object], *, is_like: bool) -> Callable[..., Any]:
    def kernel(lanes: Lanes, *size: Any, dtype: Any = None, device: Any = None, **options: Any) -> Any:
        like = size[0] if is_like else None
        if options.get("generator") is not None or options.get("out") is not None:
            raise Unfusable("lanes from a generator of its own")
        shape = like.shape if like is not None else size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        kind = dtype or (like.dtype if like is not None else torch.get_default_dtype())
        return _across(lanes, lambda: lanes.filled(tuple(shape), kind, lambda values, g, _: fill(values, g)))

    return kernel


def _embedding(
    lanes: Lanes, input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:  # fmt: skip
    if sparse or max_norm is not None or scale_grad_by_freq:
        raise Unfusable("uses an embedding with sparse=, max_norm= or scale_grad_by_freq=")
    return _across(lanes, lambda rows, table: kernels.embedding(rows, table, padding_idx), input, weight)


def _batch_norm(
    lanes: Lanes, input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: Any = 0.1, eps: Any = 1e-5,
) -> Any:  # fmt: skip
    if training and input.numel() == input.shape[1]:
        return NotImplemented  # torch says why one value per channel is too few

    def run(x: Tensor, mean: Any, variance: Any, weight: Any, bias: Any, momentum: Any, eps: Any) -> Tensor:
        running = None if mean is None else (mean, variance)
        affine = None if weight is None else (weight, torch.zeros_like(weight) if bias is None else bias)
        rate = momentum[:, None].to(x.dtype) if isinstance(momentum, Tensor) else momentum
        small = eps.view(-1, 1, 1, 1).to(x.dtype) if isinstance(eps, Tensor) else eps
        return kernels.batch_norm(x, running, affine, rate, small, training=training)

    return _across(lanes, run, input, running_mean, running_var, weight, bias, momentum, eps)


def _weight_norm(lanes: Lanes, v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Salimans & Kingma 2016, eq. 2."""
    others = [at for at in range(v.dim()) if at != dim % v.dim()]
    return v * (g / torch.linalg.vector_norm(v, dim=others, keepdim=True))


def _bilinear(lanes: Lanes, left: Tensor, right: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    result = torch.einsum("...i,oij,...j->...o", left, weight, right)
    return result if bias is None else result + bias


def _uniform(values: Tensor, generator: torch.Generator) -> object:
    return values.uniform_(generator=generator)


def _normal(values: Tensor, generator: torch.Generator) -> object:
    return values.normal_(generator=generator)


def _mean_of(loss: Callable[..., Tensor]) -> Callable[..., Any]:
    """A loss that compares element by element and takes the mean, where samples count differently."""

    def operation(
        lanes: Lanes, input: Tensor, target: Tensor, *args: Any, reduction: str = "mean", **named: Any
    ) -> Any:
        weights = lanes.weights
        if weights is None:
            return NotImplemented
        if args or reduction != "mean":
            raise Unfusable("uses a loss that is no plain mean")

        def weighed(each: Tensor) -> Tensor:
            by_sample = each.reshape(*weights.shape, -1).mean(-1)
            return (by_sample * weights.to(each.dtype)).sum(1)

        return _across(lanes, weighed, loss(input, target, reduction="none", **named))

    return operation


OPERATIONS: dict[Any, Callable[..., Any]] = {
    functional.linear: _linear,
    functional.dropout: _dropout,
    functional.dropout1d: _feature_dropout,
    functional.dropout2d: _feature_dropout,
    functional.dropout3d: _feature_dropout,
    functional.alpha_dropout: _alpha_dropout,
    functional.cross_entropy: _cross_entropy,
    functional.mse_loss: _mean_of(functional.mse_loss),
    functional.l1_loss: _mean_of(functional.l1_loss),
    functional.smooth_l1_loss: _mean_of(functional.smooth_l1_loss),
    functional.huber_loss: _mean_of(functional.huber_loss),
    functional.binary_cross_entropy_with_logits: _mean_of(functional.binary_cross_entropy_with_logits),
    functional.scaled_dot_product_attention: _attention,
    functional.embedding: _embedding,
    functional.bilinear: _bilinear,
    functional.batch_norm: _batch_norm,
    torch._weight_norm: _weight_norm,
    torch._VF.rnn_tanh: _recurrent(recurrent.tanh_cell, 1),
    torch._VF.rnn_relu: _recurrent(recurrent.relu_cell, 1),
    torch._VF.gru: _recurrent(recurrent.gru_cell, 1),
    torch._VF.lstm: _recurrent(recurrent.lstm_cell, 2),
    torch._VF.rnn_tanh_cell: _recurrent_cell(recurrent.tanh_cell),
    torch._VF.rnn_relu_cell: _recurrent_cell(recurrent.relu_cell),
    torch._VF.gru_cell: _recurrent_cell(recurrent.gru_cell),
    torch._VF.lstm_cell: _recurrent_cell(recurrent.lstm_cell),
    torch.rand: _random(_uniform, is_like=False),
    torch.randn: _random(_normal, is_like=False),
    torch.rand_like: _random(_uniform, is_like=True),
    torch.randn_like: _random(_normal, is_like=True),
}

RECURRENT = frozenset({
    torch._VF.rnn_tanh, torch._VF.rnn_relu, torch._VF.gru, torch._VF.lstm, torch._VF.rnn_tanh_cell,
    torch._VF.rnn_relu_cell, torch._VF.gru_cell, torch._VF.lstm_cell,
})  # fmt: skip
"""Those whose parts have precisions of their own."""
