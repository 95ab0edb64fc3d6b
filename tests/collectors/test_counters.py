"""Totals become deltas: wraps, restarts, and what nobody knows."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.collectors._counters import delta, has_restarted

TOP = 2.0**32


def step(
    before: float | None, now: float | None, *, ran: bool = True, bits: int = 32
) -> float | None:
    table = pl.DataFrame(
        {"now": [now], "before": [before], "ran": [ran]},
        schema={"now": pl.Float64, "before": pl.Float64, "ran": pl.Boolean},
    )
    runs = pl.col("ran")
    found = table.select(delta("now", "before", bits=bits, kept_running=runs, may_wrap=runs))
    told: float | None = found.item()
    return told


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (5.0, 5.0, 0.0),
        (5.0, 9.0, 4.0),
        (TOP - 1, 0.0, 1.0),
        (TOP - 10, 20.0, 30.0),
        (None, 9.0, None),
        (9.0, None, None),
        (9.0, 5.0, None),  # a wrap of nearly the whole range is no wrap
        (0.0, 2.0**31, None),
        (0.0, 2.0**31 - 1, 2.0**31 - 1),
    ],
)
def test_a_step_between_two_totals(
    before: float | None, now: float | None, expected: float | None
) -> None:
    assert step(before, now) == expected


def test_after_a_restart_nothing_is_known() -> None:
    assert step(5.0, 9.0, ran=False) is None
    assert step(TOP - 10, 20.0, ran=False) is None


def test_a_counter_of_64_bits_does_not_wrap_at_32() -> None:
    assert step(TOP - 10, 20.0, bits=64) is None
    assert step(TOP - 10, TOP + 5, bits=64) == 15.0


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31 - 1))
def test_what_is_counted_is_what_was_added(before: int, added: int) -> None:
    assert step(float(before), float((before + added) % 2**32)) == added


@pytest.mark.parametrize(
    ("up", "up_before", "passed", "expected"),
    [
        (14_500.0, 100.0, 14_400.0, False),
        (14_400.0 * 0.995 + 100, 100.0, 14_400.0, False),  # a clock that is slow
        (99.0, 100.0, 14_400.0, True),
        (14_000.0, 1000.0, 14_400.0, True),  # soon after the last poll
        (10.0, 20_000.0, 5.0, True),
        (None, 100.0, 14_400.0, None),
        (100.0, None, 14_400.0, None),
    ],
)
def test_a_restart_is_an_uptime_that_did_not_grow_as_time_did(
    up: float | None, up_before: float | None, passed: float, expected: bool | None
) -> None:
    table = pl.DataFrame(
        {"u": [up], "ub": [up_before], "t": [passed], "tb": [0.0]},
        schema=dict.fromkeys(("u", "ub", "t", "tb"), pl.Float64),
    )
    assert table.select(has_restarted("u", "ub", "t", "tb")).item() is expected
