"""What torch does while some code runs, written down, so that it can be done again without the code.

A pass of small networks spends more time on its way to torch's kernels (modules, vmap, autograd) than in them. A tape
notes the calls of the kernels, forwards and backwards, as torch's dispatcher makes them. The same calls on the same
numbers give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_Way = Callable[[Sequence[Any]], Any]
"""A call, of the values so far."""
_FUNCTIONS = torch._C._VariableFunctions
_METHODS: dict[str, Callable[..., Any]] = {"view": Tensor.view, "expand": Tensor.expand}
_HARMLESS = frozenset({"memory_format", "dtype"})
"""Arguments by name that torch's functions take as their kernels do."""
_MOST = 3
"""So many tensors as first arguments have a short way of their own."""


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
        return script.replay(outputs)


@dataclass(frozen=True, slots=True)
class _At:
    """Where a tensor is among the values of a replay."""

    place: int


@dataclass(frozen=True, slots=True)
class _Line:
    """One call, of the values so far. makes: where its results go. several: whether it returns them in a row.

    takes: what it needs. must_run: it changes something in place, or makes nothing but checks.
    over: the same call, which writes its result over what is at `spare`, if there is such a way.
    """

    call: _Way
    makes: Sequence[int]
    several: bool
    takes: frozenset[int]
    must_run: bool
    spare: int = -1
    over: _Way | None = None


@final
@dataclass(frozen=True, slots=True)
class Replay:
    """Tensors like the inputs of a tape -> what its outputs became of them.

    changes: which of the inputs are changed. shared: which of the outputs are in the memory of an input, a constant or
    an earlier output. n values, of which some are given, some constant, and the rest made line by line. lines: with
    what is not needed after them.
    """

    changes: frozenset[int]
    shared: frozenset[int]
    n: int
    inputs: Sequence[int]
    constants: Mapping[int, Tensor]
    lines: Sequence[tuple[_Line, Collection[int]]]
    outputs: Sequence[int]

    def __call__(self, *given: Tensor) -> tuple[Tensor, ...]:
        values: list[Any] = [None] * self.n
        for place, tensor in self.constants.items():
            values[place] = tensor
        for place, tensor in zip(self.inputs, given, strict=True):
            values[place] = tensor
        for line, gone in self.lines:
            made = line.call(values)
            if line.several:
                for place, tensor in zip(line.makes, made or (), strict=True):
                    values[place] = tensor
            else:
                values[line.makes[0]] = made
            for place in gone:
                values[place] = None
        return tuple([values[place] for place in self.outputs])


@final
class _Script:
    """Calls in the order in which they have to be made."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self._places: dict[tuple[object, ...], int] = {}
        self._memory: dict[int, int] = {}  # place -> where the memory begins that its tensor is in
        self._constants: dict[int, Tensor] = {}
        self._changed = set[int]()
        self._lines: list[_Line] = []
        self._n = 0
        self._inputs = [self._placed(tensor) for tensor in inputs]

    def add(self, call: _Call) -> None:
        """The next call, unless it gives what has a place already: a view of the whole thing."""
        function, changes = call.function, call.function._schema.is_mutable
        if {torch.Tag.data_dependent_output, torch.Tag.nondeterministic_seeded} & set(function.tags):
            raise Unrecordable(f"calls {function}")
        is_one = isinstance(call.result, Tensor)
        results = [call.result] if is_one else list(call.result or ())
        if not changes and is_one and _key(call.result) in self._places:
            return
        takes = set[int]()
        args = [self._written(value, takes) for value in call.args]
        named = {name: self._written(value, takes) for name, value in call.named.items()}
        made = _caller(_quick(function, named), args, named)
        makes = [self._new() if result is None else self._placed(result) for result in results]
        line = _Line(made, makes, not is_one, frozenset(takes), changes or not results)
        over = None if changes or not is_one else _over(call, args, named)
        self._lines.append(line if over is None else replace(line, spare=args[0].place, over=over))
        self._changed |= {self._memory[self._at(tensor)] for tensor in _written_to(call)}

    def replay(self, outputs: Sequence[Tensor]) -> Replay:
        """All calls that an output needs, as a function; it lets go of a tensor after its last use."""
        places = [self._at(output) for output in outputs]
        needed, lines = set(places), list[tuple[_Line, Collection[int]]]()
        kept = self._memories({*places, *self._inputs, *self._constants})
        for line in reversed(self._lines):
            if line.must_run or needed.intersection(line.makes):
                others = self._memories(line.takes - {line.spare})
                if line.over is not None and self._memory[line.spare] not in kept | others:
                    line = replace(line, call=line.over)
                lines.append((line, (line.takes | {*line.makes}) - needed))
                needed |= line.takes
                kept |= self._memories(line.takes)
        changes = frozenset(at for at, place in enumerate(self._inputs) if self._memory[place] in self._changed)
        return Replay(changes, self._shared(places), self._n, self._inputs, self._constants, lines[::-1], places)

    def _shared(self, outputs: Sequence[int]) -> frozenset[int]:
        taken, found = self._memories({*self._inputs, *self._constants}), set[int]()
        for at, place in enumerate(outputs):
            if self._memory[place] in taken:
                found.add(at)
            taken.add(self._memory[place])
        return frozenset(found)

    def _memories(self, places: Iterable[int]) -> set[int]:
        return {self._memory[place] for place in places}

    def _placed(self, tensor: Tensor) -> int:
        key = _key(tensor)
        if key not in self._places:
            self._places[key] = self._new()
            self._memory[self._places[key]] = tensor.untyped_storage().data_ptr() or id(tensor)
        return self._places[key]

    def _new(self) -> int:
        self._n += 1
        return self._n - 1

    def _at(self, tensor: Tensor) -> int:
        """Where a tensor is that something is done with; one that nothing made is a constant."""
        if _key(tensor) not in self._places:
            self._constants[self._placed(tensor)] = tensor
        return self._placed(tensor)

    def _written(self, value: Any, takes: set[int]) -> Any:
        match value:
            case Tensor():
                takes.add(self._at(value))
                return _At(self._at(value))
            case list() | tuple():
                return [self._written(item, takes) for item in value]
            case torch.Generator():
                raise Unrecordable("draws from a generator")
        return value


def _caller(function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Callable[..., Any]:
    """The function, called with what is at these places among the values, and with the rest as it is."""
    places = [value.place for value in takewhile(lambda value: isinstance(value, _At), args)]
    rest = list(args[len(places) :])
    if _has_places(rest) or _has_places(list(named.values())) or not 1 <= len(places) <= _MOST:

        def general(values: Sequence[Any]) -> Any:
            return function(*_filled(list(args), values), **{key: _filled(v, values) for key, v in named.items()})

        return general
    a, b, c = [*places, 0, 0][:3]
    match len(places):
        case 1:
            return lambda values: function(values[a], *rest, **named)
        case 2:
            return lambda values: function(values[a], values[b], *rest, **named)
    return lambda values: function(values[a], values[b], values[c], *rest, **named)


def _written_to(call: _Call) -> Iterator[Tensor]:
    """The tensors that a call changes."""
    for at, argument in enumerate(call.function._schema.arguments):
        value = call.args[at] if at < len(call.args) else call.named.get(argument.name)
        if argument.alias_info is not None and argument.alias_info.is_write and value is not None:
            yield from [value] if isinstance(value, Tensor) else value


def _over(call: _Call, args: Sequence[Any], named: Mapping[str, Any]) -> _Way | None:
    """The same call, number by number into the memory of its first argument, where that has room for the result."""
    first, function = call.args[0] if call.args else None, call.function
    if torch.Tag.pointwise not in function.tags or not isinstance(first, Tensor) or named:
        return None
    if _layout(first) != _layout(call.result):
        return None
    name = function._schema.name.partition("::")[2]
    if hasattr(Tensor, f"{name}_"):
        return _caller(getattr(Tensor, f"{name}_"), args, named)
    packet = function.overloadpacket
    if "grad_input" in packet.overloads():
        return _caller(packet.grad_input, args, {"grad_input": args[0]})
    return None


def _has_places(value: Any) -> bool:
    return isinstance(value, _At) or (isinstance(value, list) and any(map(_has_places, value)))


def _filled(value: Any, values: Sequence[Any]) -> Any:
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return values[value.place] if isinstance(value, _At) else value


def _key(tensor: Tensor) -> tuple[object, ...]:
    """Equal for tensors that are the same memory, seen in the same way."""
    return tensor.data_ptr() if tensor.numel() else id(tensor), *_layout(tensor)


def _layout(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.is_conj(), tensor.is_neg()


def _quick(function: Any, named: Mapping[str, Any]) -> Callable[..., Any]:
    """The same kernel by a shorter way, if there is one; a name that means another one gives other bits, or raises."""
    name = function._schema.name.partition("::")[2]
    if function._schema.is_mutable:
        return getattr(Tensor, name) if hasattr(Tensor, name) and not named else function
    if not _HARMLESS.issuperset(named):
        return function
    quick: Callable[..., Any] = _METHODS.get(name) or getattr(_FUNCTIONS, name, function)
    return quick
