"""torch, for the peers that need it, or an error that says which extra brings it."""

from __future__ import annotations

from faultsight.core.errors import MissingExtraError

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError("this detector", "detect") from error

__all__ = ["Tensor", "functional", "nn", "torch"]

torch.set_num_threads(1)  # more are slower on such small steps, and sums would round otherwise
