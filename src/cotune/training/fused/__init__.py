"""Many runs trained as lanes of one vectorised pass, with the user's ordinary PyTorch code."""

from cotune.training.fused.lanes import Kind, Kinds
from cotune.training.fused.population import Population
from cotune.training.fused.probe import Verdict, probe
from cotune.training.fused.refusal import Unfusable

__all__ = ["Kind", "Kinds", "Population", "Unfusable", "Verdict", "probe"]
