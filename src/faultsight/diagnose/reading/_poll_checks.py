"""What only shows when all rows are together: repeated rows, and columns that are not of modems."""

from __future__ import annotations

import numpy as np
import polars as pl

from faultsight.core.errors import InputError
from faultsight.core.polls import COUNTERS, KEYS, LEVELS
from faultsight.diagnose.reading._poll_rows import FILE, ROW
from faultsight.diagnose.reading._quarantine import Quarantine

__all__ = [
    "note_constant_channels",
    "note_moved_modems",
    "refuse_dense_polls",
    "refuse_running_totals",
    "without_duplicate_rows",
    "without_shared_snr",
]

_CLOSE_S = 600.0
_LEAST_PAIRS = 20
_SAME_SHARE = 0.9
_LEAST_STEPS = 50
_RISING_SHARE = 0.9


def without_duplicate_rows(rows: pl.DataFrame, quarantine: Quarantine) -> pl.DataFrame:
    """Return one row for each modem, node, moment and channel: the last one told.

    Parameters
    ----------
    rows : polars.DataFrame
        Sorted by `KEYS`; rows of one key in the order in which they were told.
    quarantine : Quarantine
        Told how many were repeated alike, and how many were told again with other values.
    """
    is_repeated = pl.lit(value=True)
    for key in KEYS:
        is_repeated = is_repeated & pl.col(key).eq_missing(pl.col(key).shift(-1))
    repeated = rows.select(is_repeated.fill_null(value=False)).to_series().to_numpy()
    if rows.height:
        repeated = np.append(repeated[:-1], False)  # a null beyond the last row equals a null
    if not repeated.any():
        return rows
    last = np.flatnonzero(~repeated)
    lost = np.flatnonzero(repeated)
    keeper = last[np.searchsorted(last, lost)]
    payload = [c for c in rows.columns if c not in {*KEYS, ROW, FILE}]
    told, kept = rows[lost].select(payload), rows[keeper].select(payload)
    is_equal = np.ones(len(lost), np.bool_)
    for column in payload:
        is_equal &= told[column].eq_missing(kept[column]).to_numpy()
    for mask, reason in (
        (is_equal, "told twice alike: one row kept"),
        (~is_equal, "told again with other values: the last row kept"),
    ):
        repeats = rows[lost[mask]]
        quarantine.add(reason, ", ".join(KEYS), repeats[ROW], repeats[FILE])
    return rows[last]


def without_shared_snr(rows: pl.DataFrame, quarantine: Quarantine) -> pl.DataFrame:
    """Return rows without SNR that a channel's modems share; refuses it where most is so.

    At a CMTS, docsIfSigQSignalNoise and docsIf3SignalQualityExtRxMER are averages over a channel's
    modems. They say nothing of one modem, and all modems would move together. Told by pairs of
    polls of two modems of a channel shortly after one another: they agree. A value that a channel
    shows most of the time is not counted, for some CMTSs cap what they show.

    Raises
    ------
    InputError
        If half of the channels that can be judged, or more, are so.
    """
    if "snr_db" not in rows.columns:
        return rows
    table = (
        rows.lazy()
        .select("fnode", "channel", "timestamp", "device_id", "snr_db")
        .drop_nulls()
        .sort("fnode", "channel", "timestamp", "device_id")
        .with_columns(
            _most=pl.col("snr_db").mode().min().over("fnode", "channel"),
            _before=pl.col("snr_db").shift(1).over("fnode", "channel"),
            _other=pl.col("device_id") != pl.col("device_id").shift(1).over("fnode", "channel"),
            _gap_s=pl.col("timestamp").diff().over("fnode", "channel"),
        )
        .filter(pl.col("_other") & (pl.col("_gap_s") <= _CLOSE_S))
        .filter((pl.col("snr_db") != pl.col("_most")) | (pl.col("_before") != pl.col("_most")))
        .group_by("fnode", "channel")
        .agg(n=pl.len(), same=(pl.col("snr_db") == pl.col("_before")).mean())
        .filter(pl.col("n") >= _LEAST_PAIRS)
        .sort("fnode", "channel")
        .collect()
    )
    shared = table.filter(pl.col("same") >= _SAME_SHARE)
    if not shared.height:
        return rows
    if 2 * shared.height >= table.height:
        raise InputError(
            f"all modems of a channel show one SNR at a time, such as on channel "
            f"{shared['channel'][0]} of {shared['fnode'][0]} ({shared.height} of {table.height} "
            "channels): this is the channel's average and not the modem's; export "
            "docsIf3CmtsCmUsStatusSignalNoise",
            column="snr_db",
        )
    is_shared = pl.concat_str("fnode", "channel", separator="\n").is_in(
        shared.select(pl.concat_str("fnode", "channel", separator="\n")).to_series().implode()
    )
    hit = rows.filter(is_shared & pl.col("snr_db").is_not_null())
    quarantine.add(
        "the same for all modems of the channel at a time, so not the modem's: value set aside",
        "snr_db", hit[ROW], hit[FILE],
    )  # fmt: skip
    return rows.with_columns(pl.when(is_shared.not_().fill_null(value=True)).then("snr_db"))


def refuse_running_totals(rows: pl.DataFrame) -> None:
    """Refuse counters that only ever grow: polls tell what was counted since the poll before.

    Raises
    ------
    InputError
        If one is a running total.
    """
    for counter in (c for c in COUNTERS if c in rows.columns):
        steps = rows.select(pl.col(counter).diff().over("device_id", "channel")).to_series()
        steps = steps.filter((steps != 0).fill_null(value=False))
        rising = float(str((steps > 0).mean())) if len(steps) else 0.0
        if len(steps) >= _LEAST_STEPS and rising >= _RISING_SHARE:
            raise InputError(
                "it only ever grows, so it is a running total; export the difference to the poll "
                "before (a 32-bit counter starts again after 4,294,967,295)",
                column=counter,
            )


def refuse_dense_polls(rows: pl.DataFrame, least_s: float) -> None:
    """Refuse polls so dense that each would be taken for the one before, told again.

    Raises
    ------
    InputError
        If the usual gap between a modem's polls is shorter, and rounds are not told.
    """
    if "round_id" in rows.columns:
        return
    gaps = rows.select(pl.col("timestamp").diff().over("fnode", "device_id")).to_series()
    gaps = gaps.filter((gaps > 0).fill_null(value=False))
    if len(gaps) and float(str(gaps.median())) < least_s:
        raise InputError(
            f"a modem is polled every {float(str(gaps.median())):.0f} s, and polls less than "
            f"{least_s:.0f} s apart are taken for one told twice; give every third poll or so, or "
            "a column round_id",
            column="timestamp",
        )


def note_constant_channels(rows: pl.DataFrame, quarantine: Quarantine) -> None:
    """Note channels of a node on which a level is always missing, or the same for all modems."""
    for level in (level for level in LEVELS if level in rows.columns):
        table = (
            rows.filter(pl.col("channel").is_not_null())
            .group_by("fnode", "channel")
            .agg(
                pl.col(level).count().alias("_n"),
                (pl.col(level).min() == pl.col(level).max()).alias("_is_constant"),
                pl.col("device_id").n_unique().alias("_modems"),
                pl.len().alias("_rows"),
                pl.col(FILE).first(),
                pl.col(ROW).first(),
            )
        )
        found = (
            (table.filter(pl.col("_n") == 0), "empty"),
            (table.filter(pl.col("_is_constant") & (pl.col("_modems") > 1)), "always the same"),
        )
        for channels, what in found:
            if channels.height:
                _note_channels(rows, channels, f"{what} on {_count(channels)}: kept", level,
                               quarantine)  # fmt: skip


def _note_channels(
    rows: pl.DataFrame, channels: pl.DataFrame, reason: str, level: str, quarantine: Quarantine
) -> None:
    hit = rows.join(channels.select("fnode", "channel"), on=["fnode", "channel"], how="semi")
    quarantine.add(reason, level, hit[ROW], hit[FILE])


def note_moved_modems(rows: pl.DataFrame, quarantine: Quarantine) -> None:
    """Note modems that are seen in several fiber nodes; each poll stays with its node."""
    nodes = rows.select("fnode", "device_id").unique()
    moved = nodes.group_by("device_id").len().filter(pl.col("len") > 1)
    if moved.height:
        hit = rows.join(moved, on="device_id", how="semi")
        who = "1 modem was" if moved.height == 1 else f"{moved.height:,} modems were"
        quarantine.add(
            f"{who} seen in several fiber nodes: polls stay with each", "fnode",
            hit[ROW], hit[FILE],
        )  # fmt: skip


def _count(channels: pl.DataFrame) -> str:
    n_channels, n_nodes = channels.height, channels["fnode"].n_unique()
    return (
        f"{n_channels:,} channel{'s' * (n_channels != 1)} of "
        f"{n_nodes:,} fiber node{'s' * (n_nodes != 1)}"
    )
