"""What the loop decides beside scores: muting, models, incidents, notices, replays, back-tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from faultsight.core.alarm import AlarmState
from faultsight.core.errors import InputError
from faultsight.core.feedback import FeedbackEvent, FeedbackKind
from faultsight.core.incident import IncidentState, RootPattern, Severity
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.deployed import DeployedConfig, DeployedDetector
from faultsight.detect.model_folder import save_detector
from faultsight.flow.backtest import back_test
from faultsight.flow.loop import Loop
from faultsight.flow.replay import replay
from faultsight.stores.operations import AlarmFilter

from .conftest import CONFIG, DAY_S, END_S, HOUR_S, LIVE_S, N_LIVE, N_TRAIN, Provider, hours

MakeProvider = Callable[..., Provider]


@pytest.fixture
def done(provider: MakeProvider, live: pl.DataFrame) -> Provider:
    """All of the live part, scored at once."""
    made = provider()
    made.send(live, now_s=END_S)
    made.tick(END_S)
    return made


def hour(number: int) -> int:
    return LIVE_S + number * HOUR_S


def alarm_of(made: Provider, entity: str, first: int):  # type: ignore[no-untyped-def]
    (alarm,) = [
        a for a in made.ops.alarms.find(AlarmFilter(entity=entity)) if a.start_s == hour(first)
    ]
    return alarm


def files(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


class TestMuting:
    def test_a_rule_mutes_before_and_after(
        self, provider: MakeProvider, live: pl.DataFrame
    ) -> None:
        """The rule comes before the alarms, or after them: the same is muted, in no incident."""
        early, late = provider(), provider()

        def plan(made: Provider) -> None:
            made.ops.suppressions.add(
                "cells", scope={"vendor": "B", "region": "north"}, start_s=hour(8),
                end_s=hour(24), reason="upgrade", by="ana",
            )  # fmt: skip

        plan(early)
        for made in (early, late):
            made.send(live, now_s=END_S)
            made.tick(END_S)
        assert alarm_of(late, "cell-1", 10).muted_by is None
        plan(late)
        told = late.tick(END_S)
        assert {a.entity for a in told.changed} == {"cell-1", "cell-2"}
        muted = alarm_of(late, "cell-1", 10)
        assert (muted.muted_by, muted.mute_reason, muted.incident_id) == ("1", "upgrade", None)
        assert late.standing() == early.standing()

    def test_a_revoked_rule_mutes_no_more(self, done: Provider) -> None:
        before = done.standing()
        rule = done.ops.suppressions.add(
            "cells", entity="cell-3", start_s=hour(20), end_s=hour(40), reason="work", by="ana"
        )
        done.tick(END_S)
        assert alarm_of(done, "cell-3", 30).mute_reason == "work"
        assert done.standing() != before
        done.ops.suppressions.revoke(rule.id, by="ana", why="done")
        done.tick(END_S)
        assert done.standing() == before

    def test_what_outlasts_the_work_is_told(
        self, provider: MakeProvider, live: pl.DataFrame
    ) -> None:
        made = provider()
        made.ops.suppressions.add(
            "cells", entity="cell-1", start_s=hour(9), end_s=hour(13), reason="work", by="ana"
        )
        made.send(hours(live, 0, 12), now_s=hour(12))
        made.tick(hour(12))
        alarm = alarm_of(made, "cell-1", 10)
        assert (alarm.state, alarm.mute_reason) == (AlarmState.RAISED, "work")
        made.send(hours(live, 12, 15), now_s=hour(15))
        made.tick(hour(15))
        alarm = alarm_of(made, "cell-1", 10)
        assert alarm.muted_by is None
        assert alarm.incident_id is not None


class TestLateData:
    def test_only_what_was_touched_is_scored(
        self, provider: MakeProvider, live: pl.DataFrame
    ) -> None:
        made = provider()
        is_held_back = (pl.col("entity") == "cell-3") & (pl.col("timestamp") == hour(30))
        made.send(live.filter(~is_held_back), now_s=END_S)
        made.tick(END_S)
        (alarm,) = made.ops.alarms.find(AlarmFilter(entity="cell-3"))
        made.send(live.filter(is_held_back), now_s=END_S)
        told = made.tick(END_S)
        assert (told.late_entities, told.entities_scored) == (1, 1)
        # Up to the end of the last block that has the late row in its history.
        assert told.rows_scored == 3 * 24 - 30
        assert {a.entity for a in (*told.new, *told.changed, *told.withdrawn)} == {"cell-3"}
        found = alarm_of(made, "cell-3", 30)
        (last, *_) = made.ops.alarms.history(found.id)[::-1]
        assert last.why == "late data"
        if alarm.id != found.id:
            assert alarm.id in made.withdrawn()

    def test_what_is_too_late_changes_nothing(
        self, provider: MakeProvider, live: pl.DataFrame
    ) -> None:
        made = provider(replace(CONFIG, horizon_s=HOUR_S, history_s=DAY_S))
        first = live.filter((pl.col("entity") != "cell-1") | (pl.col("timestamp") >= hour(24)))
        made.send(first, now_s=END_S)
        made.tick(END_S)
        before = made.standing()
        late = live.filter((pl.col("entity") == "cell-1") & (pl.col("timestamp") < hour(24)))
        made.send(late, now_s=END_S)
        assert made.tick(END_S).too_late == 1
        assert made.standing() == before
        assert made.tick(END_S).too_late == 0


class TestModels:
    def test_rows_scored_before_stay_the_earlier_models(
        self, provider: MakeProvider, live: pl.DataFrame, frames: list[KpiFrame], tmp_path: Path
    ) -> None:
        made = provider()
        made.send(hours(live, 0, 20), now_s=hour(20))
        made.tick(hour(20))
        detector = DeployedDetector(DeployedConfig("pca")).fit([f[:N_TRAIN] for f in frames])
        path = save_detector(detector, tmp_path / "2", {})
        told = made.ops.models.add("cells", "pca", str(path), parent="cells/1", by="test")
        made.ops.models.promote(told.id, by="test", why="better")
        made.send(hours(live, 20, N_LIVE), now_s=END_S)
        made.tick(END_S)
        for frame in made.scores():
            column = frame.values[:, frame.kpis.index("model")]
            assert column[:20].tolist() == [1.0] * 20
            assert set(column[20:].tolist()) == {2.0}
        assert alarm_of(made, "cell-3", 30).model_id == "cells/2"
        before = made.standing()
        made.ops.feeds.mark_dirty("cells", {"cell-1": TimeWindow(LIVE_S, END_S)})
        made.restarted().tick(END_S)
        assert made.standing() == before
        assert replay(made.loop, "cells", TimeWindow(LIVE_S, END_S)).is_same
        made.ops.models.revert("cells", by="ana", why="worse")
        made.loop.tick("cells", END_S)
        assert [span.version for span in made.loop.records.models("cells")] == [1, 2, 1]

    def test_without_a_model_or_rows_it_waits(self, provider: MakeProvider, tmp_path: Path) -> None:
        made = provider()
        made.ops.feeds.add("others", "kpi", HOUR_S)
        loop = Loop(made.ops, made.folder, [replace(CONFIG, name="others")])
        assert loop.tick("others", END_S).waiting_for == "there is no telemetry yet"


class TestIncidents:
    def test_an_operators_word_stays(self, provider: MakeProvider, live: pl.DataFrame) -> None:
        made = provider()
        made.send(hours(live, 0, 12), now_s=hour(12))
        (opened,) = [i for i in made.tick(hour(12)).incidents if i.scope[0][1] == "north"]
        assert opened.state is IncidentState.OPEN
        made.ops.incidents.set_state(opened.id, IncidentState.ACKNOWLEDGED, by="ana")
        made.ops.incidents.assign(opened.id, "ana", by="ana")
        made.send(hours(live, 12, 14), now_s=hour(14))
        made.tick(hour(14))
        known = made.ops.incidents.get(opened.id)
        assert (known.state, known.assigned_to) == (IncidentState.ACKNOWLEDGED, "ana")
        assert known.severity is Severity.MAJOR

    def test_rejected_patterns_are_ranked_by_who_knows(
        self, provider: MakeProvider, live: pl.DataFrame
    ) -> None:
        asked = []

        def rerank(feed, scope, patterns):  # type: ignore[no-untyped-def]
            asked.append((feed, scope))
            return [replace(p, note="rejected before") for p in patterns[::-1]]

        made = provider()
        made.loop.rerank = rerank
        made.send(live, now_s=END_S)
        made.tick(END_S)
        patterns: list[RootPattern] = [p for i in made.ops.incidents.find() for p in i.patterns]
        assert {p.note for p in patterns} == {"rejected before"}
        assert ("cells", (("region", "north"),)) in asked

    def test_notices_are_put_once_with_the_incident(self, done: Provider) -> None:
        told = {m.payload["fingerprint"]: m for m in done.ops.outbox.page(limit=100).items}
        worth = {i.id for i in done.ops.incidents.find() if i.severity is not Severity.WARNING}
        assert told.keys() == worth
        one = next(iter(told.values()))
        assert one.notifier == "log"
        assert one.payload["feedback_link"].endswith(
            f"/incidents/{one.payload['fingerprint']}#feedback"
        )
        done.ops.feeds.mark_dirty("cells", {"cell-1": TimeWindow(LIVE_S, END_S)})
        done.tick(END_S)
        assert len(done.ops.outbox.page(limit=100).items) == len(told)

    def test_firing_then_resolved(self, provider: MakeProvider, live: pl.DataFrame) -> None:
        made = provider()
        for first, stop in ((0, 12), (12, 24)):
            made.send(hours(live, first, stop), now_s=hour(stop))
            made.tick(hour(stop))
        alarm = alarm_of(made, "cell-1", 10)
        told = [
            m.payload["status"]
            for m in sorted(made.ops.outbox.page(limit=100).items, key=lambda m: m.id)
            if m.payload["fingerprint"] == alarm.incident_id
        ]
        assert (told[0], told[-1]) == ("firing", "resolved")


class TestReplay:
    @pytest.mark.parametrize("first", [0, 13, 24, 45, 70])
    def test_a_day_again_is_the_same(self, done: Provider, first: int) -> None:
        window = TimeWindow(hour(first), hour(first + 24))
        told = replay(done.loop, "cells", window)
        assert told.is_same
        assert len(told.alarms) == len(done.ops.alarms.find(AlarmFilter(window=window))) > 0

    def test_a_changed_row_is_noticed(self, done: Provider, live: pl.DataFrame) -> None:
        wrong = live.filter((pl.col("entity") == "cell-3") & (pl.col("timestamp") == hour(30)))
        done.store.append(wrong.with_columns(drops=pl.lit(9.0, pl.Float32)), received_at_s=END_S)
        told = replay(done.loop, "cells", TimeWindow(hour(24), hour(48)))
        assert alarm_of(done, "cell-3", 30).id in told.differences


class TestBackTest:
    def mark(self, made: Provider, kind: FeedbackKind, entity: str, first: int, stop: int) -> None:
        made.ops.feedback.append(
            FeedbackEvent(
                at_s=END_S, by="ana", kind=kind, feed="cells", entity=entity,
                window=TimeWindow(hour(first), hour(stop)),
            )
        )  # fmt: skip

    def test_it_counts_marks_and_writes_nothing(self, done: Provider) -> None:
        self.mark(done, FeedbackKind.CONFIRM, "cell-1", 10, 16)
        self.mark(done, FeedbackKind.REJECT, "cell-3", 30, 31)
        self.mark(done, FeedbackKind.MISSED, "cell-0", 50, 52)
        self.mark(done, FeedbackKind.IGNORE, "cell-4", 40, 60)
        done.ops.close()
        before = files(done.folder)
        same = back_test(done.loop, CONFIG, TimeWindow(LIVE_S, END_S))
        assert same.proposed == same.current
        assert (same.proposed.anomalies, same.proposed.found) == (2, 1)
        assert (same.proposed.false_alarms, same.proposed.raised) == (1, 1)
        high = back_test(done.loop, replace(CONFIG, level_factor=17.0), TimeWindow(LIVE_S, END_S))
        assert (high.proposed.found, high.proposed.raised) == (1, 0)
        assert high.proposed.alarms < high.current.alarms == same.proposed.alarms
        assert {a.entity for a in high.alarms} < {a.entity for a in same.alarms}
        done.ops.close()
        after = files(done.folder)
        changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
        assert not {n for n in changed if not n.startswith("operations.sqlite-")}

    def test_another_detector_is_fitted_on_what_lies_before(self, done: Provider) -> None:
        told = back_test(done.loop, replace(CONFIG, detector="pca"), TimeWindow(LIVE_S, END_S))
        assert told.is_fitted
        assert ("cell-3", hour(30)) in {(a.entity, a.start_s) for a in told.alarms}
        assert told.to_dict()["alarms_per_week"] == told.proposed.alarms * 7 / 3

    def test_the_same_detector_is_fitted_again_where_that_is_asked_for(
        self, done: Provider
    ) -> None:
        told = back_test(done.loop, CONFIG, TimeWindow(LIVE_S, END_S), refit=True)
        assert told.is_fitted
        assert not back_test(done.loop, CONFIG, TimeWindow(LIVE_S, END_S)).is_fitted
        assert ("cell-3", hour(30)) in {(a.entity, a.start_s) for a in told.alarms}

    def test_what_cannot_be_tried_is_refused(self, done: Provider) -> None:
        with pytest.raises(InputError):
            back_test(done.loop, CONFIG, TimeWindow(END_S, END_S + DAY_S))
