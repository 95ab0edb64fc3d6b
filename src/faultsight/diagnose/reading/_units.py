"""Units of what polls measure: stated by whoever exports them, and checked by what plants show.

Management systems hand on what SNMP brings, and that is tenths, hundredths or quarters of a
decibel. A wrong factor would move every threshold, so a column whose values no working plant can
show is refused, with the unit that would explain them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError

__all__ = [
    "RANGES",
    "STAMP_UNITS",
    "Unit",
    "check_level",
    "level_unit",
    "likely_unit",
    "stamp_unit",
]

RANGES = {"snr_db": (0.0, 50.0), "tx_power_dbmv": (17.0, 61.0), "rx_power_dbmv": (-20.0, 20.0)}
"""Lowest and highest value that is believed; both ends are."""

_USUAL = {"snr_db": (15.0, 45.0), "tx_power_dbmv": (30.0, 56.0), "rx_power_dbmv": (-15.0, 15.0)}
"""Where the median of a whole network's modems lies."""

_TYPICAL = {"snr_db": 36.0, "tx_power_dbmv": 43.0, "rx_power_dbmv": 0.0}

_DBMV_OF_DBUV = -60.0
"""0 dBmV is 60 dB above a microvolt, in which Europe counts."""

_NOT_OF = {"dB": ("dbmv", "dbuv"), "dBmV": ()}

_PARTS = {"": 1.0, "tenth": 0.1, "0.1": 0.1, "hundredth": 0.01, "0.01": 0.01, "quarter": 0.25,
          "0.25": 0.25}  # fmt: skip

STAMP_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""How many make a second."""


@dataclass(frozen=True)
class Unit:
    """How a column's numbers become those of the name that it is read as.

    Attributes
    ----------
    name : str
        As it is stated, such as ``tenth dB``.
    factor, offset : float
        The value read is ``number * factor + offset``.
    """

    name: str
    factor: float = 1.0
    offset: float = 0.0

    @property
    def is_scaled(self) -> bool:
        """Whether numbers change."""
        return self.factor != 1.0 or self.offset != 0.0


def level_unit(column: str, text: str | None) -> Unit:
    """Return the unit of a level.

    Parameters
    ----------
    column : str
        Of `RANGES`.
    text : str, optional
        ``dB`` (for powers ``dBmV`` or ``dBuV``), alone or after ``tenth``, ``hundredth`` or
        ``quarter``; also ``TenthdB``, as the MIBs write it, or ``tenth`` alone. The column's own
        unit if not given.

    Raises
    ------
    SettingError
        If no such unit is known for it.

    Examples
    --------
    >>> level_unit("snr_db", "tenth dB").factor, level_unit("tx_power_dbmv", "dBuV").offset
    (0.1, -60.0)
    """
    base = "dB" if column == "snr_db" else "dBmV"
    if text is None:
        return Unit(base)
    bare = re.sub(r"[\s_-]", "", text).lower().replace("\N{MICRO SIGN}", "u").replace("μ", "u")
    found = re.fullmatch(r"(.*?)s?(?:of)?(db|dbmv|dbuv)?", bare)
    part = found[1] if found else None
    if found is None or not bare or part not in _PARTS or found[2] in _NOT_OF[base]:
        raise SettingError(
            f"{column} has no unit {text!r}; it is {base}{'' if base == 'dB' else ' or dBuV'}, or "
            f"a tenth, hundredth or quarter of it, such as 'tenth {base}'"
        )
    offset = _DBMV_OF_DBUV if found[2] == "dbuv" else 0.0
    return Unit(text, _PARTS[part], offset)


def stamp_unit(text: str | None) -> str:
    """Return the unit of stamps that are numbers; seconds if none is given.

    Raises
    ------
    SettingError
        If it is not known.
    """
    bare = "s" if text is None else text.strip().lower()
    if bare not in STAMP_UNITS:
        raise SettingError(f"timestamp has no unit {text!r}; it is {', '.join(STAMP_UNITS)}")
    return bare


def check_level(
    column: str, numbers: NDArray[np.float64], unit: Unit, source: str | None = None
) -> None:
    """Refuse a column in another unit than it is read in.

    Parameters
    ----------
    column : str
        Of `RANGES`.
    numbers : array
        As they were told, finite, before the unit is applied.
    unit : Unit
        What they are read in.
    source : str, optional
        The file, for messages.

    Raises
    ------
    InputError
        If most values are impossible, or their median is in no network but would be usual in
        another unit; names that unit.

    Examples
    --------
    >>> check_level("snr_db", np.array([361.0, 365.0, 374.0]), Unit("dB"))
    Traceback (most recent call last):
    faultsight.core.errors.InputError: column 'snr_db': the median is 365, and snr_db lies between
    0 and 50 dB: it looks like tenth dB; state its unit: snr_db='tenth dB'
    """
    if not len(numbers):
        return
    values = numbers * unit.factor + unit.offset
    low, high = RANGES[column]
    is_possible = np.mean((values >= low) & (values <= high)) >= 0.5
    told, median = float(np.median(numbers)), float(np.median(values))
    likely = likely_unit(column, told, unit)
    if is_possible and (_is_usual(column, median) or likely is None):
        return
    base = "dB" if column == "snr_db" else "dBmV"
    read = f", {median:.4g} {base} when read as {unit.name}," if unit.is_scaled else ","
    cause = (
        f"it looks like {likely.name}; state its unit: {column}={likely.name!r}"
        if likely is not None
        else "no unit that is known explains it; is it the right column?"
    )
    raise InputError(
        f"the median is {told:.4g}{read} and {column} "
        + (f"lies between {low:g} and {high:g} {base}: " if not is_possible else "is far from it: ")
        + cause,
        source=source,
        column=column,
    )


def _is_usual(column: str, median: float) -> bool:
    low, high = _USUAL[column]
    return low <= median <= high


def likely_unit(column: str, median: float, unit: Unit) -> Unit | None:
    """Return the other unit in which a median would be most usual; None if it is in none.

    Examples
    --------
    >>> likely_unit("tx_power_dbmv", 103.0, Unit("dBmV")).name
    'dBuV'
    """
    base = "dB" if column == "snr_db" else "dBmV"
    others = [Unit(base), *(Unit(f"{p} {base}", _PARTS[p]) for p in _PARTS if p.isalpha())]
    if base == "dBmV":
        others.append(Unit("dBuV", 1.0, _DBMV_OF_DBUV))
        others.append(Unit("tenth dBuV", 0.1, _DBMV_OF_DBUV))
    there = [
        (abs(median * other.factor + other.offset - _TYPICAL[column]), place, other)
        for place, other in enumerate(others)
        if (other.factor, other.offset) != (unit.factor, unit.offset)
        and _is_usual(column, median * other.factor + other.offset)
    ]
    return min(there)[2] if there else None
