"""One thread of torch while a network learns: with more, sums are added up in another order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Learn on one thread of torch, whatever the program around has set; also a decorator.

    Examples
    --------
    >>> torch.set_num_threads(2)
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads()
    2
    >>> torch.set_num_threads(1)
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
