"""The tensors of K modules as one tensor each, lent back to the modules as views."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.widths import NO_PADDING, Padding, corner, filled
from cotune.training.fused.zeros import WidthOfALane


@final
class Stacked:
    """Modules of one structure, trained as one. padding: what their tensors are filled up to, where they differ.

    parameters, buffers: name -> (K, ...). Each module's own tensors are views of these from now on, so what a module
    holds is always what was trained last. A module that is given several times is several lanes, and sees the first.
    """

    def __init__(self, modules: Sequence[nn.Module], padding: Padding | None = None) -> None:
        padding = padding or NO_PADDING
        self._modules, self._dims = list(modules), dict(padding.dims)
        self.template = _copied(modules[0])
        for name, attribute in padding.places:
            setattr(self.template.get_submodule(name), attribute, WidthOfALane())
        self.parameters = self._stacked([dict(module.named_parameters()) for module in modules])
        self.buffers = self._stacked([dict(module.named_buffers()) for module in modules])
        for name, parameter in modules[0].named_parameters():
            self.parameters[name].requires_grad_(parameter.requires_grad)
        self._leaves: dict[int, Mapping[str, Tensor]] = {len(modules): self.parameters}
        self._slots = [*_slots(self.template, "_parameters"), *_slots(self.template, "_buffers")]
        self._empty = [slot[name] for slot, name, _ in self._slots]
        self._recurrent = [part for part in self.template.modules() if isinstance(part, nn.RNNBase)]
        self._lend()

    def leaves(self, n: int) -> Mapping[str, Tensor]:
        """The parameters of the first n lanes, which gather gradients of their own."""
        if n not in self._leaves:
            self._leaves[n] = {
                name: parameter.detach()[:n].requires_grad_(parameter.requires_grad)
                for name, parameter in self.parameters.items()
            }
        return self._leaves[n]

    def tensors(self, n: int) -> list[Tensor]:
        """All parameters and then all buffers of the first n lanes, each (n, ...)."""
        return [*self.leaves(n).values(), *(buffer[:n] for buffer in self.buffers.values())]

    @contextmanager
    def inhabited(self, tensors: Sequence[Tensor]) -> Iterator[nn.Module]:
        """The template with these in place of its own tensors. Raises Unfusable if the code inside replaces one."""
        by_name = dict(zip([*self.parameters, *self.buffers], tensors, strict=True))
        for slot, name, whole in self._slots:
            slot[name] = by_name[whole]
        for part in self._recurrent:
            part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]
        try:
            yield self.template
            for slot, name, whole in self._slots:
                if slot[name] is not by_name[whole]:
                    raise Unfusable(f"gives {whole} a new tensor in forward; change it in place")
        finally:
            for (slot, name, _), tensor in zip(self._slots, self._empty, strict=True):
                slot[name] = tensor

    def release(self) -> None:
        """Give every module tensors of its own again."""
        for module in dict.fromkeys(self._modules):
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)

    def _stacked(self, tensors: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        return {name: self._filled_up(name, [lane[name].detach() for lane in tensors]) for name in tensors[0]}

    def _filled_up(self, name: str, lanes: Sequence[Tensor]) -> Tensor:
        if name not in self._dims:
            return torch.stack(list(lanes)).contiguous()  # whatever the lanes' layout: rows of it are updated
        stacked = lanes[0].new_zeros((len(lanes), *filled(lanes[0].shape, self._dims[name])))
        for whole, own in zip(stacked.unbind(0), lanes, strict=True):
            whole[corner(own.shape)].copy_(own)
        return stacked

    def _lend(self) -> None:
        for lane, module in reversed(list(enumerate(self._modules))):  # so that the first of several lanes counts
            for name, parameter in module.named_parameters():
                parameter.data = self.parameters[name].detach()[lane][corner(parameter.shape)]
            for name, buffer in module.named_buffers():
                buffer.data = self.buffers[name][lane][corner(buffer.shape)]


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError, copy.Error) as error:
        raise Unfusable(f"cannot be copied ({str(error).splitlines()[0][:160]})") from error


def _slots(module: nn.Module, kind: str) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Where tensors stand: the dictionary, the name in it, and the full name, which tied ones share."""
    known = dict[int, str]()
    for prefix, part in module.named_modules(remove_duplicate=False):
        for name, tensor in getattr(part, kind).items():
            if tensor is not None:
                whole = known.setdefault(id(tensor), f"{prefix}.{name}" if prefix else name)
                yield getattr(part, kind), name, whole


@contextmanager
def held(module: nn.Module, values: Mapping[tuple[str, str], Any]) -> Iterator[None]:
    """Inside, the module's attributes have other values. values: (name of a submodule, attribute) -> value."""
    before = {}
    for (name, attribute), value in values.items():
        place = module.get_submodule(name)
        before[place, attribute] = getattr(place, attribute)
        setattr(place, attribute, value)
    try:
        yield
    finally:
        for (place, attribute), value in before.items():
            setattr(place, attribute, value)
