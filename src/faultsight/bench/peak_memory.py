"""The largest memory of this process while something runs, as Linux counts it."""

from __future__ import annotations

import sys
from pathlib import Path

from faultsight.bench.engine import Row

__all__ = ["PeakMemory", "memory_note"]

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class PeakMemory:
    """The largest memory of this process since now; elsewhere than on Linux it is not known.

    Examples
    --------
    >>> sorted(PeakMemory().since())
    ['added_mb', 'memory_mb']
    """

    def __init__(self) -> None:
        self._before: float | None = None
        try:
            _RESET.write_text("5")
            self._before = _read("VmRSS")
        except OSError:
            pass

    def since(self, *, column: str = "memory_mb") -> Row:
        """Return the peak in MB under a column's name, and how far it is above what was before."""
        if self._before is None:
            return {column: None, "added_mb": None}
        peak = _read("VmHWM")
        return {column: peak, "added_mb": max(peak - self._before, 0.0)}


def memory_note(*, column: str = "memory_mb") -> str:
    """Return what the two figures mean."""
    if sys.platform != "linux":
        return "memory is not measured on this system"
    return (
        f"{column} is the largest resident memory of the whole process during the work, with all "
        "libraries and models, and added_mb what that is above the memory right before"
    )


def _read(name: str) -> float:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6
