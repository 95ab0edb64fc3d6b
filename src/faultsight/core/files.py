"""Files out: complete or not there at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_atomic"]


def write_atomic(path: Path | str, content: str | bytes) -> Path:
    """Write a file under a temporary name, sync it, and rename it into place.

    Whoever reads the path sees the old file or the whole new one, also after a crash. Folders
    that are missing are made.

    Returns
    -------
    pathlib.Path
        The path written.

    Examples
    --------
    >>> folder = tempfile.mkdtemp()
    >>> write_atomic(Path(folder) / "a.txt", "done").read_text()
    'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
