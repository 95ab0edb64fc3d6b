"""Serial: one part after another, here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from faultsight.runners._contract import Runner

__all__ = ["Serial", "SerialConfig"]

Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SerialConfig:
    """There is nothing to set."""


class Serial(Runner):
    """Runs every part in this thread; what others must agree with.

    Examples
    --------
    >>> Serial().map(abs, [-2, 1])
    [2, 1]
    """

    def __init__(self, config: SerialConfig | None = None) -> None:
        self.config = config or SerialConfig()

    def _map(self, function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        return [function(part) for part in parts]

    def close(self) -> None:
        """Nothing is held."""
