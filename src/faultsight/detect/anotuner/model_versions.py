"""Versions of a model: each tuning adds one, one action goes back to the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faultsight.core.errors import InputError
from faultsight.core.files import write_atomic
from faultsight.detect.anotuner._folder import load_model, read_card, save_model

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTuner

__all__ = ["ModelVersions"]

_CURRENT, _FIGURES = "current", "figures.json"


@dataclass(frozen=True)
class ModelVersions:
    """A folder that holds every version of a model, and says which one is in use.

    Versions are numbered folders; a file names the current one. A version is never changed, so
    that going back is writing one line.

    Parameters
    ----------
    root : path
        The folder.
    """

    root: Path

    @property
    def versions(self) -> list[int]:
        """Numbers of the complete versions, in order."""
        found = [p.parent.name for p in self.root.glob("*/model.json")]
        # Other folders beside them, such as a copy called 0002-old, are none of ours.
        return sorted(int(n) for n in found if n.isdecimal() and n == _folder_name(int(n)))

    @property
    def current(self) -> int:
        """The version in use.

        Raises
        ------
        InputError
            If the folder holds no model.
        """
        path = self.root / _CURRENT
        try:
            number = int(path.read_text(encoding="utf-8").strip())
        except OSError as error:
            raise InputError("there is no model here", source=str(self.root)) from error
        except ValueError as error:
            raise InputError("names no version", source=str(path)) from error
        if number not in self.versions:
            raise InputError(f"names version {number}, which is not here", source=str(path))
        return number

    def card(self, version: int | None = None) -> dict[str, Any]:
        """Return what a version says of itself; the current one if none is named.

        Raises
        ------
        InputError
            If there is no such version.
        """
        return read_card(self._folder(version))

    def load(self, version: int | None = None) -> AnoTuner:
        """Return a version's model; the current one if none is named.

        Raises
        ------
        InputError
            If there is no such version, or one that it was tuned from is not here.
        """
        model = untuned = load_model(self._folder(version))
        told = self.card(version)
        while untuned.marks:
            parent = told["card"].get("parent")
            if parent not in self.versions:
                raise InputError(
                    f"was tuned from version {parent}, which is not here",
                    source=str(self._folder(version)),
                )
            untuned, told = load_model(self._folder(parent)), self.card(parent)
        if model.marks:
            model.ancestor = untuned
        return model

    def marked_until(self, version: int | None = None) -> int | None:
        """Return the end of the latest row that marks told a version of.

        In seconds since 1970 UTC, or None for a version that no mark has tuned. Judged on
        earlier rows, a version would be judged on what it was told.

        Raises
        ------
        InputError
            If there is no such version, or its card names no time.
        """
        told = self.card(version)["card"].get("marked_until")
        if told is None:
            return None
        try:
            return int(datetime.fromisoformat(told).timestamp())
        except (TypeError, ValueError) as error:
            source = str(self._folder(version))
            raise InputError(f"marked_until is {told!r}, not a time", source=source) from error

    def figures(self) -> dict[int, dict[str, Any]]:
        """Return what each version reached when it was last judged; of those ever judged.

        Raises
        ------
        InputError
            If the file that keeps them is damaged; names it.
        """
        path = self.root / _FIGURES
        try:
            told = json.loads(path.read_bytes())
            found = {int(number): dict(figures) for number, figures in told.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError("holds no figures of versions", source=str(path)) from error
        return {number: found[number] for number in self.versions if number in found}

    def keep_figures(self, figures: Mapping[int, Mapping[str, Any]]) -> None:
        """Keep what versions reached on labelled rows; a version has those of the last time.

        They lie beside the versions, which never change.

        Parameters
        ----------
        figures : mapping of int to mapping
            By version, for JSON: what was judged, and how it came out.
        """
        kept = self.figures() | {number: dict(told) for number, told in figures.items()}
        text = json.dumps(
            {str(number): kept[number] for number in sorted(kept)}, indent=1, allow_nan=False
        )
        write_atomic(self.root / _FIGURES, text + "\n")

    def add(self, model: AnoTuner, card: Mapping[str, Any]) -> int:
        """Write a new version, put it in use, and return its number."""
        number = max(self.versions, default=0) + 1
        parent = self.current if self.versions else None
        save_model(model, self.root / _folder_name(number), {**card, "parent": parent})
        self._use(number)
        return number

    def revert(self, version: int | None = None) -> int:
        """Put another version in use, the current one's parent if none is named; return it.

        Raises
        ------
        InputError
            If there is no such version.
        """
        if version is None:
            version = self.card()["card"].get("parent")
            if version is None:
                raise InputError("the current version is the first", source=str(self.root))
        self._folder(version)
        self._use(version)
        return version

    def _folder(self, version: int | None) -> Path:
        if version is None:
            version = self.current
        elif version not in self.versions:
            known = ", ".join(map(str, self.versions)) or "none"
            raise InputError(f"no version {version}; there are {known}", source=str(self.root))
        return self.root / _folder_name(version)

    def _use(self, version: int) -> None:
        write_atomic(self.root / _CURRENT, f"{_folder_name(version)}\n")


def _folder_name(version: int) -> str:
    return f"{version:04d}"
