"""What torch does while some code runs, written down, so that it can be done again without the code.

A pass of small networks spends more time on its way to torch's kernels (modules, vmap, autograd) than in them. A tape
notes the calls of the kernels, forwards and backwards, as torch's dispatcher makes them. The same calls on the same
numbers give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Replay = Callable[..., tuple[Tensor, ...]]
"""Tensors like the inputs of a tape -> what its outputs became of them."""

_FUNCTIONS = torch._C._VariableFunctions
_METHODS: dict[str, Callable[..., Any]] = {"view": Tensor.view, "expand": Tensor.expand}
_HARMLESS = frozenset({"memory_format", "dtype"})
"""Arguments by name that torch's functions take as their kernels do."""
_PLAIN = (bool, int, str, type(None))


class Unrecordable(Exception):
    """What ran is no function of its tensors alone, or cannot be written down."""


@dataclass(frozen=True, slots=True)
class _Call:
    function: Any
    args: Sequence[Any]
    named: Mapping[str, Any]
    result: Any


@final
class Tape(TorchDispatchMode):
    """In force while the code runs. inputs: the tensors that it is a function of; all others are taken as constants."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._inputs, self._calls = list(inputs), list[_Call]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        result = func(*args, **named)
        self._calls.append(_Call(func, args, named, result))  # which keeps all tensors, so that no memory is used twice
        return result

    def replay(self, outputs: Sequence[Tensor]) -> Replay:
        """All that ran, as a function of tensors like the inputs. Raises Unrecordable."""
        script = _Script(self._inputs)
        for call in self._calls:
            script.add(call)
        return script.compiled(outputs)


@dataclass(frozen=True, slots=True)
class _Line:
    """One call in Python. makes, takes: names. must_run: it changes something in place, or makes nothing but checks."""

    makes: Sequence[str]
    call: str
    takes: frozenset[str]
    must_run: bool


@final
class _Script:
    """Calls as the source of a Python function, the fastest way to make them."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self._names: dict[tuple[object, ...], str] = {}
        self._constants, self._known = dict[str, Any](), dict[int, str]()
        self._lines: list[_Line] = []
        self._inputs = [self._named(tensor) for tensor in inputs]

    def add(self, call: _Call) -> None:
        """The next call, unless it gives what has a name already: a view of the whole thing."""
        function, changes = call.function, call.function._schema.is_mutable
        if {torch.Tag.data_dependent_output, torch.Tag.nondeterministic_seeded} & set(function.tags):
            raise Unrecordable(f"calls {function}")
        results = [call.result] if isinstance(call.result, Tensor) else list(call.result or ())
        if not changes and len(results) == 1 and _place(results[0]) in self._names:
            return
        takes = set[str]()
        written = [self._written(value, takes) for value in call.args]
        written += [f"{name}={self._written(value, takes)}" for name, value in call.named.items()]
        called = f"{self._constant(_quick(function, call.named))}({', '.join(written)})"
        makes = ["_" if result is None else self._named(result) for result in results]
        if not isinstance(call.result, Tensor) and results:
            makes[-1] += ","  # it returns several, or a list of one
        self._lines.append(_Line(makes, called, frozenset(takes), changes or not results))

    def compiled(self, outputs: Sequence[Tensor]) -> Replay:
        """The function, without what no output needs; it lets go of a tensor after its last use."""
        takes = set[str]()
        returned = [self._written(output, takes) for output in outputs]
        lines, needed = [f"    return ({''.join(f'{name}, ' for name in returned)})"], takes
        for line in reversed(self._lines):
            made = {name.rstrip(",") for name in line.makes}
            if line.must_run or made & needed:
                gone = sorted((line.takes | made) - needed - set(self._inputs) - {"_"})
                end = f"; del {', '.join(gone)}" if gone else ""
                needed |= line.takes
                lines.append(f"    {', '.join(line.makes)} = {line.call}{end}" if made else f"    {line.call}{end}")
        source = "\n".join([f"def replay({', '.join(self._inputs)}):", *reversed(lines)])
        space = dict(self._constants)
        exec(source, space)  # noqa: S102 - made of names and numbers alone
        replay: Replay = space["replay"]
        return replay

    def _named(self, tensor: Tensor) -> str:
        return self._names.setdefault(_place(tensor), f"t{len(self._names)}")

    def _written(self, value: Any, takes: set[str]) -> str:
        match value:
            case Tensor():
                name = self._names.get(_place(value))
                if name is None:
                    return self._constant(value)
                takes.add(name)
                return name
            case list() | tuple():
                return f"[{', '.join(self._written(item, takes) for item in value)}]"
            case float() if math.isfinite(value):
                return repr(value)
            case _ if isinstance(value, _PLAIN):
                return repr(value)
            case torch.Generator():
                raise Unrecordable("draws from a generator")
        return self._constant(value)

    def _constant(self, value: Any) -> str:
        name = self._known.setdefault(id(value), f"c{len(self._known)}")
        self._constants[name] = value
        return name


def _place(tensor: Tensor) -> tuple[object, ...]:
    """Equal for tensors that are the same memory, seen in the same way."""
    where = tensor.data_ptr() if tensor.numel() else id(tensor)
    return where, tensor.shape, tensor.stride(), tensor.dtype, tensor.is_conj(), tensor.is_neg()


def _quick(function: Any, named: Mapping[str, Any]) -> Callable[..., Any]:
    """The same kernel by a shorter way, if there is one; a name that means another one gives other bits, or raises."""
    name = function._schema.name.partition("::")[2]
    if function._schema.is_mutable:
        return getattr(Tensor, name) if hasattr(Tensor, name) and not named else function
    if not _HARMLESS.issuperset(named):
        return function
    quick: Callable[..., Any] = _METHODS.get(name) or getattr(_FUNCTIONS, name, function)
    return quick
