"""What a study tells about itself."""

from cotune.explain.calibration import Calibration, Choices, Period, calibration, choices
from cotune.explain.decisions import Difference, Evidence, Explanation, explanation
from cotune.explain.failures import FailureKind, failures

__all__ = [
    "Calibration",
    "Choices",
    "Difference",
    "Evidence",
    "Explanation",
    "FailureKind",
    "Period",
    "calibration",
    "explanation",
    "choices",
    "failures",
]
