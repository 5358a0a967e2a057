"""The optimisers that a configuration can name, as real torch.optim objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from cotune.config import Config
from cotune.errors import TaskError

NAMES = ("sgd", "adam", "adamw", "rmsprop")


def named(parameters: Iterable[nn.Parameter], config: Config) -> Optimizer:
    """The optimiser that `config` describes: `optimizer` (adam), `learning_rate` (1e-3), `weight_decay`, and where it
    has them `momentum` (sgd, rmsprop), `beta1` and `beta2` (adam, adamw). What is absent keeps torch's default.

    Reads from `config` only what has an effect. TaskError for an unknown name.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise TaskError("model= made a module without trainable parameters; there is nothing to optimise.")
    name = config.get("optimizer", "adam")
    options: dict[str, Any] = {"lr": config.get("learning_rate", 1e-3)}
    if "weight_decay" in config:
        options["weight_decay"] = config["weight_decay"]
    match name:
        case "adam":
            return Adam(trained, **options, betas=_betas(config), fused=_fusable(trained))
        case "adamw":
            return AdamW(trained, **options, betas=_betas(config), fused=_fusable(trained))
        case "sgd":
            return SGD(trained, **options, momentum=config.get("momentum", 0.0), fused=_fusable(trained))
        case "rmsprop":
            return RMSprop(trained, **options, momentum=config.get("momentum", 0.0))
    raise TaskError(f"config['optimizer'] is {name!r}; use one of {', '.join(NAMES)}, or Task(optimizer=...).")


def _betas(config: Config) -> tuple[float, float]:
    return config.get("beta1", 0.9), config.get("beta2", 0.999)


def _fusable(parameters: list[nn.Parameter]) -> bool | None:
    """True where torch has one kernel for the whole update (a quarter off a small model's step); else torch decides."""
    fits = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    return True if fits else None
