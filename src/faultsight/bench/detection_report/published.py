"""The results that the report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faultsight.bench.engine import BenchResult, Row, read_result
from faultsight.core.errors import MissingDataError

__all__ = ["Published", "read_published"]

_WANTED = ("detect-leaderboard", "detect-table1", "detect-base", "detect-feedback")


@dataclass(frozen=True)
class Published:
    """The results that are there.

    Attributes
    ----------
    results : mapping of str to BenchResult
        By file name without ``.json``.
    missing : tuple of str
        The names of those that are not there.
    """

    results: Mapping[str, BenchResult]
    missing: tuple[str, ...]

    def rows(self, name: str) -> Sequence[Row]:
        """Return the rows of a result; none if it is missing."""
        return self.results[name].rows if name in self.results else ()

    def summary(self, name: str, part: str | None = None) -> list[Row]:
        """Return what a result says over all rows, or one part of it; nothing if it is missing."""
        told = self.results[name].summary if name in self.results else ()
        return [row for row in told if part is None or row.get("part") == part]


def read_published(folder: Path | str) -> Published:
    """Read ``detect-leaderboard``, ``detect-table1``, ``detect-base`` and ``detect-feedback*``.

    Raises
    ------
    InputError
        If one of them is not the result of a benchmark; names the file.
    MissingDataError
        If none is there.
    """
    folder = Path(folder)
    feedback = sorted(path.stem for path in folder.glob("detect-feedback*.json"))
    names = list(dict.fromkeys([*_WANTED, *feedback]))
    there = [name for name in names if (folder / f"{name}.json").is_file()]
    if not there:
        wanted = ", ".join(f"{name}.json" for name in _WANTED)
        raise MissingDataError(f"{folder} holds none of {wanted}: see `make benchmarks`")
    return Published(
        {name: read_result(folder / f"{name}.json") for name in there},
        tuple(name for name in names if name not in there),
    )
