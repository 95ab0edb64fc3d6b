"""Alarm records: one identity wherever they are computed, and no state that cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.alarm import AlarmKind, AlarmRecord, AlarmState, six_digits, stable_id
from faultsight.core.errors import InputError


def alarm(**values: Any) -> AlarmRecord:
    told: dict[str, Any] = {
        "feed": "cells", "entity": "cell-1", "kind": AlarmKind.KPI, "start_s": 3600, "peak": 2.0,
    }  # fmt: skip
    return AlarmRecord(**{**told, **values})


def test_the_id_depends_on_feed_entity_start_and_kind_alone() -> None:
    same = alarm(peak=9.0, end_s=7200, kpis=(("drops", 1.0),), model_id="m", flaps=3, version=7)
    assert same.id == alarm().id
    others = [alarm(feed="b"), alarm(entity="b"), alarm(start_s=0), alarm(kind=AlarmKind.CUBE)]
    assert len({one.id for one in (alarm(), *others)}) == 5


def test_the_id_never_changes_between_releases() -> None:
    assert alarm().id == "5ee380fc82524337"


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_ids_of_different_parts_differ(first: list[str], second: list[str]) -> None:
    assert (stable_id(*first) == stable_id(*second)) == (first == second)


def test_the_state_follows_from_the_end() -> None:
    assert alarm().state is AlarmState.RAISED
    assert alarm(end_s=7200).state is AlarmState.CLEARED
    assert alarm(state="withdrawn").state is AlarmState.WITHDRAWN


@pytest.mark.parametrize(
    "wrong",
    [
        {"end_s": 3600}, {"end_s": 0}, {"peak": -1.0}, {"peak": float("nan")},
        {"peak": float("inf")}, {"state": AlarmState.CLEARED},
        {"state": AlarmState.RAISED, "end_s": 7200},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cell-1"):
        alarm(**wrong)


@given(st.floats(min_value=0, max_value=1e300))
def test_last_bits_do_not_count(value: float) -> None:
    assert six_digits(value) == six_digits(six_digits(value))
    assert alarm(peak=value).peak == pytest.approx(value, rel=1e-5)


@given(
    entity=st.text(),
    kpis=st.lists(st.tuples(st.text(), st.floats(0, 1)), max_size=3),
    reason=st.text(),
)
def test_it_survives_json(entity: str, kpis: list[tuple[str, float]], reason: str) -> None:
    one = alarm(entity=entity, kpis=tuple(kpis), mute_reason=reason, payload={"members": ["a"]})
    assert AlarmRecord.from_dict(json.loads(json.dumps(one.to_dict()))) == one
