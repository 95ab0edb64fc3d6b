"""Whether tickets agree with a diagnosis, worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import DAY_S, Diagnosis, NodeDiagnosis, Verdict
from faultsight.diagnose.metrics.ticket_agreement import (
    TicketAgreement,
    agreement_in_words,
    ticket_agreement,
)
from faultsight.diagnose.metrics.ticketing_rates import tickets_in_windows

H, S, M = Verdict.HEALTHY, Verdict.SERVICE, Verdict.MAINTENANCE


def node_day(fnode: str, verdicts: Sequence[Verdict], *, start_s: int = 0) -> NodeDiagnosis:
    """Return a day of one modem for each verdict, called a, b, ... after its fiber node."""
    return NodeDiagnosis(
        fnode,
        TimeWindow(start_s, start_s + DAY_S),
        tuple(f"{fnode}{'abcdefgh'[i]}" for i in range(len(verdicts))),
        np.array(verdicts, np.int8),
        np.full(len(verdicts), float(DAY_S)),
    )


def tickets(told: Sequence[tuple[str, float, str]]) -> Tickets:
    n = len(told)
    return Tickets(
        np.array([f"t{i}" for i in range(n)], dtype=np.str_),
        np.array([device for device, _, _ in told], dtype=np.str_),
        np.array([hour * 3600.0 for _, hour, _ in told], np.float64),
        np.full(n, np.nan),
        np.array([kind == "m" for _, _, kind in told], np.bool_),
        np.full(n, ""),
    )


def alike(n_fnodes: int, *, n_with_maintenance: int = 99) -> tuple[Diagnosis, Tickets]:
    """Return fiber nodes of four modems: each fault has two tickets, one healthy home two of each.

    In each there are four tickets of a kind in four days of modems: by chance, one a day.
    """
    nodes, calls = [], []
    for i in range(n_fnodes):
        fnode = f"F{i:02d}"
        nodes.append(node_day(fnode, [M if i < n_with_maintenance else H, S, H, H]))
        for hour in (2.0, 3.0):
            calls += [(f"{fnode}{modem}", hour, kind) for modem, kind in ("am", "bs", "dm", "ds")]
    return Diagnosis("by hand", tuple(nodes), ()), tickets(calls)


def agreement(diagnosis: Diagnosis, told: Tickets, **more: TimeWindow) -> TicketAgreement:
    found = ticket_agreement(diagnosis, told, **more)
    assert found is not None
    return found


def test_rates_and_differences_by_hand() -> None:
    told = agreement(*alike(7)).to_dict()
    point = {"low": 2.0, "high": 2.0, "value": 2.0}
    nothing = dict.fromkeys(point, 0.0)
    assert told == {
        "tickets": 56,
        "in_faults": 28,
        "learned_from": 0,
        "is_independent": True,
        "fnodes": 7,
        # Two tickets in a day of modems, where chance has one.
        "rates": {"mM": point, "mS": nothing, "sM": nothing, "sS": point},
        "invariants": dict.fromkeys(("mM - sM", "mM - mS", "sS - mS", "sS - sM"), point),
        "told": 4,
        "hold": 4,
        "surely": 4,
    }


def test_five_fiber_nodes_that_all_agree_are_not_sure() -> None:
    """Each draw of them agrees, too: the interval would be a point, whatever it is worth."""
    five, six = agreement(*alike(5)), agreement(*alike(6))
    assert (five.n_told, five.n_holding, five.n_certain) == (4, 4, None)
    assert {tuple(rate.values()) for rate in five.to_dict()["rates"].values()} == {
        (2.0, None, None),
        (0.0, None, None),
    }
    assert six.n_certain == 4
    assert (
        "to be sure takes more tickets, and faults, in at least 6 fiber nodes"
        in agreement_in_words(five)[1]
    )
    assert "4 of 4 invariants hold, 4 surely" in agreement_in_words(six)[1]


def test_a_verdict_of_five_fiber_nodes_has_no_interval_however_many_others_there_are() -> None:
    told = agreement(*alike(20, n_with_maintenance=5))
    known = {name: rate["low"] is not None for name, rate in told.to_dict()["rates"].items()}
    assert known == {"mM": False, "mS": True, "sM": False, "sS": True}
    assert told.invariants["R_mM - R_mS"].value == 2.0
    assert told.invariants["R_sS - R_mS"].low == 2.0
    assert (told.n_holding, told.n_certain) == (4, 1)


def test_a_single_ticket_of_a_kind_makes_nothing_sure() -> None:
    diagnosis, calls = alike(8)
    one = calls.take((~calls.is_maintenance) | (calls.ticket_id == "t0"))
    told = agreement(diagnosis, one)
    assert told.rates["maintenance", M].value == 4.0
    assert np.isnan(told.rates["maintenance", M].low)
    assert told.n_certain == 1, "only that of service tickets over both verdicts"


def test_no_ticket_in_little_time_makes_nothing_sure() -> None:
    """Drawn anew it is nothing again, as narrow as an interval can be."""
    diagnosis, calls = alike(7)
    of_service, of_maintenance = calls.take(~calls.is_maintenance), calls.take(calls.is_maintenance)
    few = tickets(list(zip(
        [*of_maintenance.device_id.tolist(), *of_service.device_id.tolist()[::2]],
        [1.0] * 42, ["m"] * 28 + ["s"] * 14, strict=True,
    )))  # fmt: skip
    # Of 14 service tickets 3.5 fell by chance under a quarter of the time, of 28 others 7.
    told = agreement(diagnosis, few).to_dict()["rates"]
    assert told["mS"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert told["sM"] == {"value": 0.0, "low": None, "high": None}
    assert told["sS"]["low"] == 4.0


def test_tickets_that_were_learned_from_are_counted_apart() -> None:
    diagnosis, calls = alike(6)
    learned = TimeWindow(-DAY_S, 3 * 3600)
    told = agreement(diagnosis, calls, tuned_on=learned)
    assert (told.n_tickets, told.n_learned_from, told.is_independent) == (48, 24, False)
    sentence = (
        "24 of the 48 tickets are no independent evidence: thresholds were learned from them."
    )
    assert agreement_in_words(told)[-1] == sentence
    before = agreement(diagnosis, calls, tuned_on=TimeWindow(-DAY_S, 0))
    assert before.is_independent
    assert not any("evidence" in sentence for sentence in agreement_in_words(before))
    assert before.rates == told.rates, "they are told of, not left out"


def test_each_ticket_is_counted_once_in_windows_that_overlap() -> None:
    half = DAY_S // 2
    diagnosis = Diagnosis(
        "by hand", (node_day("F", [S, H]), node_day("F", [M, H], start_s=half)), ()
    )
    calls = tickets([("Fa", 13.0, "m"), ("Fb", 1.0, "s"), ("Fb", 40.0, "s"), ("z", 1.0, "m")])
    assert tickets_in_windows(diagnosis, calls).ticket_id.tolist() == ["t0", "t1"]
    told = agreement(diagnosis, calls)
    assert (told.n_tickets, told.n_in_faults, told.n_fnodes) == (2, 1, 1)
    assert tickets_in_windows(diagnosis, calls, verdicts=(H,)).ticket_id.tolist() == ["t1"]


def test_no_ticket_of_these_modems_and_days_tells_nothing() -> None:
    diagnosis, _ = alike(6)
    assert ticket_agreement(diagnosis, tickets([])) is None
    assert ticket_agreement(diagnosis, tickets([("F00a", 24.0, "m"), ("z", 1.0, "m")])) is None


@pytest.mark.parametrize(
    ("verdicts", "calls", "first", "second"),
    [
        ([H, H], "m", "Tickets have nothing to confirm: no fault is diagnosed (1 ticket).", ""),
        ([H, M, S], "ms", "No ticket was opened where a fault is diagnosed (2 tickets).", ""),
        ([S, H], "s", "Tickets tell little: service tickets gather 2.0 times as densely as by "
         "chance where service is diagnosed.", "Of the invariants none can be told (1 ticket, "),
        ([M, S], "mm", "Tickets agree as far as they tell: maintenance tickets gather 2.0 times as "
         "densely as by chance where maintenance is diagnosed and 0.0 times where service is.",
         "1 of 1 invariants hold (2 tickets, 2 of them in diagnosed faults); to be sure"),
        ([S, M], "mm", "Tickets do not agree: maintenance tickets gather 0.0 times as densely as "
         "by chance where maintenance is diagnosed and 2.0 times where service is.",
         "0 of 1 invariants hold"),
        ([S, M], "mmmms", "Tickets agree in part: maintenance tickets gather 0.0 times as densely "
         "as by chance where maintenance is diagnosed and 2.0 times where service is; service "
         "tickets gather 2.0 times where service is", "1 of 4 invariants hold"),
    ],
)  # fmt: skip
def test_words(verdicts: Sequence[Verdict], calls: str, first: str, second: str) -> None:
    """All calls are of modem a."""
    diagnosis = Diagnosis("by hand", (node_day("F", verdicts),), ())
    told = agreement(diagnosis, tickets([("Fa", 1.0, kind) for kind in calls]))
    sentences = agreement_in_words(told)
    assert sentences[0].startswith(first)
    assert " ".join(sentences[1:]).startswith(second)
    assert len(sentences) == 1 + bool(second)


def test_neither_the_order_of_rows_nor_that_of_nodes_changes_a_digit() -> None:
    stream = np.random.default_rng(0)
    nodes = [
        node_day(f"F{i:02d}", [Verdict(v) for v in stream.choice([H, S, M], 8)]) for i in range(12)
    ]
    calls = tickets(
        [(f"F{i % 12:02d}{'abcdefgh'[i % 8]}", i % 24, "ms"[i % 3 == 0]) for i in range(200)]
    )
    told = agreement(Diagnosis("by hand", tuple(nodes), ()), calls)
    turned = replace(calls, **{
        name: getattr(calls, name)[::-1]
        for name in ("ticket_id", "device_id", "opened_s", "closed_s", "is_maintenance")
    })  # fmt: skip
    again = agreement(Diagnosis("by hand", tuple(nodes[::-1]), ()), turned)
    assert again.to_dict() == told.to_dict()
    assert 0 < told.n_in_faults < told.n_tickets == 200
