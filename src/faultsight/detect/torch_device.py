"""Where a network runs: on the processor, or on a GPU that torch sees."""

from __future__ import annotations

import torch

from faultsight.core.errors import SettingError

__all__ = ["DEVICES", "checked_device"]

DEVICES = ("cpu", "cuda")


def checked_device(name: str) -> str:
    """Return the name of a device that is there.

    If it is a GPU, cuDNN is kept from TF32 from now on: it has 10 bits of a float32's 23, and
    scores would be a thousandth off those of the processor.

    Raises
    ------
    SettingError
        If it is none of `DEVICES`, or torch sees no GPU.

    Examples
    --------
    >>> checked_device("cpu")
    'cpu'
    """
    if name not in DEVICES:
        raise SettingError(f"device is {' or '.join(map(repr, DEVICES))}, not {name!r}")
    if name == "cuda":
        if not torch.cuda.is_available():
            raise SettingError(
                f"device 'cuda': torch {torch.__version__} sees no GPU here; use 'cpu'"
            )
        torch.backends.cudnn.allow_tf32 = False
    return name
