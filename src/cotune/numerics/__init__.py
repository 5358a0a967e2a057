"""Numerical methods: arrays in, arrays out. They know nothing of trials."""
