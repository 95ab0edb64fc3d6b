"""Trouble tickets: what is read, what is refused and where, and whose they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets, read_tickets

COLUMNS = ("ticket_id", "device_id", "opened", "closed", "kind")


def table(n: int = 3, /, **columns: Any) -> pl.DataFrame:
    """Return a table of tickets; what is not told has defaults."""
    rows: dict[str, Any] = {
        "ticket_id": [f"t{i}" for i in range(n)],
        "device_id": ["a"] * n,
        "opened": [100.0 * i for i in range(n)],
        "closed": [None] * n,
        "kind": ["service"] * n,
    }
    return pl.DataFrame(rows | columns)


class TestReading:
    def test_each_column(self) -> None:
        tickets = read_tickets(
            table(
                2,
                device_id=[7, 8],
                opened=["2026-01-05T00:00:00Z", "2026-01-04T23:00:00+01:00"],
                closed=["2026-01-06 00:00", ""],
                kind=["maintenance ", "service"],
                primary_id=["p1", None],
            )
        )
        midnight = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
        assert tickets.ticket_id.tolist() == ["t1", "t0"]
        assert tickets.device_id.tolist() == ["8", "7"]
        assert tickets.opened_s.tolist() == [midnight - 7200, midnight]
        np.testing.assert_array_equal(tickets.closed_s, [np.nan, midnight + 86_400])
        assert tickets.is_maintenance.tolist() == [False, True]
        assert tickets.primary_id.tolist() == ["", "p1"]

    def test_of_rows_with_one_id_the_last_counts(self) -> None:
        tickets = read_tickets(
            table(ticket_id=["x", "y", "x"], kind=["service", "service", "maintenance"])
        )
        assert tickets.ticket_id.tolist() == ["y", "x"]
        assert tickets.opened_s.tolist() == [100.0, 200.0]
        assert tickets.is_maintenance.tolist() == [False, True]

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=20), st.randoms())
    def test_order_of_rows_is_free_and_tickets_are_in_order_of_opening(
        self, told: list[tuple[int, bool]], random: Any
    ) -> None:
        n = len(told)
        rows = table(n, opened=[float(t) for t, _ in told],
                     kind=["maintenance" if m else "service" for _, m in told])  # fmt: skip
        order = list(range(n))
        random.shuffle(order)
        first, second = read_tickets(rows), read_tickets(rows[order])
        assert sorted(zip(first.opened_s.tolist(), first.ticket_id.tolist(), strict=True)) == list(
            zip(second.opened_s.tolist(), second.ticket_id.tolist(), strict=True)
        )
        assert first.is_maintenance.tolist() == second.is_maintenance.tolist()
        assert len(first) == n

    def test_no_ticket(self) -> None:
        assert len(read_tickets(table(3).clear())) == 0
        assert len(read_tickets(pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String)))) == 0

    def test_pandas_is_a_table(self) -> None:
        assert read_tickets(table().to_pandas()).ticket_id.tolist() == ["t0", "t1", "t2"]


class TestRefusals:
    @pytest.mark.parametrize("column", COLUMNS)
    def test_a_column_that_is_missing(self, column: str) -> None:
        with pytest.raises(MissingColumnError, match=f"calls.csv, column '{column}'"):
            read_tickets(table().drop(column), source="calls.csv")

    @pytest.mark.parametrize(
        ("column", "values", "problem"),
        [
            ("kind", ["service", "Service", "service"], "'Service' is not one of maintenance"),
            ("kind", ["service", None, "service"], "None is not one of maintenance, service"),
            ("opened", ["0", "", "1"], "the time is missing"),
            ("opened", [0.0, float("nan"), 1.0], "the time is missing"),
            ("opened", ["0", "yesterday", "1"], "'yesterday' is neither an ISO time nor epoch"),
            ("closed", [None, 99.0, None], "the ticket closes before it opens"),
            ("closed", [None, "soon", None], "'soon' is neither an ISO time nor epoch seconds"),
            ("device_id", ["a", None, "b"], "the entity is missing"),
            ("ticket_id", ["a", None, "b"], "the entity is missing"),
        ],
    )
    def test_column_and_row_are_named(self, column: str, values: list[Any], problem: str) -> None:
        with pytest.raises(InputError, match=problem) as caught:
            read_tickets(table(3, **{column: values}), source="calls.csv")
        error = caught.value
        assert (error.source, error.column, error.row) == ("calls.csv", column, 2)

    def test_a_ticket_may_close_as_it_opens(self) -> None:
        assert read_tickets(table(1, closed=[0.0])).closed_s.tolist() == [0.0]


class TestOfDevices:
    @settings(deadline=None, max_examples=100)
    @given(st.sets(st.text("ab1", max_size=3)), st.integers(0, 20), st.integers(0, 10**6))
    def test_against_a_plain_loop(self, names: set[str], n: int, seed: int) -> None:
        stream = random_stream(seed, "devices")
        callers = ["".join(stream.choice(list("ab1"), stream.integers(0, 4))) for _ in range(n)]
        tickets = read_tickets(table(n, device_id=callers))
        device_ids = tuple(sorted(names))
        mine, device = tickets.of_devices(device_ids)
        expected = [
            (ticket, device_ids.index(caller))
            for ticket, caller in zip(
                tickets.ticket_id.tolist(), tickets.device_id.tolist(), strict=True
            )
            if caller in names
        ]
        assert list(zip(mine.ticket_id.tolist(), device.tolist(), strict=True)) == expected

    def test_nobody(self) -> None:
        mine, device = read_tickets(table()).of_devices(())
        assert (len(mine), device.tolist()) == (0, [])

    def test_a_window_is_half_open(self) -> None:
        tickets = read_tickets(table())
        assert tickets.in_window(TimeWindow(0, 200)).ticket_id.tolist() == ["t0", "t1"]
        assert tickets.in_window(TimeWindow(1, 201)).ticket_id.tolist() == ["t1", "t2"]

    def test_a_mask_or_positions(self) -> None:
        tickets = read_tickets(table(primary_id=["p", "q", "r"]))
        for keep in (np.array([False, True, True]), np.array([1, 2])):
            taken = tickets.take(keep)
            assert isinstance(taken, Tickets)
            assert taken.primary_id.tolist() == ["q", "r"]
            assert taken.opened_s.tolist() == [100.0, 200.0]
