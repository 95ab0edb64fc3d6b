"""A fitted TelApart as a model folder: one JSON file, there as a whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faultsight.core.errors import InputError
from faultsight.core.files import write_atomic
from faultsight.diagnose.telapart import TelApart

__all__ = ["load_diagnoser", "read_diagnoser_card", "save_diagnoser"]

_MODEL, _CARD = "telapart.json", "model.json"


def save_diagnoser(model: TelApart, folder: Path | str, card: Mapping[str, Any]) -> Path:
    """Write a fitted diagnoser and its card.

    Raises
    ------
    InputError
        If it is not fitted, or another model lies there.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    try:
        model.save(written / _MODEL)
        told = {"format": 1, "method": "telapart", "card": dict(card)}
        write_atomic(written / _CARD, json.dumps(told, indent=1, sort_keys=True) + "\n")
        if folder.exists():
            if any(
                (folder / n).read_bytes() != (written / n).read_bytes() for n in (_MODEL, _CARD)
            ):
                raise InputError(
                    "another model lies here; a model is never changed", source=str(folder)
                )
            return folder
        written.chmod(0o755)
        written.rename(folder)
    finally:
        shutil.rmtree(written, ignore_errors=True)
    return folder


def load_diagnoser(folder: Path | str) -> TelApart:
    """Read a diagnoser that `save_diagnoser` wrote.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind; names the file.
    """
    path = Path(folder) / _MODEL
    if not path.is_file():
        raise InputError("there is no model here", source=str(path))
    return TelApart.load(path)


def read_diagnoser_card(folder: Path | str) -> dict[str, Any]:
    """Return what was told of a diagnoser when it was written.

    Raises
    ------
    InputError
        If there is no card; names the file.
    """
    path = Path(folder) / _CARD
    try:
        card = json.loads(path.read_bytes())["card"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("there is no model here", source=str(path)) from error
    return dict(card)
