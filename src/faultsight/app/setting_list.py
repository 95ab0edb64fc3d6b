"""Settings as they are now, and changed while the service runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faultsight.app.roles import Principal
from faultsight.app.settings import SettingInfo, Settings, every_setting
from faultsight.core.errors import NotFoundError, SettingError
from faultsight.stores.operations import Operations

__all__ = ["SettingList", "SettingView", "stored_changes"]

_SECRET = ("database", "notifiers")
"""Settings that may hold a password; never shown."""


@dataclass(frozen=True)
class SettingView:
    """One setting as it is shown.

    Attributes
    ----------
    key, default, description, editable
        As listed.
    value : object
        What holds now.
    changed_by, changed_s, why : optional
        Who changed it while the service ran, when and why.
    version : int
        For the next change; 0 if it was never changed so.
    """

    key: str
    value: Any
    default: Any
    description: str
    editable: bool
    changed_by: str | None
    changed_s: int | None
    why: str | None
    version: int


def stored_changes(ops: Operations) -> Mapping[str, Any]:
    """Return the changes that were made while the service ran, by key.

    One whose key is not known any more, as after an upgrade, does not count.
    """
    editable = {info.key for info in every_setting() if info.editable}
    return {s.key: s.value for s in ops.settings.list() if s.key in editable}


class SettingList:
    """All settings.

    Parameters
    ----------
    ops : Operations
        Where changes are kept.
    current : callable
        Returns the settings that hold now.
    on_change : callable
        Told after a change.
    """

    def __init__(
        self, ops: Operations, current: Callable[[], Settings], on_change: Callable[[], None]
    ) -> None:
        self._ops = ops
        self._current = current
        self._on_change = on_change

    def all(self) -> list[SettingView]:
        """Return every setting, in the order of the list."""
        return [self._view(info) for info in every_setting()]

    def get(self, key: str) -> SettingView:
        """Return one setting.

        Raises
        ------
        NotFoundError
            If there is none of that key.
        """
        for info in every_setting():
            if info.key == key:
                return self._view(info)
        raise NotFoundError("setting", key)

    def change(
        self, key: str, value: Any, who: Principal, *, why: str, expected_version: int | None
    ) -> SettingView:
        """Change a setting; it holds at once.

        Raises
        ------
        SettingError
            If it cannot be changed while the service runs, or the value is not possible.
        StaleVersionError
            If somebody else was faster.
        """
        if not self.get(key).editable:
            raise SettingError(f"{key} cannot be changed while the service runs")
        self._current().changed({key: value})  # refuses what is not possible
        self._ops.settings.set(key, value, by=who.name, why=why, expected_version=expected_version)
        self._on_change()
        return self.get(key)

    def _view(self, info: SettingInfo) -> SettingView:
        held: Any = self._current()
        for part in info.key.split("."):
            held = getattr(held, part)
        stored = self._ops.settings.get(info.key)
        why = None
        if stored is not None:
            entries = self._ops.audit.page(subject=f"setting {info.key}", limit=1).items
            why = entries[0].why if entries else None
        return SettingView(
            key=info.key,
            value=_plain(info.key, held),
            default=_plain(info.key, info.default),
            description=info.description,
            editable=info.editable,
            changed_by=None if stored is None else stored.by,
            changed_s=None if stored is None else stored.at_s,
            why=why,
            version=0 if stored is None else stored.version,
        )


def _plain(key: str, value: Any) -> Any:
    if key in _SECRET and value:
        return "(not shown)"
    if isinstance(value, Path):
        return value.name or str(value)
    if isinstance(value, tuple):
        return [
            item.model_dump(mode="json") if hasattr(item, "model_dump") else item for item in value
        ]
    return value
