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
    @given(st.lists(st.tuples(st.sampled_from("xyz "), st.booleans()), max_size=12))
    def test_earlier_rows_of_a_ticket_are_counted(self, told: list[tuple[str, bool]]) -> None:
        kinds = ["service" if is_kept else "billing" for _, is_kept in told]
        rows = table(len(told), ticket_id=[name for name, _ in told], kind=kinds)
        left = [i for i, (name, is_kept) in enumerate(told) if is_kept and name != " "]
        if told and not left:
            with pytest.raises(InputError, match="no ticket is left"):
                read_tickets(rows)
            return
        tickets = read_tickets(rows)
        last = {told[i][0]: i for i in left}
        assert tickets.opened_s.tolist() == [100.0 * i for i in sorted(last.values())]
        earlier = [i for i in left if i != last[told[i][0]]]
        notes = [note for note in tickets.set_aside if "told again" in note.reason]
        assert [(note.column, note.rows, note.first_row) for note in notes] == (
            [("ticket_id", len(earlier), earlier[0] + 1)] if earlier else []
        )
        assert len(tickets) + sum(note.rows for note in tickets.set_aside) == len(told)

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

    def test_a_column_of_another_kind(self) -> None:
        with pytest.raises(InputError, match="is no time") as caught:
            read_tickets(table(opened=[True, False, True]), source="calls.csv")
        assert (caught.value.source, caught.value.column) == ("calls.csv", "opened")

    def test_a_file_without_a_usable_row_is_refused_with_each_reason(self) -> None:
        rows = table(kind=["billing", "sales", None])
        with pytest.raises(InputError, match=r"is left: no kind.*; .*'billing'") as caught:
            read_tickets(rows, source="calls.csv")
        error = caught.value
        assert (error.source, error.column, error.row) == ("calls.csv", "kind", 3)


class TestSetAside:
    @pytest.mark.parametrize(
        ("column", "values", "reason"),
        [
            ("kind", ["service", "billing", "moves"],
             "a kind that is neither maintenance nor service, such as 'billing'"),
            ("kind", ["service", None, " "], "no kind"),
            ("opened", ["0", "", None], "no time of opening"),
            ("opened", [0.0, float("nan"), float("inf")], "no time of opening"),
            ("opened", ["0", "yesterday", "31.12.2025"],
             "a time that cannot be read, such as 'yesterday'"),
            ("closed", [None, 99.0, 199.0], "closed before it was opened"),
            ("closed", [None, "soon", "?"], "a time that cannot be read, such as 'soon'"),
            ("device_id", ["a", None, ""], "no modem"),
            ("ticket_id", ["t0", None, " "], "no ticket id"),
        ],
    )  # fmt: skip
    def test_rows_are_counted_with_the_first_one(
        self, column: str, values: list[Any], reason: str
    ) -> None:
        tickets = read_tickets(table(3, **{column: values}), source="calls.csv")
        assert tickets.ticket_id.tolist() == ["t0"]
        (note,) = tickets.set_aside
        assert note.reason == f"{reason}: ticket set aside"
        assert (note.column, note.rows, note.first_row) == (column, 2, 2)

    def test_a_row_counts_for_one_reason_only(self) -> None:
        tickets = read_tickets(
            table(3, kind=["service", "x", "x"], opened=["0", "soon", "0"], device_id=["a", "", ""])
        )
        assert [(note.column, note.rows) for note in tickets.set_aside] == [("device_id", 2)]

    def test_a_row_that_is_set_aside_replaces_no_other(self) -> None:
        tickets = read_tickets(table(2, ticket_id=["x", "x"], kind=["maintenance", "billing"]))
        assert tickets.is_maintenance.tolist() == [True]
        (note,) = tickets.set_aside
        assert "billing" in note.reason

    def test_earlier_rows_of_a_ticket_are_told_by_their_reason(self) -> None:
        tickets = read_tickets(table(4, ticket_id=["a", "x", "x", "x"]))
        (note,) = tickets.set_aside
        assert note.reason == "an earlier row of a ticket that is told again: ticket set aside"
        assert (note.column, note.rows, note.first_row) == ("ticket_id", 2, 2)

    @pytest.mark.parametrize("kind", ["Service", " SERVICE ", "service"])
    def test_kinds_are_compared_without_case_and_blanks(self, kind: str) -> None:
        tickets = read_tickets(table(1, kind=[kind]))
        assert tickets.is_maintenance.tolist() == [False]
        assert not tickets.set_aside

    def test_blanks_around_headings_and_names_are_no_part_of_them(self) -> None:
        rows = table(1, device_id=[" a "]).rename({"kind": " kind", "closed": "closed "})
        assert read_tickets(rows).device_id.tolist() == ["a"]

    def test_a_ticket_may_close_as_it_opens(self) -> None:
        assert read_tickets(table(1, closed=[0.0])).closed_s.tolist() == [0.0]


class TestZones:
    def test_stamps_without_a_zone_beside_ones_with_a_zone_are_counted_and_used(self) -> None:
        tickets = read_tickets(
            table(
                5,
                opened=["2026-01-05T01:00+01:00", "2026-01-05 02:00", "2026-01-06", "", "0"],
                closed=["2026-01-07 00:00", "2026-01-08T00:00z", None, None, "2026-01-09 00:00"],
            )
        )
        midnight = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
        assert tickets.opened_s.tolist() == [0.0, midnight, midnight + 7200, midnight + 86_400]
        reason = "a stamp without a zone beside stamps with one: read as UTC"
        assert [(n.reason, n.column, n.rows, n.first_row) for n in tickets.noticed] == [
            (reason, "opened", 2, 2), (reason, "closed", 2, 1),
        ]  # fmt: skip
        assert [note.rows for note in tickets.set_aside] == [1]

    @pytest.mark.parametrize(
        "opened",
        [
            ["2026-01-05 00:00", "2026-01-06", "2026-01-07T00:00:00"],
            ["2026-01-05 00:00Z", "2026-01-06T00:00+01:00", "2026-01-07T00:00:00-0500"],
            ["2026-01-05 00:00Z", "1767571200", "1767571200.5"],
            [0.0, 1.0, 2.0],
        ],
    )
    def test_nothing_is_noticed_where_all_stamps_are_told_alike(self, opened: list[Any]) -> None:
        tickets = read_tickets(table(3, opened=opened))
        assert (len(tickets), tickets.noticed, tickets.set_aside) == (3, (), ())

    def test_a_row_that_is_set_aside_speaks_for_no_other(self) -> None:
        opened = ["2026-01-05 00:00Z", "2026-01-06 00:00"]
        assert read_tickets(table(2, opened=opened)).noticed
        assert not read_tickets(table(2, opened=opened, kind=["billing", "service"])).noticed
        assert not read_tickets(table(2, opened=opened, ticket_id=["x", "x"])).noticed


class TestOfDevices:
    @settings(deadline=None, max_examples=100)
    @given(st.sets(st.text("ab1", max_size=3)), st.integers(0, 20), st.integers(0, 10**6))
    def test_against_a_plain_loop(self, names: set[str], n: int, seed: int) -> None:
        stream = random_stream(seed, "devices")
        callers = ["".join(stream.choice(list("ab1"), stream.integers(1, 4))) for _ in range(n)]
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

    def test_a_mac_address_is_the_same_in_any_notation(self) -> None:
        told = ["AA-00-00-00-00-02", "aa00.0000.0001", "AA0000000001", "Modem", "aa:00:00:00:00:09"]
        tickets = read_tickets(table(5, device_id=told))
        names = ("AA-00-00-00-00-03", "aa:00:00:00:00:01", "aa:00:00:00:00:02", "modem")
        mine, device = tickets.of_devices(names)
        assert mine.ticket_id.tolist() == ["t0", "t1", "t2"]
        assert [names[i] for i in device.tolist()] == [names[2], names[1], names[1]]
        named = tickets.named_like(names)
        assert named.device_id.tolist() == [names[2], names[1], names[1], *told[3:]]
        assert named.ticket_id.tolist() == tickets.ticket_id.tolist()
        assert tickets.named_like(["b"]) is tickets

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
