"""Root patterns that operators rejected rank lower where they were rejected, and say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from faultsight.core.feedback import FeedbackKind, FeedbackState, PatternDecision, fold
from faultsight.core.incident import RootPattern
from faultsight.stores.operations import Operations

__all__ = ["rank_rejected_lower", "rejected_patterns"]

Scope = tuple[tuple[str, str], ...]


def rejected_patterns(
    ops: Operations, feed: str, scope: Scope, patterns: Sequence[RootPattern]
) -> list[RootPattern]:
    """Return patterns with those that operators rejected in the same scope last.

    Parameters
    ----------
    ops : Operations
        Where feedback is kept.
    feed : str
        Whose incident it is.
    scope : tuple of (attribute, value)
        What its alarms have in common.
    patterns : sequence of RootPattern
        As the localizer ranks them.
    """
    return rank_rejected_lower(fold(ops.feedback.events(feed)), feed, scope, patterns)


def rank_rejected_lower(
    state: FeedbackState, feed: str, scope: Scope, patterns: Sequence[RootPattern]
) -> list[RootPattern]:
    """Return patterns with the rejected ones last; otherwise the order stays.

    A pattern counts as rejected if the last word on it in this scope, on its KPI or on none in
    particular, is a rejection or a correction. One that was named as right in a correction, or
    confirmed, keeps its place; its note says so.

    Examples
    --------
    >>> from faultsight.core.combination import AttributeCombination
    >>> from faultsight.core.feedback import FeedbackEvent
    >>> where = (("region", "north"),)
    >>> told = FeedbackEvent(id=1, at_s=0, by="ana", kind=FeedbackKind.REJECT_PATTERN, feed="cells",
    ...     body={"scope": where, "combination": [["vendor", "V1"]]}, reason="planned work")
    >>> ranked = [RootPattern(AttributeCombination({"vendor": "V1"}), 0.9),
    ...           RootPattern(AttributeCombination({"band": "800"}), 0.5)]
    >>> for pattern in rank_rejected_lower(fold([told]), "cells", where, ranked):
    ...     print(dict(pattern.combination), pattern.note)
    {'band': '800'}
    {'vendor': 'V1'} ranked lower: rejected here by ana on 1970-01-01: planned work
    """
    decisions = state.patterns.get((feed, tuple(sorted(scope))), ())
    kept: list[RootPattern] = []
    lower: list[RootPattern] = []
    for pattern in patterns:
        decision = _decision_on(pattern, decisions)
        if decision is None:
            kept.append(pattern)
        elif decision.kind is FeedbackKind.CONFIRM_PATTERN:
            kept.append(_noted(pattern, f"confirmed here before {_by(decision)}"))
        else:
            lower.append(_noted(pattern, f"ranked lower: {_rejection(decision)}"))
    return kept + lower


def _decision_on(
    pattern: RootPattern, decisions: Sequence[PatternDecision]
) -> PatternDecision | None:
    """Return the latest decision on a pattern."""
    kpis = {"", pattern.kpi, *pattern.kpi.split(";")}
    own = [d for d in decisions if d.combination == pattern.combination and d.kpi in kpis]
    return max(own, key=lambda d: (d.event.at_s, d.event.id), default=None)


def _rejection(decision: PatternDecision) -> str:
    if decision.correction is not None:
        right = ", ".join(f"{a}={v}" for a, v in decision.correction.items())
        return f"corrected here to {right} {_by(decision)}"
    return f"rejected here {_by(decision)}"


def _by(decision: PatternDecision) -> str:
    event = decision.event
    day = datetime.fromtimestamp(event.at_s, UTC).date().isoformat()
    reason = f": {event.reason}" if event.reason else ""
    return f"by {event.by} on {day}{reason}"


def _noted(pattern: RootPattern, note: str) -> RootPattern:
    return replace(pattern, note=f"{pattern.note}; {note}" if pattern.note else note)
