"""Measurements, each against a rival or a baseline in the same run; run by hand, results kept in `results/`."""
