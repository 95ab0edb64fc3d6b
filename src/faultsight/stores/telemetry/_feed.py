"""feed.json: what a feed is, and how far it is written; replacing it is what commits an append."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from faultsight.core.errors import InputError, SettingError
from faultsight.core.files import write_atomic

__all__ = ["Feed", "FeedKind", "FeedLimits"]

FeedKind = Literal["kpi", "cube"]

_FORMAT = "faultsight feed 1"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class FeedLimits:
    """What a feed takes, and what it refuses or sets aside.

    Parameters
    ----------
    skew_s : int
        How far ahead of the moment of receipt a stamp may be: clocks are never quite right, and a
        row of tomorrow is wrong.
    time_zone : str
        Of stamps that tell none. In a zone with daylight saving, the hour that comes twice and the
        one that is left out cannot be told and are set aside: better tell an offset.
    max_rows : int
        Of one append.
    max_columns : int
        KPIs or measures of the feed.
    max_entities : int
        Entities of the feed; elements of one attribute of a cube.
    max_name_bytes : int
        Of an entity, element or column.
    """

    skew_s: int = 300
    time_zone: str = "UTC"
    max_rows: int = 20_000_000
    max_columns: int = 1000
    max_entities: int = 1_000_000
    max_name_bytes: int = 1024

    def __post_init__(self) -> None:
        for name in ("max_rows", "max_columns", "max_entities", "max_name_bytes"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 1")
        if self.skew_s < 0:
            raise SettingError("skew_s must not be negative")
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, KeyError) as error:
            raise SettingError(f"there is no time zone {self.time_zone!r}") from error


@dataclass(frozen=True)
class Feed:
    """What feed.json holds.

    Attributes
    ----------
    name, kind, interval_s, n_buckets : str, str, int, int
        Told when the feed was made.
    attributes : tuple of str
        The columns that say whose row it is: ``entity``, or the attributes of a cube.
    limits : FeedLimits
        What is refused or set aside.
    quarantine : str
        Folder of rows set aside, as seen from the feed's.
    is_open : bool
        Whether new columns of numbers become KPIs.
    columns : tuple of str
        KPIs or measures, in the order they were first seen.
    last : int
        Number of the last append; files of higher numbers do not count.
    newest_s : int, optional
        The newest stamp; none before the first row.
    kept_from_s : int, optional
        Rows before it were given up.
    names_file : int
        Number of the append that last wrote the list of entities; -1 is none.
    recent : tuple of dict
        The last appends that had a key: ``key``, and what was told of each.
    """

    name: str
    kind: FeedKind
    interval_s: int
    n_buckets: int
    attributes: tuple[str, ...]
    limits: FeedLimits
    quarantine: str = "quarantine"
    is_open: bool = True
    columns: tuple[str, ...] = ()
    last: int = -1
    newest_s: int | None = None
    kept_from_s: int | None = None
    names_file: int = -1
    recent: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingError(
                f"a feed's name matches {_NAME.pattern}, which {self.name!r} does not"
            )
        if self.kind not in ("kpi", "cube"):
            raise SettingError(f"a feed's kind is kpi or cube, not {self.kind!r}")
        if self.interval_s < 1:
            raise SettingError(f"the interval must be positive, not {self.interval_s} s")
        if not 1 <= self.n_buckets <= 1024:
            raise SettingError(f"there are 1 to 1024 buckets, not {self.n_buckets}")
        if not self.attributes:
            raise SettingError("a cube has attributes; name its columns")
        named = [*self.attributes, *self.columns, "timestamp"]
        if len(set(named)) != len(named):
            raise SettingError("two columns of the feed have one name")

    @classmethod
    def read(cls, folder: Path) -> Feed:
        """Read a feed's description.

        Raises
        ------
        InputError
            If the folder is not a feed's; names it.
        """
        try:
            told = json.loads((folder / "feed.json").read_text(encoding="utf-8"))
            if told.pop("format") != _FORMAT:
                raise InputError(f"its format is not {_FORMAT!r}", source=str(folder))
            told["limits"] = FeedLimits(**told["limits"])
            for name in ("attributes", "columns"):
                told[name] = tuple(map(str, told[name]))
            told["recent"] = tuple(map(dict, told["recent"]))
            return cls(**told)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SettingError) as error:
            raise InputError("not a feed of telemetry", source=str(folder)) from error

    def write(self, folder: Path) -> None:
        """Replace the description, whole or not at all."""
        told: dict[str, Any] = {"format": _FORMAT, **asdict(self)}
        path = folder / "feed.json"
        try:
            write_atomic(path, json.dumps(told, indent=1) + "\n")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error

    def differing(self, told: Mapping[str, object]) -> list[str]:
        """Return which of the feed's fixed properties differ from those told."""
        known = {one.name for one in fields(self)}
        return [name for name, value in told.items()
                if name in known and getattr(self, name) != value]  # fmt: skip

    def changed(self, **values: Any) -> Feed:
        """Return the feed with some values changed."""
        return replace(self, **values)
