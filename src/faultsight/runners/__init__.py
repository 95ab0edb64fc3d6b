"""Where work is done: one verb, ``map(function, parts)``; results never depend on the runner.

>>> with RUNNERS.load("serial")() as runner:
...     runner.map(len, ["a", "bcd"])
[1, 3]
"""

from __future__ import annotations

from faultsight.core.family import Family
from faultsight.runners._checks import CHECKS
from faultsight.runners._contract import Runner, RunnerError

__all__ = ["CHECKS", "RUNNERS", "Runner", "RunnerError"]

RUNNERS: Family[Runner] = Family(
    kind="runner",
    base=Runner,
    packages=("faultsight.runners",),
    entry_point_group="faultsight.runners",
)
"""Every runner by name."""
