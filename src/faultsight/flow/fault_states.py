"""All faults of a polls feed as they stood after each window, on disk: where to go on from.

``faults/<feed>/<end>.json`` holds what `faultsight.diagnose.faults.faults_to_json` writes. Polls
that come late change a window of the past; from the state before it the faults are followed anew.
Of the past that late polls cannot change any more the first state of each week stays, so that any
day can be replayed from a few days before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from faultsight.core.errors import InputError
from faultsight.core.files import write_atomic
from faultsight.diagnose.faults import Fault, faults_from_json, faults_to_json

__all__ = ["FaultStates", "MemoryStates", "States"]

_WEEK_S = 7 * 86_400


class States(Protocol):
    """Where the faults after each window stand: on disk, or in memory for a trial run."""

    def read(self, end_s: int) -> list[Fault] | None:
        """Return the faults after the window that ended then; None if that is not known."""

    def latest_s(self, end_s: int) -> int | None:
        """Return the moment of the last state up to a moment; None before the first."""

    def write(self, end_s: int, faults: list[Fault]) -> None:
        """Write the faults after a window, in place of what was said of it before."""

    def thin(self, before_s: int) -> None:
        """Keep of windows that ended before a moment only the first of each week."""


class FaultStates:
    """The states of one feed.

    Parameters
    ----------
    folder : path
        ``faults/<feed>`` in the state folder; it need not be there.

    Examples
    --------
    >>> import tempfile
    >>> states = FaultStates(Path(tempfile.mkdtemp()) / "plant")
    >>> states.write(86_400, [])
    >>> states.read(86_400), states.read(172_800), states.latest_s(172_800)
    ([], None, 86400)
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def read(self, end_s: int) -> list[Fault] | None:
        """Return the faults after the window that ended then; None if that is not known.

        Raises
        ------
        InputError
            If the file cannot be read; names it.
        """
        path = self._path(end_s)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError("cannot be read as faults", source=str(path)) from error
        return faults_from_json(text, source=str(path))

    def first_s(self) -> int | None:
        """Return the moment of the first state that is kept; None if there is none."""
        return min(self._ends(), default=None)

    def latest_s(self, end_s: int) -> int | None:
        """Return the moment of the last state up to a moment; None before the first."""
        return max((told_s for told_s in self._ends() if told_s <= end_s), default=None)

    def write(self, end_s: int, faults: list[Fault]) -> None:
        """Write the faults after a window, in place of what was said of it before."""
        write_atomic(self._path(end_s), faults_to_json(faults))

    def thin(self, before_s: int) -> None:
        """Keep of windows that ended before a moment only the first of each week."""
        weeks: set[int] = set()
        for end_s in sorted(told_s for told_s in self._ends() if told_s < before_s):
            if end_s // _WEEK_S in weeks:
                self._path(end_s).unlink(missing_ok=True)
            weeks.add(end_s // _WEEK_S)

    def drop(self, before_s: float) -> int:
        """Give up the states of windows that ended before a moment; say how many."""
        gone = [end_s for end_s in self._ends() if end_s < before_s]
        for end_s in gone:
            self._path(end_s).unlink(missing_ok=True)
        return len(gone)

    def _ends(self) -> Iterator[int]:
        for path in self.folder.glob("*.json"):
            if path.stem.lstrip("-").isdecimal():
                yield int(path.stem)

    def _path(self, end_s: int) -> Path:
        return self.folder / f"{end_s}.json"


class MemoryStates:
    """Nothing stored: what a trial run says of faults stays here.

    Parameters
    ----------
    end_s, faults
        What to go on from.

    Examples
    --------
    >>> states = MemoryStates(86_400, [])
    >>> states.read(86_400), states.latest_s(0)
    ([], None)
    """

    def __init__(self, end_s: int, faults: list[Fault]) -> None:
        self._faults = {end_s: faults}

    def read(self, end_s: int) -> list[Fault] | None:
        """Return the faults after the window that ended then; None if that is not known."""
        return self._faults.get(end_s)

    def latest_s(self, end_s: int) -> int | None:
        """Return the moment of the last state up to a moment; None before the first."""
        return max((told_s for told_s in self._faults if told_s <= end_s), default=None)

    def write(self, end_s: int, faults: list[Fault]) -> None:
        """Keep the faults after a window, in place of what was said of it before."""
        self._faults[end_s] = faults

    def thin(self, before_s: int) -> None:
        """Keep all: a trial run is short."""
