"""The cable plant: CMTS > fiber node > amplifiers > taps > modems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import polars as pl

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.exported_tables import with_plain_headings
from faultsight.core.kpi_frame import entity_names, numbers
from faultsight.core.mac_addresses import in_one_notation
from faultsight.core.tables import as_polars

__all__ = ["ModemPlace", "Plant"]

_MOST_DEGREES = {"latitude": 90, "longitude": 180}


@dataclass(frozen=True)
class ModemPlace:
    """Where one modem hangs.

    Attributes
    ----------
    device_id, fnode : str
        The modem and its fiber node.
    amplifier : str
        The last amplifier before it; empty where none is known.
    tap : str
        Its tap; empty where none is known.
    latitude, longitude : float, optional
        In degrees.
    """

    device_id: str
    fnode: str
    amplifier: str = ""
    tap: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, eq=False)
class Plant:
    """Topology of any number of fiber nodes.

    Attributes
    ----------
    places : mapping of str to ModemPlace
        By device.
    parents : mapping of (str, str) to str
        The amplifier before an amplifier, by fiber node and amplifier; empty: the node itself.

    Examples
    --------
    >>> plant = Plant.from_table(pl.DataFrame({"device_id": ["a", "b", "c"], "fnode": ["F"] * 3,
    ...     "amplifier": ["A1", "A2", "A2"], "amplifier_parent": ["", "A1", "A1"],
    ...     "tap": ["t1", "t2", "t3"]}))
    >>> plant.common_element(["b", "c"]), plant.common_element(["a", "c"])
    (('amplifier', 'A2'), ('amplifier', 'A1'))
    """

    places: Mapping[str, ModemPlace] = field(default_factory=dict)
    parents: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def from_table(cls, table: Any, *, source: str | None = None) -> Plant:
        """Return the plant of a table.

        Parameters
        ----------
        table : any eager frame
            Columns ``device_id`` and ``fnode``; optionally ``amplifier``, ``amplifier_parent``,
            ``tap``, ``latitude``, ``longitude``.
        source : str, optional
            The file, for messages.

        Raises
        ------
        InputError
            If a column is missing, a device stands twice (a MAC address in any notation), an
            amplifier has two parents, amplifiers form a circle, or a place is not on the globe;
            names column and row.
        """
        rows = with_plain_headings(as_polars(table))
        for column in ("device_id", "fnode"):
            if column not in rows.columns:
                raise MissingColumnError(column, rows.columns, source=source)
        devices, fnodes = (
            entity_names(rows[column], source).str.strip_chars().to_list()
            for column in ("device_id", "fnode")
        )
        texts = {c: _texts(rows, c) for c in ("amplifier", "amplifier_parent", "tap")}
        places_deg = {c: _degrees(rows, c, source) for c in ("latitude", "longitude")}
        places: dict[str, ModemPlace] = {}
        seen: set[str] = set()
        parents: dict[tuple[str, str], str] = {}
        for row, (device, fnode) in enumerate(zip(devices, fnodes, strict=True)):
            key = in_one_notation(device)
            if key in seen:
                raise InputError(
                    f"{device!r} stands twice", source=source, column="device_id", row=row + 1
                )
            seen.add(key)
            amplifier, parent = texts["amplifier"][row], texts["amplifier_parent"][row]
            places[device] = ModemPlace(
                device, fnode, amplifier, texts["tap"][row],
                places_deg["latitude"][row], places_deg["longitude"][row],
            )  # fmt: skip
            if amplifier and parents.setdefault((fnode, amplifier), parent) != parent:
                raise InputError(
                    f"amplifier {amplifier!r} of {fnode!r} has two parents",
                    source=source, column="amplifier_parent", row=row + 1,
                )  # fmt: skip
        plant = cls(places, parents)
        for fnode, amplifier in parents:
            try:
                plant.upstream(fnode, amplifier)
            except InputError as error:
                raise InputError(
                    error.problem, source=source, column="amplifier_parent"
                ) from None  # fmt: skip
        return plant

    def named_like(self, device_ids: Iterable[str]) -> Plant:
        """Return the plant, each MAC address written as some devices' names write it.

        Examples
        --------
        >>> plant = Plant({"AA-00-00-00-00-01": ModemPlace("AA-00-00-00-00-01", "F")})
        >>> list(plant.named_like(["aa:00:00:00:00:01"]).places)
        ['aa:00:00:00:00:01']
        """
        strange = [device for device in device_ids if device not in self.places]
        written = {
            name: device
            for device in strange
            if (name := self._name_of_key.get(in_one_notation(device))) is not None
        }
        if not written:
            return self
        places = {
            written.get(name, name): replace(place, device_id=written.get(name, name))
            for name, place in self.places.items()
        }
        return Plant(places, self.parents)

    @cached_property
    def _name_of_key(self) -> dict[str, str]:
        return {in_one_notation(device): device for device in self.places}

    def upstream(self, fnode: str, amplifier: str) -> list[str]:
        """Return an amplifier and those before it, the nearest to the node last.

        Raises
        ------
        InputError
            If amplifiers form a circle.
        """
        path: list[str] = []
        while amplifier:
            if amplifier in path:
                raise InputError(f"amplifiers of {fnode!r} form a circle at {amplifier!r}")
            path.append(amplifier)
            amplifier = self.parents.get((fnode, amplifier), "")
        return path

    def common_element(self, device_ids: Iterable[str]) -> tuple[str, str] | None:
        """Return the kind and name of the lowest element that all of some modems hang on.

        Returns
        -------
        (str, str) or None
            ``("tap", ...)``, ``("amplifier", ...)`` or ``("fiber node", ...)``; None where a
            modem's place is not known or they are of several fiber nodes.
        """
        found = [self.places.get(device) for device in device_ids]
        known = [place for place in found if place is not None]
        if not known or len(known) < len(found) or len({p.fnode for p in known}) > 1:
            return None
        fnode = known[0].fnode
        taps = {(place.amplifier, place.tap) for place in known}
        if len(taps) == 1 and known[0].tap:
            return "tap", known[0].tap
        paths = [self.upstream(fnode, place.amplifier) for place in known]
        shared = set(paths[0]).intersection(*paths[1:])
        lowest = next((amplifier for amplifier in paths[0] if amplifier in shared), None)
        return ("fiber node", fnode) if lowest is None else ("amplifier", lowest)

    def downstream(self, fnode: str, kind: str, name: str) -> list[str]:
        """Return the modems that hang on an element, sorted."""
        if kind == "fiber node":
            return sorted(d for d, p in self.places.items() if p.fnode == fnode)
        if kind == "tap":
            return sorted(d for d, p in self.places.items() if p.fnode == fnode and p.tap == name)
        return sorted(
            d for d, p in self.places.items()
            if p.fnode == fnode and name in self.upstream(fnode, p.amplifier)
        )  # fmt: skip


def _texts(rows: pl.DataFrame, column: str) -> list[str]:
    if column not in rows.columns:
        return [""] * rows.height
    return rows[column].cast(pl.String).fill_null("").to_list()


def _degrees(rows: pl.DataFrame, column: str, source: str | None) -> list[float | None]:
    if column not in rows.columns:
        return [None] * rows.height
    told = numbers(rows[column], source).fill_nan(None)
    wrong = (told.abs() > _MOST_DEGREES[column]).fill_null(value=False)
    if wrong.any():
        row = int(wrong.arg_true()[0])
        most = _MOST_DEGREES[column]
        raise InputError(
            f"{told[row]:g} is not between -{most} and {most} degrees",
            source=source, column=column, row=row + 1,
        )  # fmt: skip
    return told.to_list()
