"""One round as a table: what the modems said and what their CMTSs measured, joined by channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from faultsight.collectors import _docsis_objects as docsis
from faultsight.collectors._counters import delta, has_restarted
from faultsight.collectors._docsis_objects import CHANNEL_KINDS, ChannelKind, SnmpObject
from faultsight.collectors._modem_polls import Plan, Poll, counters_of, objects_of
from faultsight.collectors._registry import wrong_types
from faultsight.collectors._set_aside import SetAside
from faultsight.core.polls import CHANNEL_STATES, COUNTERS

__all__ = [
    "ADDED_LATER",
    "STATE_SCHEMA",
    "DeviceRow",
    "modem_channels",
    "plans_of",
    "round_table",
]

_FAILURES = ("ranging_aborts", "t3_exceeded")
_OF_MODEM = ("t3_timeouts", "t4_timeouts", *_FAILURES)
_OF_CMTS = ("codewords_unerrored", "codewords_corrected", "codewords_uncorrectable")

STATE_SCHEMA: dict[str, pl.DataType] = {
    "cmts": pl.String(),
    "device_id": pl.String(),
    "fnode": pl.String(),
    "listed_at": pl.Float64(),
    "channel": pl.String(),
    "kind": pl.String(),
    "if_index": pl.Int64(),
    "uptime_s": pl.Float64(),
    "answered_at": pl.Float64(),
    "cmts_uptime_s": pl.Float64(),
    "walked_at": pl.Float64(),
    **{f"{counter}_total": pl.Float64() for counter in COUNTERS},
    "codeword_bits": pl.Int64(),
    **{f"{counter}_total": pl.Float64() for counter in _FAILURES},
}
"""What one round leaves for the next: a row for each modem and channel.

From ``kind`` to ``answered_at``, and the totals of timeouts, are of the modem's last answer;
``cmts_uptime_s``, ``walked_at``, the totals of codewords and the size of their counters are of its
CMTS's last walk.
"""

ADDED_LATER = ("codeword_bits", *(f"{counter}_total" for counter in _FAILURES))
"""Columns that a state written by an earlier version lacks."""


class DeviceRow(NamedTuple):
    """One modem in one round.

    Attributes
    ----------
    cmts, device_id, fnode : str
        Whose.
    answered : bool
        Whether it answered; if not, it was asked in vain, or its CMTS says that it is offline.
    at : float
        Seconds since 1970: of its answer, or of when it is known to have had none.
    listed_at : float
        When its CMTS last listed it.
    requested_at : float, optional
        When it was asked; none if it was not.
    uptime_s : float, optional
        How long it had been up when it answered.
    walked_at, cmts_uptime_s : float, optional
        When its CMTS was walked, and how long that had been up.
    """

    cmts: str
    device_id: str
    fnode: str
    answered: bool
    at: float
    listed_at: float
    requested_at: float | None = None
    uptime_s: float | None = None
    walked_at: float | None = None
    cmts_uptime_s: float | None = None


_DEVICE_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("cmts", "device_id", "fnode"), pl.String()),
    "answered": pl.Boolean(),
    **dict.fromkeys(DeviceRow._fields[4:], pl.Float64()),
}

_MODEM_SCHEMA: dict[str, pl.DataType] = {
    "device_id": pl.String(),
    "channel": pl.String(),
    "kind": pl.String(),
    "if_index": pl.Int64(),
    "tx_power_dbmv": pl.Float64(),
    **{f"{counter}_total": pl.Float64() for counter in _OF_MODEM},
    "pre_equalization": pl.Binary(),
}


def modem_channels(
    polls: Sequence[Poll],
    devices: Sequence[str],
    *,
    pre_equalization: bool,
    channel_states: bool = False,
) -> tuple[pl.DataFrame, list[SetAside]]:
    """Return what modems said, a row for each modem and channel, and what was set aside.

    Parameters
    ----------
    polls : sequence of Poll
        Those without an answer are passed over.
    devices : sequence of str
        The ``device_id`` of each `Poll.number`.
    pre_equalization, channel_states : bool
        Whether coefficients, and failures of ranging, were asked for.
    """
    sizes = {
        kind.name: len(
            objects_of(kind, pre_equalization=pre_equalization, channel_states=channel_states)
        )
        for kind in CHANNEL_KINDS
    }
    keys: dict[str, list[tuple[str, str, int]]] = {kind.name: [] for kind in CHANNEL_KINDS}
    told: dict[str, list[list[object]]] = {kind.name: [] for kind in CHANNEL_KINDS}
    for poll in polls:
        if poll.told is None or poll.plan is None:
            continue
        device, at = devices[poll.number], 1  # the uptime comes first
        for kind_name, index, channel in poll.plan.channels:
            end = at + sizes[kind_name]
            keys[kind_name].append((device, channel, index))
            told[kind_name].append(poll.told[at:end])
            at = end
    parts, aside = [pl.DataFrame(schema=_MODEM_SCHEMA)], []
    for kind in CHANNEL_KINDS:
        if not keys[kind.name]:
            continue
        table = pl.DataFrame(
            keys[kind.name], schema=["device_id", "channel", "if_index"], orient="row"
        )
        columns, wrong = _converted(
            kind,
            list(zip(*told[kind.name], strict=True)),
            table["device_id"],
            counters_of(kind, channel_states=channel_states),
            pre_equalization,
        )
        aside += wrong
        parts.append(table.with_columns(kind=pl.lit(kind.name), **columns))
    table = pl.concat(parts, how="diagonal")
    # Two interfaces of one channel id would be two rows of one name.
    return table.unique(["device_id", "channel"], keep="first", maintain_order=True), aside


def _converted(
    kind: ChannelKind,
    told: Sequence[Sequence[object]],
    devices: pl.Series,
    counters: Mapping[str, SnmpObject],
    pre_equalization: bool,
) -> tuple[dict[str, pl.Series], list[SetAside]]:
    """Return the columns in their units; ``told`` is in the order of `objects_of`."""
    columns: dict[str, pl.Series] = {}
    power, is_wrong = kind.tx_power.levels(told[0])
    aside = wrong_types("tx_power_dbmv", told[0], is_wrong, devices)
    columns["tx_power_dbmv"] = pl.Series(power).fill_nan(None)
    for place, (column, counter) in enumerate(counters.items(), start=1):
        totals, is_wrong = counter.totals(told[place])
        aside += wrong_types(column, told[place], is_wrong, devices)
        columns[f"{column}_total"] = pl.Series(totals).fill_nan(None)
    if pre_equalization and kind.pre_equalization is not None:
        data, wrong = docsis.readable_pre_equalization(told[-1])
        aside += wrong_types("pre_equalization", told[-1], np.array(wrong, np.bool_), devices)
        columns["pre_equalization"] = pl.Series(data, dtype=pl.Binary)
    return columns, aside


def plans_of(
    state: pl.DataFrame, *, pre_equalization: bool, channel_states: bool = False
) -> dict[str, Plan]:
    """Return what each modem is asked for, as learned in an earlier round."""
    known = state.filter(pl.col("if_index").is_not_null()).sort("device_id", "kind", "if_index")
    columns = known.select("device_id", "kind", "if_index", "channel")
    channels: dict[str, list[tuple[str, int, str]]] = {}
    for device, kind, index, channel in columns.iter_rows():
        channels.setdefault(device, []).append((kind, index, channel))
    return {
        device: Plan.of(found, pre_equalization=pre_equalization, channel_states=channel_states)
        for device, found in channels.items()
    }


def round_table(
    devices: Sequence[DeviceRow],
    of_modems: pl.DataFrame,
    at_cmts: pl.DataFrame,
    state: pl.DataFrame,
    round_id: int,
    *,
    channel_states: bool = False,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the round as telemetry, and the state for the next round.

    Parameters
    ----------
    devices : sequence of DeviceRow
        Every modem of the round, once.
    of_modems, at_cmts : polars.DataFrame
        From `modem_channels`, and from `faultsight.collectors._registry.measured_at_cmts`.
    state : polars.DataFrame
        Of the round before; see `STATE_SCHEMA`.
    round_id : int
        Of this one.
    channel_states : bool
        Whether telemetry has the columns of `faultsight.core.polls.CHANNEL_STATES`, too.
    """
    key = ["device_id", "channel"]
    channels = of_modems.join(
        at_cmts.with_columns(is_measured=pl.lit(value=True)), on=key, how="full", coalesce=True
    )
    table = (
        pl.DataFrame(list(devices), schema=_DEVICE_SCHEMA, orient="row")
        .with_columns(answered_at=pl.when("answered").then("at"))
        .join(channels, on="device_id", how="left")
        .join(state.drop("cmts", "fnode", "listed_at"), on=key, how="left", suffix="_before")
    )
    told = _with_deltas(table)
    telemetry = _telemetry(told, round_id)
    if channel_states:
        known = [column for column in CHANNEL_STATES if column in told.columns]
        telemetry = telemetry.hstack(told.select(known))
    return telemetry, _next_state(table, state)


def _with_deltas(table: pl.DataFrame) -> pl.DataFrame:
    modem = has_restarted("uptime_s", "uptime_s_before", "answered_at", "answered_at_before")
    cmts = has_restarted("cmts_uptime_s", "cmts_uptime_s_before", "walked_at", "walked_at_before")
    modem_ran = ~modem.fill_null(value=True)
    # A CMTS counts a modem's codewords from 0 when the modem registers anew. Where a modem did not
    # tell its uptime, a total that grew is believed, and one that shrank is not.
    counted = ~cmts.fill_null(value=True) & ~modem.fill_null(value=False)
    # A modem that one table of its CMTS has now, and another had before, was counted by two.
    bits, bits_before = pl.col("codeword_bits"), pl.col("codeword_bits_before").fill_null(32)
    counted &= bits == bits_before
    timed = modem_ran & (pl.col("kind") == pl.col("kind_before"))
    return table.with_columns(
        *(
            delta(
                f"{c}_total", f"{c}_total_before", bits=size, kept_running=ran, may_wrap=modem_ran
            ).alias(c)
            for counters, size, ran in ((_OF_MODEM, 32, timed), (_OF_CMTS, bits, counted))
            for c in counters
        ),
        # Where a channel does not use coefficients, a modem's are left over from before.
        pre_equalization=pl.when(pl.col("has_pre_equalization").fill_null(value=True)).then(
            "pre_equalization"
        ),
    )


def _telemetry(table: pl.DataFrame, round_id: int) -> pl.DataFrame:
    return table.select(
        "fnode",
        "device_id",
        _moment("at").alias("timestamp"),
        "channel",
        "snr_db",
        "tx_power_dbmv",
        "rx_power_dbmv",
        *COUNTERS,
        _moment("requested_at"),
        pl.lit(round_id, pl.Int64).alias("round_id"),
        "answered",
        "pre_equalization",
    )


def _moment(column: str) -> pl.Expr:
    return (pl.col(column) * 1000).round().cast(pl.Int64).cast(pl.Datetime("ms", "UTC"))


def _next_state(table: pl.DataFrame, state: pl.DataFrame) -> pl.DataFrame:
    """Return what is known now: of the last answer and of the last walk, each as a whole."""
    of_answer = ("kind", "if_index", "uptime_s", "answered_at", *(f"{c}_total" for c in _OF_MODEM))
    of_walk = (
        "cmts_uptime_s", "walked_at", "codeword_bits", *(f"{c}_total" for c in _OF_CMTS)
    )  # fmt: skip
    is_measured = pl.col("is_measured").fill_null(value=False)
    now = table.with_columns(
        *(pl.when("answered").then(c).otherwise(f"{c}_before").alias(c) for c in of_answer),
        *(pl.when(is_measured).then(c).otherwise(f"{c}_before").alias(c) for c in of_walk),
    ).select(pl.col(column).cast(kind) for column, kind in STATE_SCHEMA.items())
    spoke = now.filter(pl.col("channel").is_not_null())
    silent = now.filter(pl.col("channel").is_null())
    # Of modems of which nobody spoke, the channels that were known stay known.
    place = ("cmts", "fnode", "listed_at")
    kept = (
        state.join(spoke, on="device_id", how="anti")
        .join(silent.select("device_id", *place), on="device_id", how="left", suffix="_now")
        .with_columns(pl.coalesce(f"{c}_now", c).alias(c) for c in place)
        .select(*STATE_SCHEMA)
    )
    fresh = silent.join(state, on="device_id", how="anti")
    return pl.concat([spoke, kept, fresh]).sort("device_id", "channel", nulls_last=True)
