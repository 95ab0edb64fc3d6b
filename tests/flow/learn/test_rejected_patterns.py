"""Patterns that operators rejected rank lower in the same scope, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultsight.core.combination import AttributeCombination
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.incident import RootPattern
from faultsight.flow.learn import rejected_patterns
from faultsight.stores.operations import Operations

NORTH = (("region", "north"),)
RANKED = [
    RootPattern(AttributeCombination({"vendor": "V1"}), 0.9, kpi="drops", note="up: 80 % of it"),
    RootPattern(AttributeCombination({"band": "800"}), 0.5, kpi="drops"),
    RootPattern(AttributeCombination({"site": "S1"}), 0.2, kpi="drops"),
]


@pytest.fixture
def ops(tmp_path: Path) -> Operations:
    ops = Operations.open(tmp_path / "operations.sqlite", clock=lambda: 0.0)
    ops.feeds.add("cells", "kpi", 3600)
    return ops


def _say(
    ops: Operations,
    kind: FeedbackKind,
    combination: dict[str, str],
    *,
    scope: tuple[tuple[str, str], ...] = NORTH,
    at_s: int = 0,
    **body: object,
) -> FeedbackEvent:
    told = {"scope": [list(p) for p in scope], "combination": list(combination.items()), **body}
    return ops.feedback.append(
        FeedbackEvent(at_s=at_s, by="ana", kind=kind, feed="cells", body=told, reason="seen")
    )


def _order(ops: Operations, scope: tuple[tuple[str, str], ...] = NORTH) -> list[str]:
    patterns = rejected_patterns(ops, "cells", scope, RANKED)
    return ["".join(value for _, value in p.combination.items()) for p in patterns]


def test_nothing_said_nothing_changed(ops: Operations) -> None:
    assert rejected_patterns(ops, "cells", NORTH, RANKED) == RANKED


def test_rejected_here_it_is_last_and_says_so(ops: Operations) -> None:
    _say(ops, FeedbackKind.REJECT_PATTERN, {"vendor": "V1"})
    found = rejected_patterns(ops, "cells", NORTH, RANKED)
    assert _order(ops) == ["800", "S1", "V1"]
    assert found[-1].note == (
        "up: 80 % of it; ranked lower: rejected here by ana on 1970-01-01: seen"
    )
    assert (found[-1].score, found[:2]) == (0.9, RANKED[1:])


def test_elsewhere_it_keeps_its_place(ops: Operations) -> None:
    _say(ops, FeedbackKind.REJECT_PATTERN, {"vendor": "V1"})
    for scope in ((("region", "south"),), (), (*NORTH, ("band", "800"))):
        assert _order(ops, scope) == ["V1", "800", "S1"]


def test_the_last_word_holds_and_an_undo_restores(ops: Operations) -> None:
    rejection = _say(ops, FeedbackKind.REJECT_PATTERN, {"vendor": "V1"}, at_s=1)
    ops.feedback.append(
        FeedbackEvent(at_s=2, by="bo", kind=FeedbackKind.UNDO, feed="cells", undoes=rejection.id)
    )
    assert _order(ops) == ["V1", "800", "S1"]
    _say(ops, FeedbackKind.REJECT_PATTERN, {"vendor": "V1"}, at_s=3)
    assert _order(ops)[-1] == "V1"
    _say(ops, FeedbackKind.CONFIRM_PATTERN, {"vendor": "V1"}, at_s=4)
    assert _order(ops)[0] == "V1"
    assert "confirmed here before" in rejected_patterns(ops, "cells", NORTH, RANKED)[0].note


def test_a_correction_names_what_was_right(ops: Operations) -> None:
    _say(ops, FeedbackKind.CORRECT_PATTERN, {"vendor": "V1"}, correction=[["site", "S1"]])
    last = rejected_patterns(ops, "cells", NORTH, RANKED)[-1]
    assert "corrected here to site=S1 by ana" in last.note
    assert _order(ops)[-1] == "V1"


def test_a_rejection_for_one_kpi_is_for_that_kpi(ops: Operations) -> None:
    _say(ops, FeedbackKind.REJECT_PATTERN, {"vendor": "V1"}, kpi="traffic")
    assert _order(ops) == ["V1", "800", "S1"]
    _say(ops, FeedbackKind.REJECT_PATTERN, {"vendor": "V1"}, kpi="drops")
    assert _order(ops)[-1] == "V1"
