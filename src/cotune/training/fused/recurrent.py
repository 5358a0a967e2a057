"""Recurrent layers in plain operations, all lanes at once: torch has no batching rule for its own.

Tensors have the lanes first: x (K, length, n, width), a state (K, n, hidden). Gates stand in torch's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cotune.training.fused.kernels import linear

State = tuple[Tensor, ...]
"""(h,), or (h, c) of an LSTM."""
Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
"""Input weights (K, g hidden, width), hidden weights (K, g hidden, hidden), and their biases."""
Cell = Callable[[Tensor, State, Tensor, Tensor | None], State]
"""From the input's gates (K, n, g hidden), the state, hidden weights and bias to the next state."""


def tanh_cell(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    """Elman's, with tanh."""
    return (torch.tanh(gates + linear(state[0], weight, bias)),)


def relu_cell(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    """Elman's, with relu."""
    return (torch.relu(gates + linear(state[0], weight, bias)),)


def gru_cell(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    """The gated recurrent unit as torch defines it."""
    (h,) = state
    reset_x, update_x, new_x = gates.chunk(3, -1)
    reset_h, update_h, new_h = linear(h, weight, bias).chunk(3, -1)
    reset, update = torch.sigmoid(reset_x + reset_h), torch.sigmoid(update_x + update_h)
    new = torch.tanh(new_x + reset * new_h)
    return (new + update * (h - new),)


def lstm_cell(gates: Tensor, state: State, weight: Tensor, bias: Tensor | None) -> State:
    """Long short-term memory."""
    h, c = state
    keep_in, forget, new, out = (gates + linear(h, weight, bias)).chunk(4, -1)
    c = torch.sigmoid(forget) * c + torch.sigmoid(keep_in) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(c), c


def layer(cell: Cell, x: Tensor, state: State, weights: Weights, *, backwards: bool) -> tuple[Tensor, State]:
    """One direction of one layer: outputs (K, length, n, hidden) and the last state."""
    by_input, by_hidden, input_bias, hidden_bias = weights
    gates, outputs = linear(x, by_input, input_bias).unbind(1), list[Tensor]()
    for now in reversed(gates) if backwards else gates:
        state = cell(now, state, by_hidden, hidden_bias)
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if backwards else outputs, 1), state


def network(
    cell: Cell, x: Tensor, states: State, weights: Sequence[Weights], *, n_directions: int,
    dropout: Callable[[Tensor], Tensor],
) -> tuple[Tensor, State]:  # fmt: skip
    """Layers on top of each other. x: (K, length, n, width). states: each (K, layers x directions, n, hidden).

    weights: in torch's order, layer by layer and direction by direction. dropout: of every layer's output but the last.
    """
    last = list[State]()
    n_layers = len(weights) // n_directions
    for at in range(n_layers):
        outputs = []
        for direction in range(n_directions):
            place = at * n_directions + direction
            begun = tuple(state[:, place] for state in states)
            output, ended = layer(cell, x, begun, weights[place], backwards=direction == 1)
            outputs.append(output)
            last.append(ended)
        x = outputs[0] if n_directions == 1 else torch.cat(outputs, -1)
        if at + 1 < n_layers:
            x = dropout(x)
    return x, tuple(torch.stack(parts, 1) for parts in zip(*last, strict=True))
