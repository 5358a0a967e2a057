"""Parts of spaces that are often wanted."""

from __future__ import annotations

from cotune.errors import SpaceError
from cotune.space.conditions import one_of
from cotune.space.parameters import Categorical, Float, Parameter


def scheduled_rate(low: float, high: float, *, warmup: float = 0.3) -> dict[str, Parameter]:
    """A learning rate that follows a schedule, as names that training understands: its peak, shape, warm-up and end.

    low, high: of the peak. warmup: the largest share of the steps in which the rate rises. To be unpacked into a space:

    >>> from cotune.space import Space
    >>> Space({**scheduled_rate(1e-4, 1e-1)}, hidden=[32, 64]).names
    ('learning_rate', 'schedule', 'warmup', 'final_share', 'hidden')
    """
    if not isinstance(warmup, int | float) or not 0 < warmup <= 1:
        raise SpaceError(f"scheduled_rate(warmup={warmup!r}) takes a share of the steps above 0, at most 1")
    return {
        "learning_rate": Float(low, high, log=True).checked("learning_rate"),
        "schedule": Categorical(["constant", "cosine", "linear", "wsd"]),
        "warmup": Float(0.0, warmup),
        "final_share": Float(1e-3, 0.5, log=True, when={"schedule": one_of("cosine", "linear", "wsd")}),
    }
