"""diagnose/snmp, on a few modems."""

from __future__ import annotations

import importlib.util

import pytest

from faultsight.bench.engine import Context, run_scenario
from faultsight.core.errors import MissingExtraError, UnknownMemberError


def test_every_method_polls_every_modem() -> None:
    told: list[str] = []
    result = run_scenario("diagnose/snmp", Context(cases=40, seconds=0.0, progress=told.append))
    parts = [(row["part"], row["method"], row["objects"]) for row in result.rows]
    assert parts == [
        ("get", "faultsight", 6),
        ("collect", "faultsight", 13),
        ("get", "gufo-snmp", 6),
        ("get", "pysnmp", 6),
    ]
    assert len(told) == len(parts)
    for row in result.rows:
        assert (row["modems"], row["requests"], row["lost"]) == (40, 40, 0)
        assert float(row["seconds"] or 0) > 0
        assert row["polls_per_second"] == pytest.approx(40 / float(row["seconds"] or 0))
        assert float(row["cpu_seconds"] or 0) > 0


def test_only_what_is_asked_for_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pysnmp" else found(name)
    )
    result = run_scenario("diagnose/snmp", Context(methods=("pysnmp",), cases=5))
    assert result.rows == []
    assert "left out: pysnmp is not installed" in result.notes
    with pytest.raises(UnknownMemberError, match="gufo-snmp"):
        run_scenario("diagnose/snmp", Context(methods=("nonsense",)))


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match="snmp"):
        run_scenario("diagnose/snmp", Context(cases=5))


def test_many_modems_are_polled_fast_and_none_is_lost() -> None:
    """The bar is 10,000 polls a second of one core; its time is counted, not that of others."""
    result = run_scenario("diagnose/snmp", Context(methods=("faultsight",), cases=2000))
    get, collect = result.rows
    assert (get["lost"], collect["lost"]) == (0, 0)
    assert float(get["cpu_seconds"] or 0) < 2000 / 10_000
