"""Student's t distribution: how far a mean of few values may be off."""

from __future__ import annotations

import math

_NINETY_FIVE = {1: 12.706204736432095, 2: 4.302652729911275, 3: 3.182446305284263}
_Z = 1.959963984540054


def interval_factor(freedom: int) -> float:
    """The quantile of Student's t at 0.975: so many standard errors about a mean cover 95 %; infinite without any.

    freedom: degrees of freedom. Exact for 1 to 3, beyond by four terms of the expansion in 1 / freedom (Abramowitz &
    Stegun 26.7.5), within 0.001.
    """
    if freedom < 1:
        return math.inf
    if freedom in _NINETY_FIVE:
        return _NINETY_FIVE[freedom]
    z, n = _Z, freedom
    terms = (
        z,
        (z**3 + z) / (4 * n),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3),
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4),
    )
    return math.fsum(terms)
