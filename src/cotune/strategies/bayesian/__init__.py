"""Bayesian optimisation with a Gaussian process (loads torch)."""

from cotune.strategies.bayesian.strategy import BayesianOptimization

__all__ = ["BayesianOptimization"]
