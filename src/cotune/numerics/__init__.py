"""Mathematics on arrays and tensors; it knows nothing of trials."""
