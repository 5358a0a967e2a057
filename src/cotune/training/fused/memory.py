"""What a model's code keeps between two batches, which lanes must be able to do without.

A lane's memory is its parameters and buffers. What a module keeps as an attribute belongs to all lanes at once, and is
lost when lanes come and go.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any, final

from torch import Tensor, nn

from cotune.config import Config
from cotune.training.fused.escape import is_of_lanes
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.signature import DEPTH, TORCHS, TRAININGS, Itself, fingerprint
from cotune.training.fused.widths import Place


def configs(module: nn.Module) -> Iterator[Config]:
    """The configurations that modules keep as attributes."""
    for part in module.modules():
        for value in vars(part).values():
            yield from _configs(value, DEPTH)


def _configs(value: Any, depth: int) -> Iterator[Config]:
    if isinstance(value, Config):
        yield value
    elif depth and isinstance(value, list | tuple):
        for item in value:
            yield from _configs(item, depth - 1)
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _configs(item, depth - 1)


def withheld(names: frozenset[str]) -> list[str]:
    """Those of a configuration's names in which lanes may differ without their code being given other values."""
    return sorted(names & (TRAININGS - {"batch_size"}))


def attributes(module: nn.Module) -> dict[Place, Hashable]:
    """What the modules keep besides tensors of lanes, which are made useless: lanes do not remember them.

    Raises Unfusable where tensors of lanes are kept in a container.
    """
    found = dict[Place, Hashable]()
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if key in TORCHS:
                continue
            if is_of_lanes(value):
                vars(part)[key] = _Forgotten()
            elif _holds_lanes(value, DEPTH):
                raise Unfusable(f"keeps tensors in {_full(name, key)} from one batch to the next")
            found[name, key] = _told(vars(part)[key])
    return found


def _told(value: Any) -> Hashable:
    if isinstance(value, _Forgotten):
        return None
    return Itself(value) if isinstance(value, Config) else fingerprint(value, DEPTH)  # a Config notes who reads it


def modes(modules: Iterable[nn.Module]) -> Hashable:
    """Which of their parts are set to training."""
    return tuple(part.training for module in modules for part in module.modules())


def known(modules: Iterable[nn.Module], loss: object) -> Hashable:
    """All that their code may read besides tensors of lanes; None if some object has a state that nobody can compare.

    What functions find in their own modules is not among it.
    """
    kept = tuple(tuple(attributes(module).items()) for module in modules)
    found = kept, fingerprint(loss, DEPTH) if isinstance(loss, FunctionType) else None
    return None if _is_opaque(found) else found


def _is_opaque(found: Hashable) -> bool:
    if isinstance(found, tuple):
        return any(map(_is_opaque, found))
    if not isinstance(found, Itself) or callable(found.value):
        return False
    return type(found.value).__module__.partition(".")[0] not in ("torch", "cotune")


def require_unchanged(
    before: Mapping[Place, Hashable], after: Mapping[Place, Hashable], when: str = "in forward"
) -> None:  # fmt: skip
    """Raises Unfusable if an attribute was changed that the next pass may read. when: in words."""
    for (name, key), value in after.items():
        if before.get((name, key)) != value:
            raise Unfusable(f"changes {_full(name, key)} {when}; keep it in a buffer and change that in place")


def _full(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _holds_lanes(value: Any, depth: int) -> bool:
    match value:
        case Tensor():
            return is_of_lanes(value)
        case Config():
            return False
        case list() | tuple() | set():
            return depth > 0 and any(_holds_lanes(item, depth - 1) for item in value)
        case Mapping():
            return depth > 0 and any(_holds_lanes(item, depth - 1) for item in value.values())
    return False


@final
class _Forgotten:
    """Stands where a module kept a tensor of an earlier batch, and raises when it is used."""

    def __getattr__(self, name: str) -> Any:
        raise Unfusable("uses in one batch what it kept of another")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise Unfusable("uses in one batch what it kept of another")
