"""Thirty modules as people write them, by which vectorised training is judged.

The list was fixed before that training was written, and is not changed to suit it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from cotune import Config
from training.fused.modules import images, refused, sequences, vectors

N_SAMPLES = 48


@final
@dataclass(frozen=True, slots=True, eq=False)
class RealModule:
    """Somebody's module, with data and a loss to train it on.

    batch: the whole data set of 48 samples, (inputs..., target). fuses: whether it can be vectorised over lanes without
    changing a result; one that cannot must be refused with a message that names the line.
    """

    name: str
    build: Callable[[Config], nn.Module]
    batch: Callable[[Generator], tuple[Tensor, ...]]
    loss: Callable[..., Tensor]
    fuses: bool


def _normal(draw: Generator, *shape: int) -> Tensor:
    return torch.randn(N_SAMPLES, *shape, generator=draw)


def _tokens(draw: Generator) -> Tensor:
    """(48, 10) of 29 tokens; the ends are padded with 0."""
    lengths = torch.randint(3, 11, (N_SAMPLES, 1), generator=draw)
    return torch.randint(1, 30, (N_SAMPLES, 10), generator=draw) * (torch.arange(10) < lengths)


def _classified(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 12)
    return x, x[:, :3].argmax(dim=1)


def _measured(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 12)
    return x, torch.sin(x[:, 0] * x[:, 1])


def _copied(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 4) @ torch.randn(4, 12, generator=draw)
    return x, x


def _weighted(draw: Generator) -> tuple[Tensor, ...]:
    return _normal(draw, 12) * 2 + 1, torch.rand(N_SAMPLES, generator=draw)


def _conditioned(draw: Generator) -> tuple[Tensor, ...]:
    x, condition = _normal(draw, 12), _normal(draw, 3)
    return x, condition, (x[:, :3] * condition).sum(dim=1, keepdim=True)


def _columns(draw: Generator) -> tuple[Tensor, ...]:
    categories, numbers = torch.randint(7, (N_SAMPLES, 2), generator=draw), _normal(draw, 4)
    return categories, numbers, (numbers[:, 0] + categories[:, 0] > 3).float()


def _texts(draw: Generator) -> tuple[Tensor, ...]:
    tokens = _tokens(draw)
    return tokens, tokens[:, 0] % 3


def _tagged(draw: Generator) -> tuple[Tensor, ...]:
    tokens = _tokens(draw)
    return tokens, torch.where(tokens == 0, -100, tokens % 4)


def _continued(draw: Generator) -> tuple[Tensor, ...]:
    text = (torch.randint(30, (N_SAMPLES, 1), generator=draw) + 7 * torch.arange(11)) % 30
    return text[:, :-1], text[:, 1:]


def _series(draw: Generator, n_steps: int) -> Tensor:
    phase = 6 * torch.rand(N_SAMPLES, 1, generator=draw)
    return torch.sin(phase + 0.5 * torch.arange(n_steps)) + 0.1 * _normal(draw, n_steps)


def _forecast(draw: Generator) -> tuple[Tensor, ...]:
    series = _series(draw, 16)
    return series[:, :12, None], series[:, 12:]


def _next(draw: Generator) -> tuple[Tensor, ...]:
    series = _series(draw, 13)
    return series[:, :12].reshape(N_SAMPLES, 6, 2), series[:, 12:]


def _recognised(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 8, 4)
    return x, x.mean(dim=1).argmax(dim=1)


def _recorded(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 2, 16)
    return x, (x.mean(dim=2) > 0).sum(dim=1)


def _patches(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 6, 8)
    return x, x.amax(dim=(1, 2))


def _operated(draw: Generator) -> tuple[Tensor, ...]:
    x = _series(draw, 32).unsqueeze(1)
    return x, x.cumsum(dim=-1) / 10


def _pictures(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 3, 10, 10)
    return x, x.mean(dim=(2, 3)).argmax(dim=1)


def _segmented(draw: Generator) -> tuple[Tensor, ...]:
    x = _normal(draw, 1, 10, 10)
    return x, (F.avg_pool2d(x, 3, stride=1, padding=1) > 0).float()


def _judged(draw: Generator) -> tuple[Tensor, ...]:
    return _normal(draw, 3, 10, 10), torch.randint(2, (N_SAMPLES,), generator=draw) * 2.0 - 1


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    """Focal loss (Lin et al. 2017) with gamma = 2."""
    log_p = F.log_softmax(logits, dim=-1).gather(1, target.unsqueeze(1)).squeeze(1)
    return (-((1 - log_p.exp()) ** 2) * log_p).mean()


def _smoothed(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy with a tenth of every target spread over the classes, by hand."""
    log_p = logits.log_softmax(dim=-1)
    soft = torch.full_like(log_p, 0.1 / logits.size(-1)).scatter_add_(
        1, target[:, None], torch.full_like(log_p[:, :1], 0.9)
    )
    return -(soft * log_p).sum(dim=-1).mean()


def _next_token(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits.view(-1, logits.size(-1)), target.reshape(-1))


def _bce_and_dice(logits: Tensor, target: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    dice = (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)
    return F.binary_cross_entropy_with_logits(logits, target) + 1 - dice


def _hinge(score: Tensor, sign: Tensor) -> Tensor:
    return F.relu(1 - score * sign).mean()


def _elbo(output: dict[str, Tensor], target: Tensor) -> Tensor:
    return F.mse_loss(output["recon"], target, reduction="sum") / len(target) + output["kl"]


def _weighted_likelihood(log_density: Tensor, weight: Tensor) -> Tensor:
    return -(weight * log_density).sum() / weight.sum()


def _gaussian(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    mean, log_variance = output
    return 0.5 * (log_variance + (target - mean) ** 2 * torch.exp(-log_variance)).mean()


def _resnet(config: Config) -> nn.Module:
    width = config.hidden // 2
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        images.BasicBlock(width, 2 * width, stride=2),
        nn.Dropout2d(config.dropout),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 3),
    )


def _separable(config: Config) -> nn.Module:
    blocks = (images.SeparableBlock(config.hidden, drop_path=config.dropout) for _ in range(2))
    return nn.Sequential(
        nn.Conv2d(3, config.hidden, 3, stride=2),
        *blocks,
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(config.hidden, 3),
    )


def _tcn(config: Config) -> nn.Module:
    return nn.Sequential(
        sequences.TemporalBlock(2, config.hidden, 1, config.dropout),
        sequences.TemporalBlock(config.hidden, config.hidden, 2, config.dropout),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(config.hidden, 3),
    )


def _soft_experts(config: Config) -> nn.Module:
    return nn.Sequential(
        vectors.SoftExperts(12, config.hidden, 3),
        nn.Tanh(),
        nn.Dropout(config.dropout),
        vectors.SoftExperts(config.hidden, 3, 2),
    )


def _sparse_embedding(config: Config) -> nn.Module:
    return nn.Sequential(
        nn.Embedding(30, config.hidden, sparse=True), nn.Flatten(), nn.ReLU(), nn.Linear(10 * config.hidden, 3)
    )


REAL_MODULES: tuple[RealModule, ...] = (
    RealModule(
        "residual_mlp",
        lambda c: vectors.ResidualMLP(12, c.hidden, 3, c.dropout),
        _classified,
        nn.CrossEntropyLoss(label_smoothing=0.1),
        fuses=True,
    ),
    RealModule(
        "deep_fm",
        lambda c: vectors.DeepFM({"city": 7, "weekday": 7}, 4, 6, c.hidden),
        _columns,
        nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0)),
        fuses=True,
    ),
    RealModule(
        "tied_autoencoder", lambda c: vectors.TiedAutoencoder(12, c.hidden, 4), _copied, nn.MSELoss(), fuses=True
    ),
    RealModule(
        "coupling_flow", lambda c: vectors.CouplingFlow(12, c.hidden), _weighted, _weighted_likelihood, fuses=True
    ),
    RealModule("top_k_experts", lambda c: vectors.TopKExperts(12, c.hidden, 3), _classified, _focal, fuses=True),
    RealModule("soft_experts", _soft_experts, _classified, _smoothed, fuses=True),
    RealModule("warm_vae", lambda c: vectors.WarmVAE(12, c.hidden, 3, warmup=5), _copied, _elbo, fuses=True),
    RealModule(
        "film_regressor",
        lambda c: vectors.FiLMRegressor(12, 3, c.hidden, c.dropout),
        _conditioned,
        nn.HuberLoss(),
        fuses=True,
    ),
    RealModule(
        "shared_mixer", lambda c: sequences.SharedMixer(6, 8, c.hidden), _patches, nn.SmoothL1Loss(), fuses=True
    ),
    RealModule(
        "mean_pooling",
        lambda c: sequences.MeanPooling(30, c.hidden, 3, c.dropout),
        _texts,
        nn.CrossEntropyLoss(),
        fuses=True,
    ),
    RealModule(
        "rnn_with_attention",
        lambda c: sequences.RNNWithAttention(30, c.hidden, 3),
        _texts,
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 1.0])),
        fuses=True,
    ),
    RealModule(
        "set_pooling",
        lambda c: sequences.SetPooling(30, c.hidden, 3, c.dropout),
        _texts,
        nn.CrossEntropyLoss(),
        fuses=True,
    ),
    RealModule(
        "series_transformer",
        lambda c: sequences.SeriesTransformer(8, 4, c.hidden, 4, c.dropout),
        _recognised,
        nn.CrossEntropyLoss(),
        fuses=True,
    ),
    RealModule(
        "tiny_gpt", lambda c: sequences.TinyGPT(30, 10, c.hidden, c.dropout), _continued, _next_token, fuses=True
    ),
    RealModule("forecaster", lambda c: sequences.Forecaster(c.hidden, horizon=4), _forecast, nn.MSELoss(), fuses=True),
    RealModule(
        "bilstm_tagger",
        lambda c: sequences.BiLSTMTagger(30, c.hidden, 4, c.dropout),
        _tagged,
        nn.CrossEntropyLoss(ignore_index=-100),
        fuses=True,
    ),
    RealModule("stacked_gru", lambda c: sequences.StackedGRU(2, c.hidden, c.dropout), _next, _gaussian, fuses=True),
    RealModule("temporal_convolution", _tcn, _recorded, nn.CrossEntropyLoss(), fuses=True),
    RealModule(
        "fourier_operator", lambda c: sequences.FourierOperator(8, n_modes=5), _operated, nn.L1Loss(), fuses=True
    ),
    RealModule("small_resnet", _resnet, _pictures, nn.CrossEntropyLoss(), fuses=True),
    RealModule("separable_cnn", _separable, _pictures, nn.CrossEntropyLoss(), fuses=True),
    RealModule("tiny_unet", lambda c: images.TinyUNet(c.hidden // 2), _segmented, _bce_and_dice, fuses=True),
    RealModule("spectral_critic", lambda c: images.critic(c.hidden // 2), _judged, _hinge, fuses=True),
    RealModule(
        "guarded_mlp", lambda c: refused.GuardedMLP(12, c.hidden, 3), _classified, nn.CrossEntropyLoss(), fuses=False
    ),
    RealModule(
        "item_temperature",
        lambda c: refused.Temperature(12, c.hidden, 3),
        _classified,
        nn.CrossEntropyLoss(),
        fuses=False,
    ),
    RealModule(
        "hard_experts", lambda c: refused.HardExperts(12, 3, 4), _classified, nn.CrossEntropyLoss(), fuses=False
    ),
    RealModule(
        "checkpointed_mlp",
        lambda c: refused.CheckpointedMLP(12, c.hidden, 3, c.dropout),
        _classified,
        nn.CrossEntropyLoss(),
        fuses=False,
    ),
    RealModule("sparse_embedding", _sparse_embedding, _texts, nn.CrossEntropyLoss(), fuses=False),
    RealModule("equilibrium", lambda c: refused.Equilibrium(12, c.hidden, 1), _measured, nn.MSELoss(), fuses=False),
    RealModule(
        "binary_mlp", lambda c: refused.BinaryMLP(12, c.hidden, 3), _classified, nn.MultiMarginLoss(), fuses=False
    ),
)
