"""Incident records: their id, their state, and the way through JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError
from faultsight.core.incident import (
    IncidentRecord,
    IncidentState,
    RootPattern,
    Severity,
    incident_id,
)


def incident(**values: Any) -> IncidentRecord:
    told: dict[str, Any] = {
        "id": "00ff", "feed": "cells", "title": "north", "severity": Severity.MAJOR, "start_s": 0,
    }  # fmt: skip
    return IncidentRecord(**{**told, **values})


def test_the_id_tells_feed_scope_and_first_alarm_apart() -> None:
    ids = {
        incident_id("cells", (), "a"),
        incident_id("cdn", (), "a"),
        incident_id("cells", (("region", "north"),), "a"),
        incident_id("cells", (("region", "north"),), "b"),
        incident_id("cells", (("region", "a"), ("site", "b")), "c"),
        incident_id("cells", (("region", "a"),), "site"),
    }
    assert len(ids) == 6


def test_an_incident_with_an_end_is_resolved() -> None:
    assert incident().state is IncidentState.OPEN
    assert incident(end_s=60).state is IncidentState.RESOLVED
    assert incident(end_s=60, state="acknowledged").state is IncidentState.ACKNOWLEDGED


@pytest.mark.parametrize("wrong", [{"end_s": -1}, {"verdict": "broken"}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        incident(**wrong)


def test_severities_are_ordered_the_worst_first() -> None:
    assert [severity.value for severity in Severity] == ["critical", "major", "minor", "warning"]


@given(
    names=st.dictionaries(st.text(), st.text(), max_size=3),
    score=st.floats(-1e9, 1e9),
    note=st.text(),
)
def test_it_survives_json_with_any_names(names: dict[str, str], score: float, note: str) -> None:
    pattern = RootPattern(AttributeCombination(names), score, 0.5, -1.5, "drops", note)
    one = incident(scope=tuple(names.items()), patterns=(pattern,), alarm_ids=("a", "b"))
    assert IncidentRecord.from_dict(json.loads(json.dumps(one.to_dict()))) == one
