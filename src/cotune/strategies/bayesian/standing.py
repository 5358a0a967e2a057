"""What a model believes of the trials that were seen: the lowest result may be the luckiest one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from cotune.numerics.threads import one_thread
from cotune.records import History
from cotune.strategies.bayesian.evidence import gathered
from cotune.strategies.bayesian.features import Features
from cotune.strategies.bayesian.models import MODELS, believe
from cotune.strategies.bayesian.results import Results

_FEWEST = 8
"""With fewer results a model says no more than they do."""


def standing(history: History, numbers: Sequence[int], generator: Generator) -> list[float]:
    """The first objective's loss that is expected of each of these trials, noise apart; as it was seen if few were.

    numbers: of trials with results. A Gaussian process as for suggestions, fitted anew.
    """
    results = Results(history)
    results.catch_up()
    features = Features(history.space.positions)
    evidence = gathered(results, features.of(history.x), [], features, generator)
    if evidence.n_results < _FEWEST:
        return [float(history.y[number, 0]) for number in numbers]
    with one_thread():
        first = evidence.of(next(iter(history.objectives)))
        belief = believe(MODELS[0], features, first, None, 0, generator)
        means, _ = belief.posterior.predict(features.of(history.x[list(numbers)]))
    return [belief.warped.raw(float(mean)) for mean in np.asarray(means)]
