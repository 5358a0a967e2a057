"""Many runs trained as lanes of one vectorised pass, with the user's ordinary PyTorch code."""

from cotune.training.fused.census import Census
from cotune.training.fused.kinds import Kind, Kinds, told
from cotune.training.fused.population import Measured, Population
from cotune.training.fused.probe import Verdict, probe
from cotune.training.fused.refusal import Unfusable
from cotune.training.fused.signature import EXACT, TRAININGS, Form

__all__ = [
    "EXACT",
    "TRAININGS",
    "Census",
    "Form",
    "Kind",
    "Kinds",
    "Measured",
    "Population",
    "Unfusable",
    "Verdict",
    "probe",
    "told",
]
