"""Work that is shared out among the cores of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

__all__ = ["run_all"]


def run_all(tasks: Sequence[Callable[[], None]], *, workers: int | None = None) -> None:
    """Run tasks, each of which writes to places of its own.

    So what they write does not depend on the number of threads, or on which ends first.

    Parameters
    ----------
    tasks : sequence of callable
        They are begun in this order; long ones had better come first.
    workers : int, optional
        Threads; one for each core if not given.

    Examples
    --------
    >>> places = [0, 0, 0]
    >>> run_all([lambda i=i: places.__setitem__(i, i + 1) for i in range(3)], workers=2)
    >>> places
    [1, 2, 3]
    """
    # A single task does not ask how many cores there are, which takes longer than many a task.
    workers = min(workers or os.cpu_count() or 1, len(tasks)) if len(tasks) > 1 else 1
    if workers < 2:
        for task in tasks:
            task()
        return
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result()
