"""Data sets to start with: one that is always there, and one that torchvision downloads."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cotune.errors import MissingPackage, StorageError


def digits() -> tuple[Tensor, Tensor]:
    """1,797 handwritten digits of 8 x 8 pixels, bundled with cotune.

    Returns x (1797, 64) float32 in [0, 1] and y (1797,) int64 in 0..9. Source: Alpaydin & Kaynak 1998, "Optical
    Recognition of Handwritten Digits", UCI Machine Learning Repository, CC BY 4.0 (DIGITS_LICENSE.md).

    >>> x, y = digits()
    >>> x.shape, y.shape
    (torch.Size([1797, 64]), torch.Size([1797]))
    """
    with (
        resources.files(__package__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        images, labels = stored["images"], stored["labels"]
    return torch.from_numpy(images.astype(np.float32) / 16), torch.from_numpy(labels.astype(np.int64))


def mnist(root: str | Path, *, train: bool = True) -> tuple[Tensor, Tensor]:
    """MNIST from the folder `root`, downloaded there by torchvision when it is not there yet.

    Returns x (n, 1, 28, 28) float32 in [0, 1] and y (n,) int64; n is 60,000 for train, 10,000 otherwise. MissingPackage
    without torchvision; StorageError when the files are neither there nor can be downloaded.
    """
    try:
        from torchvision.datasets import MNIST
    except ImportError as error:
        raise MissingPackage("data.mnist() needs torchvision: pip install 'cotune[vision]'") from error
    try:
        stored = MNIST(str(root), train=train, download=True)
    except (RuntimeError, OSError) as error:
        raise StorageError(
            f"data.mnist(root={str(root)!r}) found no MNIST there and could not download it ({error}). "
            "Copy the MNIST/raw folder of another machine there, or use data.digits(), which needs no download."
        ) from error
    return stored.data.unsqueeze(1).float() / 255, stored.targets.long()
