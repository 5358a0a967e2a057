"""Training in processes of their own, on all cores and GPUs of one machine (loads torch)."""

from cotune.executors.processes.settings import Processes

__all__ = ["Processes"]
