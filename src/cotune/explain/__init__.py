"""What a study tells about itself."""

from cotune.explain.calibration import Calibration, Choices, Period, calibration, choices
from cotune.explain.decisions import Difference, Evidence, Explanation, explanation

__all__ = [
    "Calibration",
    "Choices",
    "Difference",
    "Evidence",
    "Explanation",
    "Period",
    "calibration",
    "explanation",
    "choices",
]
