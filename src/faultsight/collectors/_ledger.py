"""Which files were taken in: what makes each come in once, however often a folder is looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from faultsight.core.files import write_atomic

__all__ = ["FileLedger", "Ledger", "file_key"]

_CHUNK = 1 << 20


class Ledger(Protocol):
    """Remembers the files of one feed."""

    def seen(self, key: str) -> bool:
        """Whether a file was taken in, or refused, before."""

    def record(
        self, key: str, path: str, n_rows: int, n_quarantined: int, reasons: Mapping[str, int]
    ) -> object:
        """Note a file.

        Parameters
        ----------
        key : str
            See `file_key`.
        path : str
            Where it lies; never opened by this name.
        n_rows, n_quarantined : int
            Rows taken, and rows set aside.
        reasons : mapping of str to int
            Why rows were set aside, and how many for each reason.
        """


class FileLedger:
    """Remembers files in a folder, one small file for each.

    Parameters
    ----------
    folder : path
        Made when the first file is noted.

    Examples
    --------
    >>> import tempfile
    >>> ledger = FileLedger(tempfile.mkdtemp())
    >>> ledger.record("0a1b", "monday.csv", 24, 1, {"future": 1})
    >>> ledger.seen("0a1b"), ledger.seen("0a1c")
    (True, False)
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def seen(self, key: str) -> bool:
        """Whether a file was taken in, or refused, before."""
        return self._path(key).exists()

    def record(
        self, key: str, path: str, n_rows: int, n_quarantined: int, reasons: Mapping[str, int]
    ) -> None:
        """Note a file; see `Ledger.record`."""
        told = {"path": path, "n_rows": n_rows, "n_quarantined": n_quarantined}
        write_atomic(
            self._path(key), json.dumps({**told, "reasons": dict(reasons)}, indent=1) + "\n"
        )

    def _path(self, key: str) -> Path:
        # Hashed: a key is told by somebody else, and must not become a path.
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def file_key(path: Path) -> str:
    """Return what a file is known by: name, size and content.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("entity")
    >>> len(file_key(path)), file_key(path) == file_key(path)
    (64, True)
    """
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            digest.update(chunk)
    told = (path.name.encode("utf-8", "surrogateescape"), str(size).encode(), digest.digest())
    return hashlib.sha256(b"\0".join(told)).hexdigest()
