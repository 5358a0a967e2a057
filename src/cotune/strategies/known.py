"""What was known when a trial was proposed, for the decision records of strategies that do not learn from it."""

from __future__ import annotations

import numpy as np

from cotune.records import History, JsonValue


def known(history: History, planned: int) -> dict[str, JsonValue]:
    """Number of results, and of trials on their way, `planned` ones of the same plan included."""
    pending = len(history) - int(np.count_nonzero(history.ended)) + planned
    return {"results": int(np.count_nonzero(~np.isnan(history.y[:, 0]))), "pending": pending}
