"""What trials must have in common to be lanes of one pass, and in which numbers they may differ.

Hyperparameters that a module keeps as plain floats (a dropout probability, label smoothing, a factor) may differ: they
become tensors with one value per lane. Everything else that shapes what a model computes must be equal.
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from cotune.config import Config
from cotune.training.fused.optimizers import kind_of
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.ticks import piece_of
from cotune.training.fused.widths import NO_PADDING, Dims, Padding, Place, filled
from cotune.training.loop import Run
from cotune.training.samples import InMemory

LOSS = "loss:"
"""With this begin the names of a loss's submodules in a `Place`."""
TORCHS = frozenset({*vars(nn.Module()), "_flat_weights", "_flat_weight_refs"})
TRAININGS = frozenset({
    "optimizer", "learning_rate", "weight_decay", "momentum", "beta1", "beta2", "batch_size", "label_smoothing",
    "grad_clip", "schedule", "warmup", "final_share", "epochs", "data_fraction",
})  # fmt: skip
DEPTH = 6


@final
@dataclass(frozen=True, slots=True, eq=False)
class Itself:
    """Equal only to the same object, which it keeps alive: an `id` alone may be given to another one later."""

    value: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(frozen=True, slots=True)
class Form:
    """How lanes may differ. lifts: in `numbers`, which become tensors. is_cut: in batch size, by cutting batches.

    padding: in width, by filling up with zeros.
    """

    lifts: bool
    is_cut: bool
    padding: Padding | None = None


EXACT = Form(lifts=True, is_cut=False)


def forms(run: Run, padding: Padding | None = None) -> Sequence[Form]:
    """The forms to try, the most general first. padding: what its tensors could be filled up to."""
    is_cut = [True, False] if "batch_size" in run.config else [False]
    filled_up = [Form(lifts=True, is_cut=cut, padding=padding) for cut in is_cut] if padding else []
    return [*filled_up, *(Form(lifts=True, is_cut=cut) for cut in is_cut), Form(lifts=False, is_cut=False)]


def signature(run: Run, form: Form) -> Hashable:
    """Equal for runs that can be lanes of one pass. Raises Unfusable for a run that cannot be a lane at all."""
    if run.task.step is not None:
        raise Unfusable("the task has a step= of its own")
    if run.scales_loss:
        raise Unfusable("amp=True scales losses on this device, which has no bfloat16")
    kind_of(run.optimizer)
    train, held = run.train.samples, run.splits.validation.samples
    if not isinstance(train, InMemory) or not isinstance(held, InMemory):
        raise Unfusable("its data is read sample by sample; pass tensors to have it in memory")
    loss = run.forward.criterion
    lifted, padding = numbers(run) if form.lifts else {}, form.padding or NO_PADDING
    return (
        form, piece_of(run.batch_size) if form.is_cut else run.batch_size,  # the form says which of them it is
        len(run.train), len(run.splits.validation),
        Itself(train), Itself(held), str(run.device),
        tuple(_tensors(run.model, dict(padding.dims))), tuple(_modules(run.model, "", lifted, set(padding.places))),
        _groups(run),
        tuple(_modules(loss.loss, LOSS, lifted, set())) if isinstance(loss.loss, nn.Module) else Itself(loss.loss),
        None if loss.config is None else _config(loss.config, floats=not form.lifts),
    )  # fmt: skip


def numbers(run: Run) -> dict[Place, float]:
    """The floats of a run's modules that are hyperparameters: attributes that equal one of the configuration's.

    They follow from the run alone, so that it computes the same bits beside any others.
    """
    chosen = set(config_numbers(run.config).values())
    chosen |= {value for name, value in dict(run.config).items() if name == "label_smoothing"}
    found = dict(_floats(run.model, "", chosen))
    loss = run.forward.criterion.loss
    return found | dict(_floats(loss, LOSS, chosen)) if isinstance(loss, nn.Module) else found


def module_at(run: Run, place: Place) -> nn.Module:
    """The submodule of the run's model or loss that has the number."""
    name = place[0]
    loss = run.forward.criterion.loss
    if name.startswith(LOSS):
        assert isinstance(loss, nn.Module)
        return loss.get_submodule(name.removeprefix(LOSS))
    return run.model.get_submodule(name)


def config_numbers(config: Config | None) -> dict[str, float]:
    """The floats of a configuration that are not for training itself."""
    values = {} if config is None else dict(config)
    return {name: v for name, v in values.items() if isinstance(v, float) and name not in TRAININGS}


def _floats(module: nn.Module, prefix: str, chosen: set[float]) -> Iterator[tuple[Place, float]]:
    for name, part in module.named_modules():
        for attribute, value in vars(part).items():
            if attribute not in TORCHS and isinstance(value, float) and value in chosen:
                yield (prefix + name, attribute), value


def _tensors(module: nn.Module, padded: Mapping[str, Dims]) -> Iterator[Hashable]:
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        shape = filled(tensor.shape, padded[name]) if name in padded else tuple(tensor.shape)
        yield name, shape, str(tensor.dtype), isinstance(tensor, nn.Parameter), tensor.requires_grad


def _modules(module: nn.Module, prefix: str, lifted: Mapping[Place, float], widths: Set[Place]) -> Iterator[Hashable]:
    for name, part in module.named_modules():
        own = {key: value for key, value in vars(part).items() if key not in TORCHS}
        called = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
        hooks = tuple(fingerprint(list(some.values()), DEPTH) for some in called)
        free = {place: "lifted" for place in lifted} | dict.fromkeys(widths, "width")
        values = [(key, free.get((prefix + name, key)) or fingerprint(value, DEPTH)) for key, value in own.items()]
        yield name, _class(part), hooks, tuple(values)


def _class(module: nn.Module) -> Hashable:
    """A class is told by itself; parametrizations make one per module."""
    kind = type(module)
    if is_parametrized(module) and kind.__name__.startswith("Parametrized"):
        return kind.__name__, tuple(Itself(base) for base in kind.__bases__)
    return Itself(kind)


def _groups(run: Run) -> Hashable:
    names = {parameter: name for name, parameter in run.model.named_parameters()}
    return tuple(tuple(names.get(p, "?") for p in group["params"]) for group in run.optimizer.param_groups)


def _config(config: Config, *, floats: bool) -> Hashable:
    values = {name: value for name, value in dict(config).items() if name not in TRAININGS}
    return tuple(
        (name, fingerprint(value, DEPTH) if floats or not isinstance(value, float) else "number")
        for name, value in sorted(values.items())
    )


def fingerprint(value: Any, depth: int) -> Hashable:
    """A value that is equal for attributes that compute the same; what cannot be compared is only like itself."""
    if depth and isinstance(value, types.FunctionType | tuple | list | Mapping):
        return _fingerprint_parts(value, depth - 1)
    match value:
        case bool() | int() | float() | str() | bytes() | None:
            return type(value).__name__, value
        case Tensor() if value.layout == torch.strided:
            return tuple(value.shape), str(value.dtype), _bytes(value)
        case np.ndarray():
            return value.shape, str(value.dtype), value.tobytes()
    if hasattr(value, "dtype") or isinstance(value, type):
        return str(value)
    return Itself(value)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _fingerprint_parts(value: Any, depth: int) -> Hashable:
    match value:
        case Config():
            return _config(value, floats=True)
        case types.FunctionType():
            cells = tuple(_fingerprint_held(cell.cell_contents, depth) for cell in value.__closure__ or ())
            defaults = [_fingerprint_held(item, depth) for item in value.__defaults__ or ()]
            named = {name: _fingerprint_held(item, depth) for name, item in (value.__kwdefaults__ or {}).items()}
            return value.__code__, cells, tuple(defaults), tuple(named.items())
        case Mapping():
            return tuple((str(key), fingerprint(item, depth)) for key, item in value.items())
    return type(value).__name__, tuple(fingerprint(item, depth) for item in value)


def _fingerprint_held(value: Any, depth: int) -> Hashable:
    """What a function holds: a configuration with all its names, because nobody sees which ones the function reads."""
    if isinstance(value, Config):
        return tuple((name, fingerprint(item, depth)) for name, item in sorted(value.items()))
    return fingerprint(value, depth)
