"""Whose tickets, which are wrong, and the figures of the paper's sections V-D and V-E."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from faultsight.core.errors import InputError
from faultsight.core.tickets import Tickets
from faultsight.diagnose.contract import DAY_S, Verdict
from faultsight.diagnose.faults import (
    Fault,
    fault_metrics,
    faults_from_json,
    faults_to_json,
    tell_kinds,
    track_faults,
    with_tickets,
    wrong_tickets,
)

MakeFault = Callable[..., Fault]
HOUR_S = 3600.0


def tickets(told: Sequence[tuple[str, float, str]]) -> Tickets:
    n = len(told)
    return Tickets(
        np.array([f"t{i}" for i in range(n)], dtype=np.str_),
        np.array([device for device, _, _ in told], dtype=np.str_),
        np.array([hour * HOUR_S for _, hour, _ in told], np.float64),
        np.full(n, np.nan),
        np.array([kind == "m" for _, _, kind in told], np.bool_),
        np.full(n, ""),
    )


def names(fault: Fault) -> list[str]:
    return [ticket.ticket_id for ticket in fault.tickets]


def test_tickets_of_members_while_it_lasted(a_fault: MakeFault) -> None:
    (told,) = with_tickets(
        [a_fault("ab", days=(1, 2))],
        tickets([("a", 23.9, "s"), ("a", 24.0, "s"), ("b", 47.9, "m"), ("b", 48.0, "s"),
                 ("c", 30.0, "s")]),
    )  # fmt: skip
    assert names(told) == ["t1", "t2"]


def test_tickets_of_an_earlier_run_stay_and_are_not_doubled(a_fault: MakeFault) -> None:
    (first,) = with_tickets([a_fault("a")], tickets([("a", 3.0, "s")]))
    (again,) = with_tickets([first], tickets([("a", 3.0, "s"), ("a", 2.0, "m")]))
    assert names(again) == ["t1", "t0"]


def test_a_ticket_is_wrong_if_no_fault_of_its_modem_agrees(a_fault: MakeFault) -> None:
    plant, home = a_fault("abcdef"), a_fault("a", fault_id="f2")
    told = with_tickets([plant, home], tickets([("a", 1.0, "s"), ("b", 2.0, "s"), ("c", 3.0, "m")]))
    assert [w.ticket.ticket_id for w in wrong_tickets(told)] == ["t1"]
    assert [w.fault_id for w in wrong_tickets(told)] == ["f1"]
    (alone,) = with_tickets([home], tickets([("a", 1.0, "m")]))
    assert [w.verdict for w in wrong_tickets([alone])] == [Verdict.SERVICE]


def test_metrics_by_hand(a_fault: MakeFault) -> None:
    plant = a_fault("abcdefghij", days=(0, 3))
    quiet = a_fault("klmnop", fault_id="f2", days=(0, 1))
    home = a_fault("z", fault_id="f3", days=(1, 11))
    told = fault_metrics(
        with_tickets(
            [plant, quiet, home],
            tickets([("a", 30.0, "s"), ("a", 40.0, "m"), ("b", 50.0, "m"), ("z", 34.0, "s")]),
        )
    )
    maintenance, service = told[Verdict.MAINTENANCE], told[Verdict.SERVICE]
    assert maintenance.duration_h.tolist() == [24.0, 72.0]
    assert maintenance.delay_h.tolist() == [30.0, np.inf]
    assert maintenance.reporting_share.tolist() == [0.0, 0.2]
    assert (maintenance.n_tickets, maintenance.n_wrong_tickets) == (3, 1)
    assert maintenance.reported_within(24) == 0.0
    assert maintenance.reported_within(30) == 0.5
    assert maintenance.reported_within(30, of_reported=True) == 1.0
    assert maintenance.least_reporting(0.1) == 0.5
    assert service.duration_h_p80 == 240.0
    assert service.reported_within(10) == 1.0
    assert service.wrong_share == 0.0
    assert maintenance.to_dict()["wrong_ticket_share"] == pytest.approx(1 / 3)
    assert maintenance.reported_share == 0.5
    assert maintenance.to_dict()["reporting_share_median"] == pytest.approx(0.1)
    assert maintenance.to_dict()["reporting_share_p90"] == pytest.approx(0.18)
    known = {k: v for k, v in maintenance.to_dict(calls_known=False).items() if v is not None}
    assert known == {"faults": 2, "duration_h_median": 48.0, "duration_h_p80": pytest.approx(62.4)}


def test_metrics_of_nothing() -> None:
    told = fault_metrics([])[Verdict.SERVICE]
    assert told.n_faults == 0
    assert told.to_dict()["duration_h_p80"] is None
    assert told.to_dict()["faults"] == 0


def test_json_brings_everything_back(a_fault: MakeFault) -> None:
    faults = tell_kinds(with_tickets([a_fault("a"), a_fault("abcdef", fault_id="ü\n<b>")],
                                     tickets([("a", 1.0, "m")])))  # fmt: skip
    text = faults_to_json(faults)
    assert str(faults_from_json(text)) == str(faults)
    assert faults_to_json(faults_from_json(text)) == text
    assert faults_from_json(faults_to_json([])) == []


def test_json_of_real_faults(network: object) -> None:
    faults = track_faults(network.diagnosis)  # type: ignore[attr-defined]
    assert str(faults_from_json(faults_to_json(faults))) == str(faults)
    assert len(faults) > 20


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", '{"format": "faultsight faults 2", "faults": []}',
        '{"format": "faultsight faults 1", "faults": [{}]}',
        '{"format": "faultsight faults 1", "faults": 3}',
    ],
)  # fmt: skip
def test_other_json_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"old\.json"):
        faults_from_json(text, source="old.json")


def test_a_broken_fault_is_refused(a_fault: MakeFault) -> None:
    text = faults_to_json([a_fault("a")])
    assert str(DAY_S) in text
    for old, new in (('"service"', '"rain"'), (f"[[0,{DAY_S}]]", "[]"), ('"F"', "7")):
        assert old in text
        with pytest.raises(InputError):
            faults_from_json(text.replace(old, new))
