"""Global random generators, borrowed and given back exactly as they were."""

from __future__ import annotations

import random
from types import TracebackType
from typing import Any, Self, final

import numpy as np
import torch


@final
class Isolated:
    """A stretch of code that may seed and draw from the global generators without leaving a trace.

    Covers Python's `random`, NumPy's legacy generator and torch's (CPU, and CUDA once it is initialised). On exit, also
    by an exception, all of them are what they were on entry. Not re-entrant; nest separate objects instead.

    >>> before = random.getstate()
    >>> with Isolated() as isolated:
    ...     isolated.seed(7)
    ...     _ = random.random()
    >>> random.getstate() == before
    True
    """

    __slots__ = ("_cuda", "_numpy", "_python", "_torch")

    def __enter__(self) -> Self:
        self._python = random.getstate()
        self._numpy: dict[str, Any] = np.random.get_state(legacy=False)  # noqa: NPY002 - it is what must be restored
        self._torch = torch.default_generator.get_state()
        self._cuda: list[torch.Tensor] | None = None
        self._save_cuda()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.default_generator.set_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)

    def seed(self, seed: int) -> None:
        """Seeds every covered generator. seed: in [0, 2**63); NumPy's takes its lower 32 bits."""
        self._save_cuda()  # CUDA may have been initialised since the entry, and nothing was drawn from it yet
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)  # torch.manual_seed also visits absent devices: 95 us instead of 1
        if self._cuda is not None:
            torch.cuda.manual_seed_all(seed)

    def _save_cuda(self) -> None:
        if self._cuda is None and torch.cuda.is_initialized():
            self._cuda = torch.cuda.get_rng_state_all()
