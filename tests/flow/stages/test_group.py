"""Incidents do not depend on whether alarms come one by one or all at once."""

from __future__ import annotations

import itertools
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.flow.stages.group import Cluster, Scope, clusters, scope_of

SCOPES: tuple[Scope, ...] = ((("region", "north"),), (("region", "south"),))
TOLD = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 60)), max_size=25, unique=True
)


def alarm(entity: int, start: int) -> AlarmRecord:
    return AlarmRecord(
        feed="f", entity=f"e{entity}", kind=AlarmKind.KPI, start_s=start * 60, peak=2.0
    )


def ids(found: list[Cluster]) -> list[tuple[str, tuple[str, ...]]]:
    return [(cluster.id, tuple(a.id for a in cluster.alarms)) for cluster in found]


@given(TOLD, st.integers(0, 10), st.integers(0, 20), st.integers(0, 60), st.randoms())
def test_later_alarms_move_no_earlier_one(
    told: list[tuple[int, int, int]], gap: int, longest: int, cut: int, order: object
) -> None:
    pairs = list({(s, e, t): (SCOPES[s], alarm(10 * s + e, t)) for s, e, t in told}.values())
    made = partial(clusters, gap_s=gap * 60, longest_s=longest * 60)
    whole = made(pairs)
    order.shuffle(pairs)  # type: ignore[attr-defined]
    assert ids(made(pairs)) == ids(whole)
    early = made([p for p in pairs if p[1].start_s < cut * 60])
    latest = {cluster.scope: cluster for cluster in early}
    late = made([p for p in pairs if p[1].start_s >= cut * 60], seeds=latest)
    kept = [c for c in early if latest[c.scope] is not c]
    assert sorted(ids(kept + late)) == sorted(ids(whole))


@given(TOLD, st.integers(0, 10), st.integers(0, 20))
def test_every_alarm_is_in_one_incident_and_gaps_hold(
    told: list[tuple[int, int, int]], gap: int, longest: int
) -> None:
    pairs = [(SCOPES[s], alarm(10 * s + e, t)) for s, e, t in told]
    found = clusters(pairs, gap_s=gap * 60, longest_s=longest * 60)
    members = [a.id for cluster in found for a in cluster.alarms]
    assert sorted(members) == sorted(a.id for _, a in pairs)
    for cluster in found:
        starts = [a.start_s for a in cluster.alarms]
        assert starts == sorted(starts)
        assert starts[-1] - starts[0] <= longest * 60
        assert all(b - a <= gap * 60 for a, b in itertools.pairwise(starts))


def test_scopes() -> None:
    site = {"region": "north", "vendor": "A"}
    assert scope_of("c", site, ("region", "vendor")) == (("region", "north"), ("vendor", "A"))
    assert scope_of("c", site, ("city", "vendor")) == (("vendor", "A"),)
    assert scope_of("c", site, ("city",)) == (("entity", "c"),)
    assert scope_of("c", site, ()) == ()
