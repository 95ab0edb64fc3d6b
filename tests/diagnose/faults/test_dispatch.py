"""The dispatch list: who first, who not yet, and where to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from faultsight.diagnose.faults import (
    Dispatch,
    Fault,
    FaultPlace,
    FaultTicket,
    dispatch_list,
    tell_kinds,
)

MakeFault = Callable[..., Fault]
A_TICKET = FaultTicket("t1", "a", 7200.0, False)


def order(told: list[Dispatch]) -> list[str]:
    return [one.fault.fault_id for one in told]


def test_maintenance_before_service_and_more_suffering_first(a_fault: MakeFault) -> None:
    faults = [
        a_fault("a", fault_id="home", days=(0, 30)),
        a_fault("abcdef", fault_id="short", days=(29, 30)),
        a_fault("abcdef", fault_id="long", days=(25, 30)),
        replace(a_fault("abcdef", fault_id="called", days=(27, 30)), tickets=(A_TICKET,)),
        a_fault("abcdef", fault_id="past", days=(0, 20), is_ongoing=False),
    ]
    told = dispatch_list(faults)
    assert order(told) == ["called", "long", "short", "home", "past"]
    assert [one.rank for one in told] == [1, 2, 3, 4, 5]
    assert [one.team for one in told][:4] == ["maintenance team"] * 3 + ["service technician"]
    assert [one.score for one in told][:3] == [36.0, 30.0, 6.0]
    assert told[-1].advice == "ended"


def test_a_home_seen_once_is_watched_until_it_is_seen_again_or_calls(a_fault: MakeFault) -> None:
    once = a_fault("a", fault_id="once")
    twice = a_fault("a", fault_id="twice", days=(0, 2))
    called = replace(a_fault("a", fault_id="called"), tickets=(A_TICKET,))
    advice = {one.fault.fault_id: one.advice for one in dispatch_list([once, twice, called])}
    assert advice == {"once": "watch", "twice": "send", "called": "send"}
    assert dispatch_list([a_fault("abcdef")])[0].advice == "send", "the plant is not waited for"


def test_noise_of_one_node_is_one_visit(a_fault: MakeFault) -> None:
    letters = "abcdefghijklmnopqrst"
    large = replace(a_fault(letters, fault_id="large"), n_node_modems=20)
    small = replace(a_fault("uvwxyz", fault_id="small"), n_node_modems=6)
    told = dispatch_list(tell_kinds([small, large]))
    assert [(one.fault.fault_id, one.advice) for one in told] == [
        ("large", "send"), ("small", "watch"),
    ]  # fmt: skip
    assert "likely the same noise as large" in told[1].evidence


def test_where_and_what_to_do(a_fault: MakeFault) -> None:
    home = dispatch_list(tell_kinds([a_fault("a")]))[0]
    assert home.where == "F, home of modem a"
    assert home.action.startswith("check the drop")
    place = FaultPlace("amplifier", "A2", 6, 7, 1)
    branch = replace(a_fault("abcdef"), kind="attenuation", place=place, confidence="strong")
    told = dispatch_list([branch])[0]
    assert told.where == "F, amplifier A2"
    assert any("6 of the 7 modems on amplifier A2" in line for line in told.evidence)
    area = FaultPlace("area", "", 6, 0, 0, 50.1, 8.2, 120.4)
    assert dispatch_list([replace(branch, place=area)])[0].where == (
        "F, within 120 m of 50.10000, 8.20000"
    )
    untold = dispatch_list([a_fault("abcdef")])[0]
    assert untold.where == "F, what its 6 modems have in common"
    assert untold.why == "6 of 26 modems move alike on snr."
    assert untold.action == ""


@given(st.permutations(range(6)))
def test_the_order_is_total(a_fault: MakeFault, shuffled: list[int]) -> None:
    faults = [a_fault("ab", fault_id=f"f{i}") for i in range(6)]
    assert order(dispatch_list([faults[i] for i in shuffled])) == [f"f{i}" for i in range(6)]
