"""Collection periods and the tickets in them, against plain loops."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.polls import NodePolls
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.preprocessing.collection_periods import (
    collection_periods_s,
    poll_of_ticket,
)

series = st.lists(st.sets(st.integers(0, 90), max_size=10).map(sorted), min_size=1, max_size=4)
calls = st.lists(st.tuples(st.sampled_from("abcdx"), st.integers(-9, 120), st.booleans()),
                 max_size=25)  # fmt: skip


def node(times: list[list[int]]) -> NodePolls:
    return NodePolls(
        "F",
        tuple("abcd"[: len(times)]),
        (),
        np.cumsum([0, *(len(mine) for mine in times)]),
        np.array([moment for mine in times for moment in mine], np.float64),
    )


@settings(deadline=None, max_examples=200)
@given(series, st.integers(1, 40))
def test_a_poll_speaks_until_the_next_one(times: list[list[int]], longest: int) -> None:
    expected = [
        min(mine[i + 1] - moment, longest) if i + 1 < len(mine) else longest
        for mine in times
        for i, moment in enumerate(mine)
    ]
    assert collection_periods_s(node(times), float(longest)).tolist() == expected


@settings(deadline=None, max_examples=300)
@given(series, calls, st.integers(1, 40))
def test_a_ticket_falls_into_the_period_that_holds_it(
    times: list[list[int]], told: list[tuple[str, int, bool]], longest: int
) -> None:
    polls = node(times)
    tickets = read_tickets(
        pl.DataFrame(
            {
                "ticket_id": [f"t{i:02d}" for i in range(len(told))],
                "device_id": [device for device, _, _ in told],
                "opened": [float(opened) for _, opened, _ in told],
                "closed": [None] * len(told),
                "kind": ["maintenance" if m else "service" for _, _, m in told],
            },
            schema_overrides={"opened": pl.Float64, "closed": pl.Float64},
        )
    )
    periods = collection_periods_s(polls, float(longest))
    expected = []
    for i in range(len(tickets)):
        for p in range(polls.n_polls):
            is_mine = polls.device_ids[polls.device_of_poll[p]] == tickets.device_id[i]
            since = tickets.opened_s[i] - polls.time_s[p]
            if is_mine and 0 <= since < periods[p]:
                expected.append((p, bool(tickets.is_maintenance[i])))
    poll, is_maintenance = poll_of_ticket(polls, tickets, float(longest))
    assert list(zip(poll.tolist(), is_maintenance.tolist(), strict=True)) == expected


def test_at_the_edges_of_a_period() -> None:
    told = pl.DataFrame(
        {
            "ticket_id": ["before", "as it starts", "as the next starts", "last", "too late"],
            "device_id": ["a"] * 5,
            "opened": [9.0, 10.0, 15.0, 34.9, 35.0],
            "closed": [None] * 5,
            "kind": ["service"] * 5,
        }
    )
    poll, _ = poll_of_ticket(node([[10, 15]]), read_tickets(told), 20.0)
    assert poll.tolist() == [0, 1, 1]
