"""Where trials are trained.

Import from the files themselves: `executor`, `equipment` and `interruption` are light, the others load torch.
"""
