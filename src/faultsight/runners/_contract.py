"""What a runner is: `map(function, parts)` returns a result for each part, in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self, TypeVar

from faultsight.core.errors import FaultSightError

__all__ = ["Runner", "RunnerError"]

Part = TypeVar("Part")
Result = TypeVar("Result")


class RunnerError(FaultSightError):
    """A part cannot be run at all: whoever tries it is killed."""


class Runner(ABC):
    """The base of every runner: keyword settings in `__init__`, one verb.

    A member keeps its settings in a frozen dataclass `config` and implements `_map`. Functions
    are importable by name and parts can be pickled, so that they may run in other processes. A
    function must depend on its part alone: a part may be run again after its worker was lost.

    Examples
    --------
    >>> from faultsight.runners import RUNNERS
    >>> RUNNERS.names()
    ['processes', 'serial']
    """

    config: Any
    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]

    @property
    def workers(self) -> int:
        """How many parts are run at once."""
        return 1

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """Apply a function to each part.

        Parameters
        ----------
        function : callable
            Of one part.
        parts : iterable
            The parts.

        Returns
        -------
        list
            A result for each part, in order of the parts.

        Raises
        ------
        RunnerError
            If a part costs its worker's life time and again.
        Exception
            What the function raises on the first part, in order, that it cannot do.
        """
        parts = list(parts)
        return self._map(function, parts) if parts else []

    @abstractmethod
    def _map(self, function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Apply the function; there is at least one part."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go; a later `map` engages new ones."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
