"""Every diagnoser against every contract check; a new member is tested without an edit here."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import ClassVar

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.polls import PollTable, node_polls
from faultsight.core.seed import random_stream
from faultsight.core.tickets import read_tickets
from faultsight.diagnose import DIAGNOSERS
from faultsight.diagnose.checks import CHECKS, Check, run_check
from faultsight.diagnose.contract import Diagnoser, Verdict
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.sim.cable_plant import CablePlantConfig, simulate_node


class PaperTelApart(TelApart):
    """TelApart as published."""

    excused: ClassVar[Mapping[str, str]] = {
        "check_names_change_nothing": "six slots leave seven similarities of misses, so that most "
        "merges are tied, and ties are broken by name"
    }

    def __init__(self) -> None:
        super().__init__(TelApartConfig.paper())


_MAKERS: dict[str, Callable[[], Diagnoser]] = {"telapart-paper": PaperTelApart}
_MAKERS |= {name: DIAGNOSERS.load(name) for name in DIAGNOSERS.names()}


@pytest.mark.parametrize("name", sorted(_MAKERS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_diagnoser(name: str, check: Check) -> None:
    run_check(check, _MAKERS[name])


@pytest.mark.parametrize("name", sorted(_MAKERS))
def test_every_excuse_names_a_check(name: str) -> None:
    known = {check.__name__ for check in CHECKS}
    assert set(_MAKERS[name]().excused) <= known


_MODEMS = 14
_TOLD = ("ticket_id", "device_id", "opened", "closed", "kind")


@cache
def _tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return polls and tickets of one tiny fiber node in which much goes wrong."""
    config = CablePlantConfig(
        n_fnodes=1, days=9, modems=(_MODEMS, _MODEMS), n_amplifiers=3, fault_modems=(6, 9),
        maintenance_rate=6.0, service_call_share=0.9, maintenance_call_share=0.5,
    )  # fmt: skip
    node = simulate_node(config, 0, seed=1060)
    return node.polls.to_table(), node.tickets.select(_TOLD)


def _verdicts(polls: pl.DataFrame, calls: pl.DataFrame) -> dict[tuple[int, str], Verdict]:
    telemetry = PollTable(node_polls(polls))
    model = TelApart().fit(telemetry, read_tickets(calls), workers=1)
    span = telemetry.window
    return {
        (node.window.end_s, device): Verdict(verdict)
        for node in model.diagnose(telemetry, window=span, workers=1).nodes
        for device, verdict in zip(node.device_ids, node.verdict.tolist(), strict=True)
    }


@cache
def _as_they_came() -> dict[tuple[int, str], Verdict]:
    return _verdicts(*_tables())


def test_much_is_found_in_the_tiny_node() -> None:
    found = list(_as_they_came().values())
    for verdict in (Verdict.HEALTHY, Verdict.SERVICE, Verdict.MAINTENANCE):
        assert found.count(verdict) >= 4


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_no_order_of_rows_changes_a_verdict(order: int) -> None:
    stream = random_stream(order, "order of rows")
    polls, calls = (table[stream.permutation(table.height)] for table in _tables())
    assert _verdicts(polls, calls) == _as_they_came()


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(_MODEMS)))
def test_no_order_of_names_changes_a_verdict(order: list[int]) -> None:
    names = sorted(set(_tables()[0]["device_id"]))
    name_of = {name: names[place] for name, place in zip(names, order, strict=True)}
    renamed = (table.with_columns(pl.col("device_id").replace(name_of)) for table in _tables())
    assert _verdicts(*renamed) == {
        (end_s, name_of[device]): verdict for (end_s, device), verdict in _as_they_came().items()
    }
