"""A round as a table, and what it leaves for the next."""

from __future__ import annotations

from typing import Any

import polars as pl

from faultsight.collectors._docsis_objects import OFDMA, SC_QAM
from faultsight.collectors._modem_polls import Plan, Poll
from faultsight.collectors._round_table import (
    STATE_SCHEMA,
    DeviceRow,
    modem_channels,
    plans_of,
    round_table,
)

TAPS = bytes([8, 1, 8, 0]) + bytes(32)
PLAN = Plan.of([(OFDMA.name, 4, "25"), (SC_QAM.name, 80, "1")], pre_equalization=True)
POLL = Poll(0, 100.0, 101.0, PLAN, [500_000, 163, 435, 7, 2, TAPS], 1)


def row(device: str, **changes: Any) -> DeviceRow:
    made = DeviceRow(
        "lab", device, "FN1", answered=True, at=101.0, requested_at=100.0, uptime_s=5000.0,
        listed_at=90.0, walked_at=90.0, cmts_uptime_s=9000.0,
    )  # fmt: skip
    return made._replace(**changes)


def at_cmts(*rows: tuple[str, str, float, bool | None]) -> pl.DataFrame:
    table = pl.DataFrame(
        rows,
        schema={"device_id": pl.String, "channel": pl.String, "snr_db": pl.Float64,
                "has_pre_equalization": pl.Boolean},
        orient="row",
    )  # fmt: skip
    empty = pl.lit(None, pl.Float64)
    return table.with_columns(
        codeword_bits=pl.lit(32, pl.Int64),
        rx_power_dbmv=empty,
        codewords_unerrored_total=empty,
        codewords_corrected_total=empty,
        codewords_uncorrectable_total=empty,
    )


STATE = pl.DataFrame(schema=STATE_SCHEMA)


def test_each_kind_of_channel_is_asked_and_read_in_its_own_way() -> None:
    assert PLAN.oids == [
        "1.3.6.1.2.1.1.3.0",
        "1.3.6.1.4.1.4491.2.1.28.1.13.1.10.4",
        *(f"1.3.6.1.4.1.4491.2.1.20.1.2.1.{column}.80" for column in (1, 2, 3, 6)),
    ]
    table, aside = modem_channels([POLL], ["a"], pre_equalization=True)
    rows = table.sort("channel").rows(named=True)
    assert aside == []
    assert [(r["channel"], r["kind"], r["tx_power_dbmv"]) for r in rows] == [
        ("1", "SC-QAM", 43.5), ("25", "OFDMA", 40.75),
    ]  # fmt: skip
    assert [r["pre_equalization"] for r in rows] == [TAPS, None]
    assert [r["t3_timeouts_total"] for r in rows] == [7.0, None]


def test_coefficients_are_kept_unless_the_channel_does_not_use_them() -> None:
    of_modems, _ = modem_channels([POLL], ["a"], pre_equalization=True)
    for has, expected in ((True, TAPS), (None, TAPS), (False, None)):
        table, _ = round_table([row("a")], of_modems, at_cmts(("a", "1", 36.5, has)), STATE, 5)
        told = table.filter(pl.col("channel") == "1").row(0, named=True)
        assert (told["snr_db"], told["tx_power_dbmv"]) == (36.5, 43.5)
        assert told["pre_equalization"] == expected


def test_the_state_remembers_what_was_learned_and_what_was_counted() -> None:
    of_modems, _ = modem_channels([POLL], ["a"], pre_equalization=True)
    measured = at_cmts(("a", "1", 36.5, True), ("b", "2", 35.0, True))
    rows = [row("a"), row("b", answered=False, uptime_s=None), row("c", answered=False)]
    table, state = round_table(rows, of_modems, measured, STATE, 5)
    assert dict(state.schema) == STATE_SCHEMA
    assert plans_of(state, pre_equalization=True) == {"a": PLAN}
    keys = state.select("device_id", "channel", "if_index", "answered_at").rows()
    assert keys == [
        ("a", "1", 80, 101.0),
        ("a", "25", 4, 101.0),
        ("b", "2", None, None),
        ("c", None, None, None),
    ]
    assert set(table.select("device_id", "channel", "answered").rows()) == {
        ("a", "25", True),
        ("a", "1", True),
        ("b", "2", False),
        ("c", None, False),
    }
    # A round in which nobody says anything of a keeps what is known of a.
    silent = [row("a", answered=False, uptime_s=None, listed_at=200.0)]
    nothing, _ = modem_channels([], [], pre_equalization=True)
    _, after = round_table(silent, nothing, at_cmts(), state, 6)
    assert plans_of(after, pre_equalization=True) == {"a": PLAN}
    mine = after.filter(pl.col("device_id") == "a")
    assert mine["t3_timeouts_total"].to_list() == [7.0, None]
    assert mine["listed_at"].to_list() == [200.0, 200.0]
    # And of those who were in no table this time, all that was known.
    others = ~pl.col("device_id").is_in(["a"])
    assert after.filter(others).equals(state.filter(others))
