"""The decision and its figures of merit, by an example worked by hand and by plain loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.core.tickets import Tickets
from faultsight.diagnose.cablemon import (
    EventTally,
    RateTally,
    decide,
    events_of,
    tally_events,
    tally_rates,
)

HOUR_S = 3600.0
LONGEST_S = 6 * HOUR_S


@pytest.mark.parametrize(("window", "least"), [(1, 1), (3, 2), (12, 5), (500, 3)])
def test_decide_counts_back_over_one_modem(
    window: int, least: int, make_node: Callable[..., NodePolls]
) -> None:
    node = make_node(n_rounds=30)
    abnormal = random_stream(1000, "abnormal", window).random(node.n_polls) < 0.3
    plain = []
    for start, end in zip(node.device_start[:-1], node.device_start[1:], strict=True):
        mine = abnormal[start:end]
        plain += [mine[max(0, i - window + 1) : i + 1].sum() >= least for i in range(len(mine))]
    told = decide(node, abnormal, window_polls=window, least_abnormal=least)
    assert told.tolist() == plain
    assert 0 < told.sum() < len(told)


def two_modems() -> NodePolls:
    """Modem a is polled at 0, 4, .. 20 h and at 60 h; b at 0, 4, 8 h."""
    hours = np.array([0, 4, 8, 12, 16, 20, 60, 0, 4, 8], np.float64)
    return NodePolls("F", ("a", "b"), (), np.array([0, 7, 10]), hours * HOUR_S)


def tickets(*told: tuple[str, float, float]) -> Tickets:
    """Return tickets of (device, opened, closed) in hours."""
    order = sorted(told, key=lambda ticket: ticket[1])
    n = len(order)
    return Tickets(
        np.arange(n).astype(str),
        np.array([device for device, _, _ in order], dtype=np.str_),
        np.array([opened for _, opened, _ in order]) * HOUR_S,
        np.array([closed for _, _, closed in order]) * HOUR_S,
        np.zeros(n, np.bool_),
        np.full(n, ""),
    )


#             a: 0      4      8     12     16     20    60   b: 0     4      8
IS_EVENT = [False, True, True, False, True, True, True, True, False, False]


def test_events_are_unbroken_runs_of_one_modem() -> None:
    period_s = np.full(10, 1.5 * HOUR_S)
    events = events_of(two_modems(), np.array(IS_EVENT), period_s)
    assert events.device.tolist() == [0, 0, 1]
    assert (events.start_s / HOUR_S).tolist() == [4, 16, 0]
    assert (events.end_s / HOUR_S).tolist() == [9.5, 61.5, 1.5]
    assert events.first_poll.tolist() == [1, 4, 7]
    assert events.last_poll.tolist() == [2, 6, 7]
    assert len(events_of(two_modems(), np.zeros(10, np.bool_), period_s)) == 0


def test_figures_worked_by_hand() -> None:
    """Events: a from 4 to 12 h, a from 16 to 66 h (silent from 26 to 60 h), b from 0 to 4 h."""
    nan = float("nan")
    told = tickets(
        ("a", 3.0, 10.0),  # before the first event
        ("a", 4.0, 24.0),  # at its very start
        ("a", 11.0, nan),  # later in it, and never closed
        ("a", 12.0, 13.0),  # its end is outside
        ("a", 40.0, 50.0),  # inside the second event, while the modem was silent
        ("b", 5.0, 6.0),  # after b's event
        ("z", 5.0, 6.0),  # of nobody here
    )
    tally = tally_events(two_modems(), told, np.array(IS_EVENT), LONGEST_S)
    assert (tally.events, tally.true_events) == (3, 2)
    assert (tally.tickets, tally.predicted_tickets) == (6, 3)
    assert tally.accuracy == pytest.approx(2 / 3)
    assert tally.coverage == 0.5
    assert sorted(tally.lifetimes_h) == [10.0, 20.0]
    assert sorted(tally.waitings_h) == [0.0, 24.0]
    # Inside: a 4-12 (8 h), 16-26 (10 h), 60-66 (6 h), b 0-4 (4 h); outside: a 0-4, 12-16, b 4-14.
    assert (tally.rates.inside_s / HOUR_S, tally.rates.outside_s / HOUR_S) == (28, 18)
    # The ticket at 40 h lies in no collection period.
    assert (tally.rates.inside_tickets, tally.rates.outside_tickets) == (2, 3)
    assert tally.normalized_ticketing_rate == pytest.approx((2 / 28) / (5 / 46))
    assert tally.rates.trr == pytest.approx((2 / 28) / (3 / 18))


def test_tallies_of_nodes_add_up(make_node: Callable[..., NodePolls]) -> None:
    a, b = EventTally(1, 1, 2, 1, RateTally(1, 2, 3, 4), (5.0,), (6.0,)), EventTally(2, 0, 1)
    assert a + b == EventTally(3, 1, 3, 1, RateTally(1, 2, 3, 4), (5.0,), (6.0,))
    assert RateTally(1, 2, 3, 4) + RateTally(10, 20, 30, 40) == RateTally(11, 22, 33, 44)


def test_nothing_is_not_a_number() -> None:
    nothing = EventTally()
    for figure in (
        nothing.accuracy, nothing.coverage, nothing.normalized_ticketing_rate, nothing.rates.trr,
        nothing.rates.share_of_time,
    ):  # fmt: skip
        assert np.isnan(figure)


def test_random_events_have_the_rate_of_all_time(
    make_node: Callable[..., NodePolls], make_calls: Callable[..., Tickets]
) -> None:
    node = make_node(n_devices=60, faulty=0, n_rounds=300)
    calls = make_calls(node, background=2000)
    is_inside = random_stream(1000, "inside").random(node.n_polls) < 0.4
    rates = tally_rates(node, calls, is_inside, LONGEST_S)
    assert rates.trr == pytest.approx(1.0, abs=0.15)
    assert rates.share_of_time == pytest.approx(0.4, abs=0.02)
