"""Levels of an export in our units: refused where the unit is wrong, set aside where impossible."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from faultsight.core.errors import InputError
from faultsight.diagnose.reading._export import Export
from faultsight.diagnose.reading._quarantine import Quarantine
from faultsight.diagnose.reading._units import RANGES, Unit, check_level, likely_unit

__all__ = ["check_units", "possible_values"]

_FEW, _FEW_SHARE = 10, 0.01


def check_units(levels: Mapping[str, pl.Series], export: Export, source: str | None) -> None:
    """Refuse levels in another unit than they are read in; tells of all at once.

    Raises
    ------
    InputError
        If one is; names the first such column, and all units that explain them.
    """
    wrong: list[InputError] = []
    is_scaled = any(unit.factor != 1.0 for unit in export.level_units.values())
    for level, told in levels.items():
        numbers = told.drop_nulls()
        try:
            check_level(level, numbers.to_numpy(), export.level_units[level], source)
        except InputError as error:
            wrong.append(error)
            continue
        # Received power is near 0 dBmV, and so it is in tenths: its neighbours give it away.
        is_unsure = level == "rx_power_dbmv" and level not in export.units
        if is_unsure and (is_scaled or wrong) and _are_whole(numbers):
            problem = (
                "whole numbers, and another column is in parts of a dB; state the unit: "
                f"{level}='tenth dBmV', or {level}=dBmV"
            )
            wrong.append(InputError(problem, source=source, column=level))
    if wrong:
        others = "".join(f"; and column {e.column!r}: {e.problem}" for e in wrong[1:])
        raise InputError(wrong[0].problem + others, source=source, column=wrong[0].column)


def _are_whole(numbers: pl.Series) -> bool:
    return bool((numbers == numbers.round()).all()) and bool((numbers != 0).any())


def possible_values(
    level: str, told: pl.Series, unit: Unit, rows: pl.Series, keep: pl.Series,
    quarantine: Quarantine, file: int,
) -> pl.Series:  # fmt: skip
    """Return a level in our unit; values that no plant can show are set aside."""
    low, high = RANGES[level]
    base = "dB" if level == "snr_db" else "dBmV"
    values = told * unit.factor + unit.offset if unit.is_scaled else told
    inside = values.is_between(low, high)
    is_outside = keep & ~inside.fill_null(value=True)
    if is_outside.any():
        looks = _looks(level, told, is_outside, unit)
        reason = f"outside {low:g} to {high:g} {base}{looks}: value set aside"
        quarantine.add(reason, level, rows.filter(is_outside), file)
    if level == "snr_db":
        # No modem can be heard at 0 dB: it is what a CMTS says of one that it has not measured.
        unknown = values == 0
        reason = "0, which a CMTS says where it does not know: value set aside"
        quarantine.add(reason, level, rows.filter(keep & unknown.fill_null(value=False)), file)
        inside = inside & ~unknown
    return pl.select(pl.when(inside).then(values)).to_series().alias(level)


def _looks(level: str, told: pl.Series, is_outside: pl.Series, unit: Unit) -> str:
    """Return what impossible values look like; nothing where they are few.

    Some modems in another unit than the others hide behind a sound median.
    """
    outside = told.filter(is_outside)
    if len(outside) < max(_FEW, told.count() * _FEW_SHARE):
        return ""
    likely = likely_unit(level, float(str(outside.median())), unit)
    return f" (looks like {likely.name})" if likely is not None else ""
