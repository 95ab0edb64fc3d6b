"""Ticketing rates, worked by hand and by plain loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pytest

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import DAY_S, Diagnosis, NodeDiagnosis, Verdict
from faultsight.diagnose.metrics.ticketing_rates import (
    KINDS,
    VERDICTS,
    count_tickets,
    ticketing_rates,
)

H, I, S, M = Verdict.HEALTHY, Verdict.INSUFFICIENT, Verdict.SERVICE, Verdict.MAINTENANCE  # noqa: E741


def tickets(told: Sequence[tuple[str, float, str]]) -> Tickets:
    n = len(told)
    return Tickets(
        np.array([f"t{i}" for i in range(n)], dtype=np.str_),
        np.array([device for device, _, _ in told], dtype=np.str_),
        np.array([opened for _, opened, _ in told], np.float64),
        np.full(n, np.nan),
        np.array([kind == "maintenance" for _, _, kind in told], np.bool_),
        np.full(n, ""),
    )


def day(
    fnode: str, number: int, verdicts: dict[str, Verdict], covered_s: float = DAY_S
) -> NodeDiagnosis:
    return NodeDiagnosis(
        fnode,
        TimeWindow(number * DAY_S, (number + 1) * DAY_S),
        tuple(sorted(verdicts)),
        np.array([verdicts[device] for device in sorted(verdicts)], np.int8),
        np.full(len(verdicts), covered_s),
    )


def diagnosis(*nodes: NodeDiagnosis) -> Diagnosis:
    return Diagnosis("test", nodes, ())


TWO_DAYS = diagnosis(
    day("F1", 0, {"a": M, "b": H}),
    day("F1", 1, {"a": S, "b": H}),
    day("F2", 0, {"c": I, "d": H}, covered_s=DAY_S / 2),
)
CALLS = tickets(
    [
        ("a", 10.0, "maintenance"),
        ("a", DAY_S + 10.0, "service"),
        ("a", DAY_S + 20.0, "service"),
        ("b", 2 * DAY_S - 1.0, "maintenance"),
        ("c", 5.0, "service"),
        # Outside of all windows, and of a modem that is not there.
        ("b", 2.0 * DAY_S, "maintenance"),
        ("z", 10.0, "maintenance"),
    ]
)


def test_counts_by_hand() -> None:
    counts = count_tickets(TWO_DAYS, CALLS)
    assert counts.fnodes == ("F1", "F2")
    assert counts.tickets[0, 0].tolist() == [1, 0, 0, 1]  # maintenance: healthy .. maintenance
    assert counts.tickets[0, 1].tolist() == [0, 0, 2, 0]
    assert counts.tickets[1].tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert (counts.device_s / DAY_S).tolist() == [[2, 0, 1, 1], [0.5, 0.5, 0, 0]]


def test_rates_by_hand() -> None:
    told = ticketing_rates(count_tickets(TWO_DAYS, CALLS))
    # Five days of modems in all; two maintenance tickets, and three service tickets of which one
    # fell where there was no answer.
    assert told.per_device_day == {"maintenance": 2 / 5, "service": 3 / 5}
    value = {key: interval.value for key, interval in told.rates.items()}
    assert value == {
        ("maintenance", M): pytest.approx(1 / (2 / 5)),
        ("maintenance", S): 0.0,
        ("maintenance", H): pytest.approx(1 / 2.5 / (2 / 5)),
        ("service", M): 0.0,
        ("service", S): pytest.approx(2 / (3 / 5)),
        ("service", H): 0.0,
    }
    assert {name: d.value for name, d in told.invariants.items()} == {
        "R_mM - R_sM": pytest.approx(2.5),
        "R_mM - R_mS": pytest.approx(2.5),
        "R_sS - R_mS": pytest.approx(10 / 3),
        "R_sS - R_sM": pytest.approx(10 / 3),
    }
    assert told.n_holding == 4


def test_a_ticket_counts_where_its_window_is_half_open_and_in_each_that_holds_it() -> None:
    halves = diagnosis(
        NodeDiagnosis("F", TimeWindow(0, 20), ("a",), np.array([M], np.int8), np.array([20.0])),
        NodeDiagnosis("F", TimeWindow(10, 30), ("a",), np.array([S], np.int8), np.array([20.0])),
    )
    told = [("a", moment, "service") for moment in (0.0, 9.9, 10.0, 19.9, 20.0, 29.9, 30.0)]
    assert count_tickets(halves, tickets(told)).tickets[0, 1].tolist() == [0, 0, 4, 4]


def test_equal_to_plain_loops_when_modems_come_and_go() -> None:
    stream = np.random.default_rng(0)
    nodes = []
    for fnode in ("F1", "F2", "F10"):
        names = [f"{fnode}-{i:x}" for i in range(40)]
        for number in range(12):
            here = stream.choice(names, size=int(stream.integers(1, 40)), replace=False)
            nodes.append(day(fnode, number, {d: stream.choice([H, I, S, M]) for d in here}))
    calls = [
        (
            f"{stream.choice(['F1', 'F2', 'F10', 'F3'])}-{stream.integers(50):x}",
            float(stream.uniform(-DAY_S, 14 * DAY_S)),
            str(stream.choice(KINDS)),
        )
        for _ in range(3000)
    ]
    counts = count_tickets(diagnosis(*nodes), tickets(calls))
    expected = np.zeros((3, 2, 4), np.int64)
    for node in nodes:
        for device, opened, kind in calls:
            if device in node.device_ids and node.window.start_s <= opened < node.window.end_s:
                verdict = node.verdict[node.device_ids.index(device)]
                expected[counts.fnodes.index(node.fnode), KINDS.index(kind), verdict] += 1
    assert expected.sum() > 500
    np.testing.assert_array_equal(counts.tickets, expected)


def test_verdicts_that_know_nothing_have_rates_of_one() -> None:
    stream = np.random.default_rng(3)
    names = [f"m{i:02d}" for i in range(50)]
    nodes = [
        day(f"F{f}", number, {f"F{f}-{n}": stream.choice([H, S, M]) for n in names})
        for f in range(8)
        for number in range(30)
    ]
    calls = [
        (f"F{f}-{n}", float(stream.uniform(0, 30 * DAY_S)), kind)
        for f in range(8)
        for n in names
        for kind in KINDS
        for _ in range(6)
    ]
    told = ticketing_rates(count_tickets(diagnosis(*nodes), tickets(calls)), seed=1)
    for interval in told.rates.values():
        assert interval.value == pytest.approx(1.0, abs=0.1)
        assert interval.low < interval.value < interval.high
    again = ticketing_rates(told.counts, seed=1)
    assert again.rates == told.rates
    assert again.invariants == told.invariants
    assert ticketing_rates(told.counts, seed=2).rates != told.rates
    # By chance some of the four differences are above 0, but none of them surely.
    assert told.n_certain == 0
    narrow = ticketing_rates(told.counts, level=0.5)
    for key, interval in told.rates.items():
        assert narrow.rates[key].high - narrow.rates[key].low < interval.high - interval.low


def test_invariants_that_hold_in_every_fiber_node_are_certain() -> None:
    nodes = [day(f"F{f}", 0, {f"F{f}-a": M, f"F{f}-b": S, f"F{f}-c": H}) for f in range(6)]
    told = [(f"F{f}-{d}", 9.0, k) for f in range(6) for d, k in zip("ab", KINDS, strict=True)]
    rates = ticketing_rates(count_tickets(diagnosis(*nodes), tickets(told)))
    assert (rates.n_holding, rates.n_certain) == (4, 4)
    assert rates.invariants["R_mM - R_sM"] == pytest.approx((3.0, 3.0, 3.0))


def test_an_interval_is_as_wide_as_fiber_nodes_differ() -> None:
    def counts_of(n_in_each: Sequence[int]) -> Diagnosis:
        return diagnosis(*(
            day(f"F{f}", number, {f"F{f}-a": M if number % 2 else H})
            for f in range(len(n_in_each)) for number in range(10)
        ))  # fmt: skip

    def width(n_in_each: Sequence[int]) -> float:
        calls = [
            (f"F{f}-a", (2 * i + 1) % 10 * DAY_S + 5.0, "maintenance")
            for f, n in enumerate(n_in_each)
            for i in range(n)
        ] + [(f"F{f}-a", 5.0, "maintenance") for f in range(len(n_in_each))]
        told = ticketing_rates(count_tickets(counts_of(n_in_each), tickets(calls)))
        return told.rates["maintenance", M].high - told.rates["maintenance", M].low

    assert width([3] * 20) == 0.0
    assert width([0, 6] * 10) > 0.05


def test_what_never_was_has_no_rate() -> None:
    told = ticketing_rates(count_tickets(diagnosis(day("F", 0, {"a": H})), tickets([])))
    assert all(math.isnan(bound) for key in told.rates for bound in told.rates[key])
    assert told.n_holding == 0
    dead = diagnosis(day("F", 0, {"a": M, "b": H}, covered_s=0.0))
    told = ticketing_rates(count_tickets(dead, tickets([("a", 1.0, "service")])))
    assert math.isnan(told.rates["service", M].value)
    with pytest.raises(InputError, match="no fiber node"):
        ticketing_rates(count_tickets(diagnosis(), tickets([])))


def test_large_networks_are_fast() -> None:
    n_nodes, n_days, n_devices = 20, 500, 250
    stream = np.random.default_rng(0)
    nodes: list[NodeDiagnosis] = []
    names: list[str] = []
    for f in range(n_nodes):
        ids = tuple(f"F{f:02d}-{i:04d}" for i in range(n_devices))
        names += ids
        verdict = stream.integers(0, 4, (n_days, n_devices)).astype(np.int8)
        nodes += [
            NodeDiagnosis(f"F{f:02d}", TimeWindow(d * DAY_S, (d + 1) * DAY_S), ids, verdict[d],
                          np.full(n_devices, float(DAY_S)))
            for d in range(n_days)
        ]  # fmt: skip
    calls = [
        (names[i], float(moment), "service")
        for i, moment in zip(
            stream.integers(0, len(names), 20_000),
            stream.uniform(0, n_days * DAY_S, 20_000),
            strict=True,
        )
    ]
    told = tickets(calls)
    start = perf_counter()
    counts = count_tickets(diagnosis(*nodes), told)
    # A loop over 2.5 million modem windows takes longer by far; usually it is 0.1 s.
    assert perf_counter() - start < 2.0
    assert counts.tickets.sum() == 20_000
    assert counts.device_s.sum() == n_nodes * n_days * n_devices * DAY_S
    assert len(ticketing_rates(counts).rates) == len(KINDS) * len(VERDICTS)
