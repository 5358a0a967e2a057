"""Modules on tokens and series that a vectorised pass can train."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class SharedMixer(nn.Module):
    """An MLP-Mixer: pre-norm residuals over tokens, then channels; one layer shared across the depth."""

    def __init__(self, n_tokens: int, width: int, hidden: int, depth: int = 3) -> None:
        super().__init__()
        self.depth = depth
        self.token_norm, self.channel_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.token_mlp = nn.Sequential(nn.Linear(n_tokens, hidden), nn.GELU(), nn.Linear(hidden, n_tokens))
        self.channel_mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.depth):
            x = x + self.token_mlp(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
            x = x + self.channel_mlp(self.channel_norm(x))
        return self.head(x.mean(dim=1)).squeeze(-1)


class MeanPooling(nn.Module):
    """The mean embedding of the tokens that are not padding."""

    def __init__(self, vocabulary: int, hidden: int, n_out: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=0)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, n_out))

    def forward(self, tokens: Tensor) -> Tensor:
        mask = (tokens != 0).unsqueeze(-1).float()
        return self.head((self.embedding(tokens) * mask).sum(1) / mask.sum(1).clamp(min=1))


class RNNWithAttention(nn.Module):
    """Attention pooling over an RNN's states; keeps the last weights to look at."""

    def __init__(self, vocabulary: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=0)
        self.rnn = nn.RNN(hidden, hidden, batch_first=True)
        self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
        self.head = nn.Linear(hidden, n_out)
        self.last_weights: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.rnn(self.embedding(tokens))
        scores = self.score(states).squeeze(-1).masked_fill(tokens == 0, float("-inf"))
        weights = scores.softmax(dim=-1)
        self.last_weights = weights.detach()
        return self.head(torch.bmm(weights.unsqueeze(1), states).squeeze(1))


class SetPooling(nn.Module):
    """A learned query attends to the set with nn.MultiheadAttention and a padding mask."""

    def __init__(self, vocabulary: int, hidden: int, n_out: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.query = nn.Parameter(torch.zeros(1, 1, hidden))
        self.attention = nn.MultiheadAttention(hidden, num_heads=4, dropout=dropout, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, n_out)

    def forward(self, tokens: Tensor) -> Tensor:
        items = self.embedding(tokens)
        query = self.query.expand(tokens.size(0), -1, -1)
        pooled, _ = self.attention(query, items, items, key_padding_mask=tokens == 0)
        return self.head(self.norm(pooled.squeeze(1)))


class SeriesTransformer(nn.Module):
    """nn.TransformerEncoder with a class token and learned positions."""

    def __init__(self, n_steps: int, n_in: int, hidden: int, n_out: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(n_in, hidden)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, hidden))
        self.positions = nn.Parameter(torch.randn(1, n_steps + 1, hidden) * 0.02)
        layer = nn.TransformerEncoderLayer(hidden, nhead=4, dim_feedforward=32, dropout=dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(hidden, n_out)

    def forward(self, x: Tensor) -> Tensor:
        cls = self.cls_token.repeat(x.shape[0], 1, 1)
        x = torch.cat((cls, self.project(x)), dim=1) + self.positions
        return self.head(self.encoder(x)[:, 0])


class CausalSelfAttention(nn.Module):
    """As in nanoGPT, with the mask as a buffer."""

    mask: Tensor

    def __init__(self, hidden: int, n_heads: int, n_steps: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.project = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mask", torch.tril(torch.ones(n_steps, n_steps)).view(1, 1, n_steps, n_steps))

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.size()
        q, k, v = self.qkv(x).split(c, dim=2)
        q, k, v = (part.view(b, t, self.n_heads, c // self.n_heads).transpose(1, 2) for part in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * k.size(-1) ** -0.5
        scores = scores.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf"))
        out = self.dropout(F.softmax(scores, dim=-1)) @ v
        return self.project(out.transpose(1, 2).contiguous().view(b, t, c))


class TinyGPT(nn.Module):
    """One causal block; the token embedding is also the output layer."""

    def __init__(self, vocabulary: int, n_steps: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, hidden)
        self.positions = nn.Embedding(n_steps, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.attention = CausalSelfAttention(hidden, 2, n_steps, dropout)
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))
        self.head = nn.Linear(hidden, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.size(1), device=tokens.device))
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(x)


class Forecaster(nn.Module):
    """An LSTM reads the past, a GRU cell writes the future, each step fed with the one before."""

    def __init__(self, hidden: int, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.encoder = nn.LSTM(1, hidden, batch_first=True)
        self.decoder = nn.GRUCell(1, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, past: Tensor) -> Tensor:
        _, (h, _) = self.encoder(past)
        state, value = h[-1], past[:, -1]
        future = past.new_zeros(past.size(0), self.horizon)
        for step in range(self.horizon):
            state = self.decoder(value, state)
            value = self.head(state)
            future[:, step] = value.squeeze(1)
        return future


class BiLSTMTagger(nn.Module):
    """A tag for every token."""

    def __init__(self, vocabulary: int, hidden: int, n_tags: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=0)
        self.lstm = nn.LSTM(hidden, hidden // 2, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, n_tags)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        return self.head(self.dropout(states)).permute(0, 2, 1)


class StackedGRU(nn.Module):
    """Two GRU layers with dropout between them; mean and log-variance of the next value."""

    def __init__(self, n_in: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(n_in, hidden, num_layers=2, batch_first=True, dropout=dropout)
        self.head = nn.Linear(hidden, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h0 = torch.zeros(2, x.size(0), self.gru.hidden_size, device=x.device)
        states, _ = self.gru(x, h0)
        mean, log_variance = self.head(states[:, -1, :]).chunk(2, dim=-1)
        return mean, log_variance


class TemporalBlock(nn.Module):
    """A causal dilated convolution with weight norm."""

    def __init__(self, n_in: int, n_out: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.padding = 2 * dilation
        self.conv = weight_norm(nn.Conv1d(n_in, n_out, 3, padding=self.padding, dilation=dilation))
        self.activation = nn.PReLU()
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)[:, :, : -self.padding].contiguous()
        return self.dropout(self.activation(out)) + self.shortcut(x)


class SpectralConv1d(nn.Module):
    """A convolution in Fourier space, as the FNO authors wrote it: complex weights, the other modes stay zero."""

    def __init__(self, n_in: int, n_out: int, n_modes: int) -> None:
        super().__init__()
        self.n_modes = n_modes
        self.weights = nn.Parameter(torch.rand(n_in, n_out, n_modes, dtype=torch.cfloat) / (n_in * n_out))

    def forward(self, x: Tensor) -> Tensor:
        x_ft = torch.fft.rfft(x)
        out_ft = torch.zeros(
            x.shape[0], self.weights.shape[1], x.size(-1) // 2 + 1, device=x.device, dtype=torch.cfloat
        )
        out_ft[:, :, : self.n_modes] = torch.einsum("bix,iox->box", x_ft[:, :, : self.n_modes], self.weights)
        return torch.fft.irfft(out_ft, n=x.size(-1))


class FourierOperator(nn.Module):
    """Maps a function on a grid to a function on the same grid."""

    def __init__(self, width: int, n_modes: int) -> None:
        super().__init__()
        self.lift = nn.Conv1d(2, width, 1)
        self.spectral = nn.ModuleList(SpectralConv1d(width, width, n_modes) for _ in range(2))
        self.local = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(2))
        self.head = nn.Conv1d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        grid = torch.linspace(0, 1, x.size(-1), device=x.device).expand(x.size(0), 1, -1)
        x = self.lift(torch.cat([x, grid], dim=1))
        for spectral, local in zip(self.spectral, self.local, strict=True):
            x = F.gelu(spectral(x) + local(x))
        return self.head(x)
