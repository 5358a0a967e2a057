"""Proof, before a kind of model is fused, that its lanes compute what separate training computes."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cotune import seeds
from cotune.config import Config
from cotune.seeds import Purpose
from cotune.training.fused.memory import attributes, configs, modes, require_unchanged, withheld
from cotune.training.fused.population import Population
from cotune.training.fused.refusal import Unfusable, told_by_line
from cotune.training.fused.signature import LOSS, Form, config_numbers, module_at, numbers
from cotune.training.fused.ticks import piece_of
from cotune.training.fused.widths import Place, corner
from cotune.training.loop import Run
from cotune.training.samples import Batch

_TOLERANCE = 1e-9
_STEPS, _EPOCHS = 2, 8
_NEAR = 2**-5
"""Four times the rounding of a bfloat16."""
_SHARES, _MIDDLE = (0.25, 0.5, 0.75), 0.4
_ODD = 1.4
"""In pieces: a batch of two, of which the second is not full."""
_EVALUATED = 16
_NOISE = 1e-10
"""Adam turns a gradient that is zero but for rounding into a full step; such entries of parameters are not compared."""


Build = Callable[[int, Mapping[str, Any]], Run]
"""A run of a configuration, from a seed."""


def check(pair: Sequence[Mapping[str, Any]], build: Build, seed: Callable[[int], None], form: Form) -> None:
    """Two steps of two lanes, in float64: losses, gradients, parameters and buffers agree to 1e-9, and evaluations do.

    The lanes differ in what the form allows. Besides, nothing may be kept from one batch to the next but in buffers,
    nothing be drawn from global generators, and one step in the run's own precision must succeed. pair: two
    configurations of that signature, of different width if it allows that. seed: seeds the global generators, as
    `Isolated.seed` does. Raises Unfusable with what does not agree.
    """
    first, second = map(dict, pair)
    if form.is_cut:
        second["batch_size"] = _odd(build(0, first))
    configs = [first, second]
    with _double():
        plain, steps = list[Run](), list[list[_Step]]()
        for number, config in enumerate(configs):
            plain.append(_prepared(build(number, config), number, form))
            still = {name: buffer.clone() for name, buffer in plain[-1].model.named_buffers()}
            steps.append(_alone(plain[-1], seed))
            if form.is_cut:
                _require_still(plain[-1], still)
        fused = [_prepared(build(number, config), number, form) for number, config in enumerate(configs)]
        _overwrite_globals(build, fused[0].config)
        population = Population(fused, form, dtype=torch.float64)
        order = [fused.index(run) for run in population.runs]
        twins, alone = [plain[at] for at in order], [steps[at] for at in order]
        before = _generators()
        _compare(population, twins, alone)
        if _generators() != before:
            raise Unfusable("draws from a global generator other than torch's")
        _compare_evaluation(population, twins, seed)
        _require_own_names(population)
        _require_same_epochs(population)
    _rehearse(configs, build, seed, form)


def _prepared(run: Run, number: int, form: Form) -> Run:
    """The run in double precision, with numbers that are nobody's and not zero."""
    _make_precise(run.model)
    if isinstance(run.forward.criterion.loss, nn.Module):
        _make_precise(run.forward.criterion.loss)
    return _varied(run, number, form)


def _varied(run: Run, number: int, form: Form) -> Run:
    if form.lifts:
        _vary(run, number)
    return run


def _require_still(run: Run, buffers: Mapping[str, Tensor]) -> None:
    """Of pieces of batches there are more than of batches, and lanes that idle are in passes too."""
    for name, buffer in run.model.named_buffers():
        if not torch.equal(buffer, buffers[name]):
            raise Unfusable(f"changes the buffer {name} with every batch")


def _overwrite_globals(build: Build, config: Config) -> None:
    """Build another configuration's run last, so that code which reads what its builder left behind is found out."""
    with contextlib.suppress(Exception):  # such a configuration need not be one of the space
        build(2, {**dict(config), **{name: _other(value, 2) for name, value in config_numbers(config).items()}})


def _rehearse(
    configs: Sequence[Mapping[str, Any]], build: Build, seed: Callable[[int], None], form: Form
) -> None:  # fmt: skip
    """A step and an evaluation in the precision of the runs; raises Unfusable where a number's precision matters."""
    runs = [_varied(build(number, config), number, form) for number, config in enumerate(configs)]
    population = Population(runs, form)
    if runs[0].task.amp:
        twins = [_varied(build(number, config), number, form) for number, config in enumerate(configs)]
        _compare_in_mixed_precision(population, [twins[runs.index(run)] for run in population.runs], seed)
    population.step(next(population.begin([0] * len(runs))))
    population.rehearsed(_EVALUATED)


def _compare_in_mixed_precision(population: Population, twins: Sequence[Run], seed: Callable[[int], None]) -> None:
    """In evaluation mode, before anything was trained."""
    outputs, losses = population.rehearsed(_EVALUATED)
    for lane, run in enumerate(twins):
        batch = next(iter(run.train.samples.batches(run.order(0), _EVALUATED, torch.Generator())))
        output, loss = _evaluated(run, seed, batch)
        _require_near(losses[lane], loss, "the loss in mixed precision")
        if isinstance(outputs, Tensor) and isinstance(output, Tensor):
            _require_near(outputs[lane], output, "the output in mixed precision")


def _generators() -> tuple[object, str, bytes]:
    numpy = repr(np.random.get_state(legacy=False))  # noqa: NPY002 - a model's code may draw from it
    return random.getstate(), numpy, torch.default_generator.get_state().numpy().tobytes()


def _require_same_epochs(population: Population) -> None:
    """Lanes are at epochs of their own, so what is trained, and by what attributes, may not depend on the epoch."""
    templates, seen = population.code.templates, list[dict[Place, Hashable]]()
    for _ in range(_EPOCHS):
        for template in templates:
            template.train()
        seen.append(_kept(population) | {("", "training"): modes(templates)})
        for template in templates:
            template.eval()
    for earlier, later in pairwise(seen):
        require_unchanged(earlier, later, "when it is set to training")


def _require_own_names(population: Population) -> None:
    """The forward passes read no hyperparameter in which lanes may differ unseen."""
    read = population.code.names_read
    for template in population.code.templates:
        read = read.union(*(config.read for config in configs(template)))
    names = withheld(read)
    if names:
        raise Unfusable(f"reads {names[0]} of its configuration in forward")


def _other(value: float, number: int) -> float:
    """A value near another one, a share between 0 and 1 if that is one, and never 0: what it does must be seen."""
    share = _SHARES[number]
    return (1 - share) * value + share * _MIDDLE


def _vary(run: Run, number: int) -> None:
    """Give the run other numbers, which differ from lane to lane, as if they were those of its configuration."""
    for place, value in numbers(run).items():
        setattr(module_at(run, place), place[1], _other(value, number))
    floats = {name: value for name, value in dict(run.config).items() if isinstance(value, float)}
    run.config = Config({**dict(run.config), **{name: _other(value, number) for name, value in floats.items()}})
    criterion = run.forward.criterion
    others = {name: _other(value, number) for name, value in config_numbers(criterion.config).items()}
    if criterion.config is not None:
        run.forward.criterion = replace(criterion, config=Config({**dict(criterion.config), **others}))


@dataclass(frozen=True, slots=True)
class _Step:
    """What one run computes by itself in a step; tensors after it."""

    loss: Tensor
    gradients: dict[str, Tensor | None]
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]


def _alone(run: Run, seed: Callable[[int], None]) -> list[_Step]:
    """A few steps of one run by itself. Raises Unfusable if its code wants another precision than double."""
    run.model.train()
    with told_by_line(run.task.model):
        return list(_computed(run, seed))


def _odd(run: Run) -> int:
    """A batch size for which there is a piece that is not full, and a batch of two pieces if there ever is one."""
    n, piece = len(run.train), piece_of(run.batch_size)
    return min(round(_ODD * piece), n) if n > piece else max(1, round(n / _ODD))


def _computed(run: Run, seed: Callable[[int], None]) -> Iterator[_Step]:
    for batch in islice(_many_batches(run, seed), _STEPS):
        run.optimizer.zero_grad(set_to_none=True)
        loss = run.forward(batch)[1]
        loss.backward()
        named = dict(run.model.named_parameters())
        gradients = {name: None if p.grad is None else p.grad.detach().clone() for name, p in named.items()}
        if run.max_norm is not None:
            nn.utils.clip_grad_norm_(run.model.parameters(), run.max_norm)
        run.optimizer.step()
        run.pacer.after_batch()
        after = ({n: t.detach().clone() for n, t in own} for own in (named.items(), run.model.named_buffers()))
        yield _Step(loss.detach(), gradients, *after)


def _compare(population: Population, twins: Sequence[Run], alone: Sequence[Sequence[_Step]]) -> None:
    """Lanes whose batches are cut come to their steps at different times."""
    steady, kept = [dict[str, Tensor]() for _ in twins], list[dict[Place, Hashable]]()
    done, losses = [0] * len(twins), torch.zeros(len(twins), dtype=torch.float64)
    for tick in (tick for epoch in range(_STEPS) for tick in population.begin([epoch] * len(twins))):
        part = population.gradients(tick)
        losses[: len(part)] += part
        due = [lane for lane, is_step in enumerate(tick.steps[:-1]) if is_step and done[lane] < len(alone[lane])]
        for lane in due:
            step = alone[lane][done[lane]]
            _require(losses[lane], step.loss, "the loss")
            _compare_gradients(population, lane, step.gradients, steady[lane])
        population.update(tick)
        kept.append(_kept(population))
        for lane in due:
            _compare_tensors(population, lane, alone[lane][done[lane]], steady[lane])
            done[lane] += 1
        losses[: len(part)] *= torch.tensor([not is_step for is_step in tick.steps[:-1]])
        if all(n == len(steps) for n, steps in zip(done, alone, strict=True)):
            break
    for earlier, later in pairwise(kept):
        require_unchanged(earlier, later)


def _compare_tensors(population: Population, lane: int, step: _Step, steady: Mapping[str, Tensor]) -> None:
    for name, is_steady in steady.items():
        stacked = _own(population.parameters[name].detach()[lane], is_steady, name)
        _require(stacked[is_steady], step.parameters[name][is_steady], f"the parameter {name} after a step")
    for name, buffer in step.buffers.items():
        _require(_own(population.buffers[name][lane], buffer, name), buffer, f"the buffer {name} after a step")


def _kept(population: Population) -> dict[Place, Hashable]:
    found = dict[Place, Hashable]()
    for number, template in enumerate(population.code.templates):
        found |= {((LOSS if number else "") + name, key): value for (name, key), value in attributes(template).items()}
    return found


def _compare_gradients(
    population: Population, lane: int, gradients: Mapping[str, Tensor | None], steady: dict[str, Tensor]
) -> None:
    """steady: name -> where the gradients so far were not noise; updated."""
    for name, gradient in gradients.items():
        own = population.gradient(name)
        if gradient is None and own is None:
            continue
        if gradient is None or own is None:
            raise Unfusable(f"{name} has a gradient only {'in a lane' if gradient is None else 'alone'}")
        _require(_own(own[lane], gradient, f"the gradient of {name}"), gradient, f"the gradient of {name}")
        is_steady = gradient.abs() > _NOISE
        steady[name] = steady[name] & is_steady if name in steady else is_steady


def _compare_evaluation(population: Population, twins: Sequence[Run], seed: Callable[[int], None]) -> None:
    """In evaluation mode, with the tensors that the lanes have."""
    for lane, run in enumerate(twins):
        _adopt(population, lane, run)
    n = min(_EVALUATED, *(run.n_used for run in twins))
    outputs, losses = population.rehearsed(n)
    for lane, run in enumerate(twins):
        output, loss = _evaluated(run, seed, next(_batches(run, n)))
        _require(losses[lane], loss, "the loss in evaluation mode")
        if isinstance(outputs, Tensor) and isinstance(output, Tensor):
            _require(outputs[lane], output, "the output in evaluation mode")


def _evaluated(run: Run, seed: Callable[[int], None], batch: Batch) -> tuple[Any, Tensor]:
    """A run's output and loss by itself."""
    run.model.eval()
    seed(seeds.integer(run.seed, Purpose.NOISE))
    with torch.no_grad():
        return run.forward(batch)


def _adopt(population: Population, lane: int, run: Run) -> None:
    with torch.no_grad():
        for name, parameter in run.model.named_parameters():
            parameter.copy_(population.parameters[name][lane][corner(parameter.shape)])
        for name, buffer in run.model.named_buffers():
            buffer.copy_(population.buffers[name][lane][corner(buffer.shape)])


def _own(filled_up: Tensor, plain: Tensor, what: str) -> Tensor:
    """A lane's own numbers. Raises Unfusable unless all that it is filled up with is zero."""
    own = filled_up[corner(plain.shape)]
    if own.shape != filled_up.shape and int(filled_up.count_nonzero()) != int(own.count_nonzero()):
        raise Unfusable(f"does not leave units alone that it is filled up with ({what})")
    return own


def _require(fused: Tensor, plain: Tensor, what: str) -> None:
    if fused.shape != plain.shape:
        raise Unfusable(f"{what} has the shape {tuple(fused.shape)} in a lane, and {tuple(plain.shape)} alone")
    if not plain.numel():
        return
    if not plain.is_floating_point() and not plain.is_complex():
        if not torch.equal(fused.to(plain.dtype), plain):
            raise Unfusable(f"{what} differs")
        return
    scale = max(1.0, float(plain.abs().max()))
    gap = float((fused - plain).abs().max())
    if not gap <= _TOLERANCE * scale and not (math.isnan(gap) and torch.equal(fused.isnan(), plain.isnan())):
        raise Unfusable(f"{what} differs by {gap:.1e}")


def _require_near(fused: Tensor, plain: Tensor, what: str) -> None:
    """The same numbers but for rounding, in the same type."""
    if fused.dtype != plain.dtype:
        raise Unfusable(f"{what} is {fused.dtype} in a lane, and {plain.dtype} alone")
    if plain.is_floating_point() and plain.numel():
        scale, gap = float(plain.double().abs().max()), float((fused.double() - plain.double()).abs().max())
        if not gap <= _NEAR * scale:
            raise Unfusable(f"{what} differs by {gap:.1e}")


def _many_batches(run: Run, seed: Callable[[int], None]) -> Iterator[Batch]:
    """Of as many epochs as there are steps, so that there are enough."""
    for epoch in range(_STEPS):
        seed(seeds.integer(run.seed, Purpose.NOISE, epoch))
        yield from _batches(run, run.batch_size, epoch)


def _batches(run: Run, size: int, epoch: int = 0) -> Iterator[Batch]:
    for batch in run.train.samples.batches(run.order(epoch), size, torch.Generator()):
        yield Batch(
            tuple(_precise(value) for value in batch.inputs),
            {name: _precise(value) for name, value in batch.named.items()},
            _precise(batch.target),
        )


def _make_precise(module: nn.Module) -> None:
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = _precise(tensor.data)


def _precise(value: Tensor) -> Tensor:
    if value.is_complex():
        return value.to(torch.complex128)
    return value.double() if value.is_floating_point() else value


@contextlib.contextmanager
def _double() -> Iterator[None]:
    """Inside, tensors that are made from Python numbers, and those that code turns to floats, have double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Doubled():
            yield
    finally:
        torch.set_default_dtype(before)


@final
class _Doubled(TorchFunctionMode):
    """Where code asks for single precision it gets double."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        func = Tensor.double if func is Tensor.float else func
        return func(*map(_doubled, args), **{name: _doubled(value) for name, value in (kwargs or {}).items()})


def _doubled(value: Any) -> Any:
    if not isinstance(value, torch.dtype):
        return value
    return {torch.float32: torch.float64, torch.complex64: torch.complex128}.get(value, value)
