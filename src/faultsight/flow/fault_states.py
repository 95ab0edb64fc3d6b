"""All faults of a polls feed as they stood after each window, on disk: where to go on from.

``faults/<feed>/<end>.json`` holds what `faultsight.diagnose.faults.faults_to_json` writes. Polls
that come late change a window of the past; from the state before it the faults are followed anew.
"""

from __future__ import annotations

from pathlib import Path

from faultsight.core.errors import InputError
from faultsight.core.files import write_atomic
from faultsight.diagnose.faults import Fault, faults_from_json, faults_to_json

__all__ = ["FaultStates"]


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
    >>> states.read(86_400), states.read(172_800)
    ([], [])
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def read(self, end_s: int) -> list[Fault]:
        """Return the faults after the window that ended then; none if there is no such state.

        Raises
        ------
        InputError
            If the file cannot be read; names it.
        """
        path = self._path(end_s)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise InputError("cannot be read as faults", source=str(path)) from error
        return faults_from_json(text, source=str(path))

    def write(self, end_s: int, faults: list[Fault]) -> None:
        """Write the faults after a window, in place of what was said of it before."""
        write_atomic(self._path(end_s), faults_to_json(faults))

    def trim(self, before_s: int) -> None:
        """Remove the states of windows that ended before a moment."""
        for path in self.folder.glob("*.json"):
            if path.stem.lstrip("-").isdecimal() and int(path.stem) < before_s:
                path.unlink(missing_ok=True)

    def _path(self, end_s: int) -> Path:
        return self.folder / f"{end_s}.json"
