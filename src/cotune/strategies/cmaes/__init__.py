"""The covariance matrix adaptation evolution strategy, for all kinds of parameters."""

from cotune.strategies.cmaes.strategy import CmaEs

__all__ = ["CmaEs"]
