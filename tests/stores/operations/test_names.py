"""Names from data are values: they come back as they were, and never become SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.incident import IncidentRecord, RootPattern, Severity
from faultsight.core.kpi_frame import TimeWindow
from faultsight.stores.operations import AlarmFilter, Operations, Role, schema

HOSTILE = [
    'a"; DROP TABLE alarms;--', "a'; DROP TABLE alarms;--", "{{7*7}}", "=cmd()",
    "%s %(x)s :name ?", "<script>alert(1)</script>", "../../etc/passwd", "a\\", "a\nb\r\n\tc",
    " blank ", "电信 ✓", "\x1b[31m", "a\u202eb", "é", "e\u0301", "\U0001f4e1", "\ufeff", "NULL",
    "0", "1e400", "x" * 5000,
]  # fmt: skip

# What a text column of both databases holds: any Unicode text but NUL.
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def round_trip(ops: Operations, name: str) -> None:
    window = TimeWindow(0, 60)
    alarm = AlarmRecord(
        feed="cells", entity=name, kind=AlarmKind.KPI, start_s=0, peak=1.0, kpis=((name, 0.5),),
        muted_by=name, mute_reason=name, model_id=name, payload={name: [name, {name: name}]},
    )  # fmt: skip
    ops.alarms.reconcile("cells", window, [name], [alarm], why=name)
    ops.alarms.set_incident([alarm.id], name)
    assert ops.alarms.find(AlarmFilter(entity=name, incident_id=name))[0].to_dict() == (
        alarm.to_dict() | {"incident_id": name, "version": 2}
    )
    assert ops.alarms.history(alarm.id)[0].why == name
    incident = IncidentRecord(
        id=name, feed="cells", scope=((name, name),), title=name, severity=Severity.MINOR,
        start_s=0, alarm_ids=(name,), evidence={name: name},
        patterns=(RootPattern(AttributeCombination({name: name}), 1.0, kpi=name, note=name),),
    )  # fmt: skip
    ops.incidents.upsert(incident, why=name)
    assert ops.incidents.get(name) == incident
    assert ops.incidents.assign(name, name, by=name, why=name).assigned_to == name
    event = FeedbackEvent(
        at_s=0, by=name, kind=FeedbackKind.CONFIRM_PATTERN, feed="cells", entity=name,
        window=window, kpis=(name,), incident_id=name, reason=name,
        body={"scope": [[name, name]], "combination": [[name, name]], "kpi": name},
    )  # fmt: skip
    stored = ops.feedback.append(event)
    assert ops.feedback.get(stored.id).to_dict() | {"id": 0} == event.to_dict()
    ops.entities.put("cells", {name: {name: name}})
    assert ops.entities.get("cells", name).attributes == {name: name}
    ops.files.record("cells", name, name, 1, 1, {name: 1})
    assert ops.files.quarantined("cells")[name] == 1
    ops.feeds.mark_dirty("cells", {name: window})
    assert name in ops.feeds.dirty("cells").windows
    ops.settings.set(name, {name: name}, by=name, why=name)
    assert ops.audit.page(by=name, subject=f"setting {name}").items[0].detail["new"] == {name: name}
    rule = ops.suppressions.add(
        "cells", scope={name: name}, entity=name, start_s=0, reason=f".{name}", by=name
    )
    assert ops.suppressions.get(rule.id).covers("cells", name, {name: name})
    job = ops.jobs.enqueue(name, name, {name: name}, by=name)
    assert ops.jobs.page(kind=name).items[0] == job
    ops.outbox.put(name, name, {name: name})
    assert ops.outbox.page(notifier=name).items[0].fingerprint == name
    if name.strip():
        ops.users.add(name, "$argon2id$x", Role.VIEWER)
        assert ops.users.get(name).name == name


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_come_back_as_they_were(ops: Operations, name: str) -> None:
    round_trip(ops, name)
    with ops.snapshot() as tx:
        assert set(schema.metadata.tables) <= set(sa.inspect(tx).get_table_names())


def test_so_does_any_other_text(ops: Operations) -> None:
    seen: set[str] = set()

    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(names)
    @example("\x01")
    def any_text(name: str) -> None:
        if name not in seen:
            seen.add(name)
            round_trip(ops, name)

    any_text()


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a\udfff"], ids=["NUL", "high", "low"])
def test_what_would_not_come_back_is_refused_and_nothing_is_stored(
    ops: Operations, name: str
) -> None:
    refused: list[dict[str, dict[str, str]]] = [{name: {}}, {"ok": {}, name: {}}]
    for entities in refused:
        with pytest.raises(InputError, match="cannot be stored"):
            ops.entities.put("cells", entities)
    assert ops.entities.attributes("cells") == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", "\ud800"])
def test_json_that_is_none_is_refused(ops: Operations, value: Any) -> None:
    with pytest.raises(InputError, match="cannot be stored"):
        ops.settings.set("threshold", value, by="ana")
    assert ops.settings.list() == []


def test_no_statement_is_put_together_from_text() -> None:
    """Values reach the database as parameters: no string SQL in the package but the constants."""
    folder = Path(schema.__file__).parent
    signs = ("exec_driver_sql(", "sa.text(", '.execute(f"')
    found = [
        f"{file.name}: {line.strip()}"
        for file in sorted(folder.glob("*.py"))
        for line in file.read_text().splitlines()
        if any(sign in line for sign in signs)
    ]
    assert found == [
        '_database.py: cursor.execute(f"PRAGMA journal_mode={mode}")',
        '_database.py: connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")',
    ]
