"""How an export names its columns and in which units it tells them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from faultsight.core.errors import InputError, MissingColumnError, SettingError
from faultsight.core.exported_tables import refuse_shared_columns
from faultsight.core.polls import COUNTERS, LEVELS
from faultsight.diagnose.reading._quarantine import Quarantine
from faultsight.diagnose.reading._units import Unit, level_unit, stamp_unit

__all__ = ["COLUMNS", "Export", "present_columns", "tell_passed_over"]

COLUMNS = (
    "timestamp",
    "device_id",
    "fnode",
    "channel",
    *LEVELS,
    *COUNTERS,
    "round_id",
    "answered",
    "pre_equalization",
)
"""What is read of an export; the first four must be there, and one that measures something."""

_MEASURED = (*LEVELS, *COUNTERS, "pre_equalization")
_TOLD_BESIDE = "requested_at"
_OTHER_NAMES = {
    "timestamp": "time ts datetime date polltime polled polledat collectedat sampletime recordtime",
    "device_id": "device deviceid mac macaddress macaddr cm cmmac modem modemid cmid",
    "fnode": "node fibernode fibrenode fn nodename fibernodename mdnodename",
    "channel": "us uschannel channelid usch upstream upstreamchannel ifindex usid chid",
    "snr_db": "snr ussnr upstreamsnr signalnoise rxmer mer snrtenthdb",
    "tx_power_dbmv": "tx txpower txpwr ustx ustxpower transmitpower txlevel powertx",
    "rx_power_dbmv": "rx rxpower rxpwr usrx usrxpower receivepower rxlevel powerrx",
}
"""How management systems call these, in small letters and without signs."""


@dataclass(frozen=True)
class Export:
    """How tables are to be read.

    Parameters
    ----------
    columns : mapping of str to str
        Of `COLUMNS`, to the name in the tables; those left out have our name there too.
    units : mapping of str to str
        Of levels, to the unit in which the tables tell them; of ``timestamp``, the unit of stamps
        that are numbers.
    now_s : float
        The present, seconds since 1970.

    Raises
    ------
    SettingError
        If a column or a unit is not known.
    """

    columns: Mapping[str, str]
    units: Mapping[str, str]
    now_s: float
    level_units: dict[str, Unit] = field(init=False)
    stamp_unit: str = field(init=False)

    def __post_init__(self) -> None:
        for ours in self.columns:
            if ours not in COLUMNS:
                raise SettingError(f"polls have no column {ours!r}; they have {', '.join(COLUMNS)}")
        refuse_shared_columns(self.columns)
        for ours in self.units:
            if ours not in (*LEVELS, "timestamp"):
                raise SettingError(
                    f"{ours!r} has no unit to state; {', '.join((*LEVELS, 'timestamp'))} have"
                )
        units = {level: level_unit(level, self.units.get(level)) for level in LEVELS}
        object.__setattr__(self, "level_units", units)
        object.__setattr__(self, "stamp_unit", stamp_unit(self.units.get("timestamp")))

    def name_of(self, ours: str) -> str:
        """Return what a column is called in the tables."""
        return self.columns.get(ours, ours)


def present_columns(table: pl.DataFrame, export: Export, source: str | None) -> list[str]:
    """Return which of our columns a table has.

    Raises
    ------
    InputError
        If one that is needed is missing; tells what it might be called.
    """
    present = [ours for ours in COLUMNS if export.name_of(ours) in table.columns]
    for ours, theirs in export.columns.items():
        if ours not in present:
            raise MissingColumnError(theirs, table.columns, source=source)
    missing = [key for key in COLUMNS[:4] if key not in present]
    is_measured = any(ours in present for ours in _MEASURED)
    if not missing and is_measured:
        return present
    unused = [name for name in table.columns if name not in present]
    guesses = _guesses(unused, [*missing, *(level for level in LEVELS if level not in present)])
    hint = " ".join(f"--map {ours}={theirs}" for ours, theirs in guesses.items())
    what = (
        f"there is no column {', '.join(map(repr, missing))}"
        if missing
        else f"there is no column of measured values, such as {', '.join(map(repr, LEVELS))}"
    )
    raise InputError(
        f"{what}; the table has {', '.join(map(repr, table.columns))}"
        + (f"; perhaps: {hint}" if hint else "; map the names with --map"),
        source=source,
    )


def tell_passed_over(
    table: pl.DataFrame, present: Sequence[str], export: Export, quarantine: Quarantine, file: int
) -> None:
    """Note columns that are not known, and what they might be."""
    used = {export.name_of(ours) for ours in present} | {_TOLD_BESIDE}
    unknown = [name for name in table.columns if name not in used]
    if not unknown or not table.height:
        return
    guesses = _guesses(unknown, [level for level in LEVELS if level not in present])
    reason = "column not known: passed over"
    if guesses:
        hint = " ".join(f"--map {ours}={theirs}" for ours, theirs in guesses.items())
        reason += f"; perhaps: {hint}"
    rows = pl.Series([1]).new_from_index(0, table.height)
    quarantine.add(reason, ", ".join(unknown), rows, file)


def _guesses(available: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    bare = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in available}
    found = {}
    for ours in wanted:
        names = [ours.replace("_", ""), *_OTHER_NAMES.get(ours, "").split()]
        theirs = next((bare[name] for name in names if name in bare), None)
        if theirs is not None:
            found[ours] = theirs
    return found
