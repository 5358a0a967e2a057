"""What a study tells about itself."""

from cotune.explain.calibration import Calibration, Choices, Period, calibration, choices
from cotune.explain.decisions import Difference, Evidence, Explanation, explanation
from cotune.explain.failures import FailureKind, failures
from cotune.explain.insight import Dependence, Importance, Insight, Interaction, Rungs, Share, Step

__all__ = [
    "Calibration",
    "Choices",
    "Dependence",
    "Difference",
    "Evidence",
    "Explanation",
    "FailureKind",
    "Importance",
    "Insight",
    "Interaction",
    "Period",
    "Rungs",
    "Share",
    "Step",
    "calibration",
    "explanation",
    "choices",
    "failures",
]
