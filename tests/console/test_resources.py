"""What a console needs, resource by resource."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from faultsight.app.application import Application
from faultsight.app.roles import COMMAND_LINE
from faultsight.core.kpi_frame import TimeWindow

API = "/api/v1"


def pages(client: TestClient, path: str, **asked: Any) -> list[Any]:
    """Return all items of a list, a page of one at a time."""
    items: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = client.get(f"{API}{path}", params={"limit": 1, **asked, **after}).json()
        assert len(page["items"]) <= 1
        items += page["items"]
        if page["next"] is None:
            return items
        after = {"after": page["next"]}


class TestAlarms:
    def test_come_in_pages_the_latest_first(self, viewer: TestClient, seeded: Any) -> None:
        assert [a["id"] for a in pages(viewer, "/alarms")] == [seeded.raised, seeded.cleared]

    @pytest.mark.parametrize(
        ("asked", "n"),
        [
            ({"state": "raised"}, 1), ({"entity": "cell-1"}, 1), ({"feed": "cells"}, 2),
            ({"feed": "others"}, 0), ({"from_s": 50_000}, 1), ({"to_s": 50_000}, 1),
            ({"state": "withdrawn"}, 0), ({"muted": True}, 0), ({"kind": "cube"}, 0),
        ],
    )  # fmt: skip
    def test_are_chosen(
        self, viewer: TestClient, seeded: Any, asked: dict[str, Any], n: int
    ) -> None:
        assert len(viewer.get(f"{API}/alarms", params=asked).json()["items"]) == n

    def test_of_an_incident(self, viewer: TestClient, seeded: Any) -> None:
        found = viewer.get(f"{API}/alarms", params={"incident": seeded.incident}).json()["items"]
        assert [alarm["id"] for alarm in found] == [seeded.raised]

    def test_have_a_version_that_saves_reading_again(self, viewer: TestClient, seeded: Any) -> None:
        first = viewer.get(f"{API}/alarms/{seeded.cleared}")
        assert first.json()["kpis"][0] == {"kpi": "drops", "share": 0.9}
        again = viewer.get(
            f"{API}/alarms/{seeded.cleared}", headers={"if-none-match": first.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")

    def test_have_a_history(self, viewer: TestClient, seeded: Any) -> None:
        history = viewer.get(f"{API}/alarms/{seeded.raised}/history").json()
        assert [entry["action"] for entry in history] == ["new", "changed"]

    def test_unknown_ones_are_not_found(self, viewer: TestClient) -> None:
        answer = viewer.get(f"{API}/alarms/{'0' * 16}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "Not Found"

    def test_a_cursor_that_is_none_is_refused(self, viewer: TestClient, seeded: Any) -> None:
        for cursor in ("x", "W10", "%00", "a" * 500):
            answer = viewer.get(f"{API}/alarms", params={"after": cursor})
            assert answer.status_code == 422


class TestIncidents:
    def change(self, client: TestClient, incident: str, tag: str | None, **body: Any) -> Any:
        headers = {} if tag is None else {"if-match": tag}
        return client.patch(
            f"{API}/incidents/{incident}", json={"why": "shift", **body}, headers=headers
        )

    def test_show_where_it_comes_from(self, viewer: TestClient, seeded: Any) -> None:
        told = viewer.get(f"{API}/incidents/{seeded.incident}").json()
        assert told["scope"] == [{"attribute": "region", "value": "south"}]
        assert told["patterns"][0]["combination"] == told["scope"]
        assert told["alarm_ids"] == [seeded.raised]

    def test_are_acknowledged_assigned_and_resolved(
        self, operator: TestClient, seeded: Any
    ) -> None:
        tag = operator.get(f"{API}/incidents/{seeded.incident}").headers["etag"]
        first = self.change(
            operator, seeded.incident, tag, state="acknowledged", assigned_to="viewer"
        )
        told = first.json()
        assert (told["state"], told["assigned_to"]) == ("acknowledged", "viewer")
        second = self.change(operator, seeded.incident, first.headers["etag"], state="resolved")
        assert second.json()["state"] == "resolved"
        history = operator.get(f"{API}/incidents/{seeded.incident}/history").json()
        assert {entry["by"] for entry in history[1:]} == {"operator"}
        assert history[-1]["why"] == "shift"

    def test_a_stale_edit_changes_nothing(self, operator: TestClient, seeded: Any) -> None:
        tag = operator.get(f"{API}/incidents/{seeded.incident}").headers["etag"]
        assert self.change(operator, seeded.incident, tag, state="resolved").status_code == 200
        late = self.change(operator, seeded.incident, tag, state="open")
        assert late.status_code == 409
        assert operator.get(f"{API}/incidents/{seeded.incident}").json()["state"] == "resolved"

    def test_of_many_edits_at_once_one_wins(self, operator: TestClient, seeded: Any) -> None:
        tag = operator.get(f"{API}/incidents/{seeded.incident}").headers["etag"]
        with ThreadPoolExecutor(8) as pool:
            edits = [
                pool.submit(self.change, operator, seeded.incident, tag, state="acknowledged")
                for _ in range(8)
            ]
            statuses = sorted(edit.result().status_code for edit in edits)
        assert statuses == [200] + [409] * 7

    def test_an_edit_without_a_version_is_refused(self, operator: TestClient, seeded: Any) -> None:
        assert self.change(operator, seeded.incident, None, state="open").status_code == 428
        for tag in ("3", '"x"', "*", 'W/"1"'):
            assert self.change(operator, seeded.incident, tag, state="open").status_code == 409

    def test_nobody_is_assigned_who_does_not_exist(self, operator: TestClient, seeded: Any) -> None:
        tag = operator.get(f"{API}/incidents/{seeded.incident}").headers["etag"]
        answer = self.change(operator, seeded.incident, tag, assigned_to="nobody", state="resolved")
        assert answer.status_code == 404
        assert operator.get(f"{API}/incidents/{seeded.incident}").json()["state"] == "open"

    def test_comments_need_no_version(self, operator: TestClient, seeded: Any) -> None:
        path = f"{API}/incidents/{seeded.incident}"
        before = operator.get(path).headers["etag"]
        assert operator.post(f"{path}/comments", json={"text": "rain"}).status_code == 201
        assert operator.get(path).headers["etag"] == before
        assert operator.get(f"{path}/history").json()[-1]["why"] == "rain"

    def test_are_listed(self, viewer: TestClient, seeded: Any) -> None:
        assert len(pages(viewer, "/incidents", state="open", severity="minor")) == 1
        assert pages(viewer, "/incidents", severity="critical") == []


class TestFeedback:
    def say(self, client: TestClient, **body: Any) -> Any:
        return client.post(f"{API}/feedback", json=body)

    def marks(self, client: TestClient) -> list[tuple[str, str]]:
        told = client.get(f"{API}/feeds/cells/feedback-state").json()["marks"]
        return [(mark["entity"], mark["kind"]) for mark in told]

    def test_on_alarms(self, operator: TestClient, seeded: Any) -> None:
        made = self.say(operator, kind="reject", alarm_id=seeded.cleared, reason="test call")
        assert made.status_code == 201
        assert made.json()["window"] == {"start_s": 36_000, "end_s": 43_200}
        assert made.json()["by"] == "operator"
        assert self.marks(operator) == [("cell-1", "false_alarm")]
        self.say(operator, kind="relabel", alarm_id=seeded.cleared, mark="confirmed")
        assert self.marks(operator) == [("cell-1", "confirmed")]

    def test_on_an_alarm_that_is_still_raised(self, operator: TestClient, seeded: Any) -> None:
        made = self.say(operator, kind="confirm", alarm_id=seeded.raised)
        assert made.json()["window"] == {"start_s": 108_000, "end_s": 48 * 3600}
        assert made.json()["incident_id"] == seeded.incident

    def test_on_what_was_missed_and_undone(self, operator: TestClient, seeded: Any) -> None:
        made = self.say(
            operator, kind="missed", feed="cells", entity="cell-2",
            window={"start_s": 0, "end_s": 7200}, kpis=["load"],
        ).json()  # fmt: skip
        assert made["kpis"] == ["load"]
        assert self.marks(operator) == [("cell-2", "missed")]
        undone = operator.post(f"{API}/feedback/{made['id']}/undo", json={"reason": "my mistake"})
        assert undone.status_code == 201
        assert self.marks(operator) == []
        again = operator.post(
            f"{API}/feedback/{undone.json()['id']}/undo", json={"reason": "it was right"}
        )
        assert again.status_code == 201
        assert self.marks(operator) == [("cell-2", "missed")]
        assert len(pages(operator, "/feedback", feed="cells")) == 3

    def test_on_root_patterns(self, operator: TestClient, seeded: Any) -> None:
        combination = [{"attribute": "region", "value": "south"}]
        made = self.say(
            operator, kind="reject_pattern", incident_id=seeded.incident, combination=combination,
            kpi="drops", reason="the vendor",
        )  # fmt: skip
        assert made.status_code == 201
        (decision,) = operator.get(f"{API}/feeds/cells/feedback-state").json()["patterns"]
        assert decision["kind"] == "reject_pattern"
        assert decision["combination"] == combination
        assert decision["scope"] == combination

    def test_on_dispatches(self, operator: TestClient, seeded: Any) -> None:
        made = self.say(
            operator, kind="dispatch_outcome", incident_id=seeded.incident, outcome="service"
        )
        assert made.json()["body"]["outcome"] == "service"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"kind": "undo"},
            {"kind": "reject"},
            {"kind": "reject", "alarm_id": "../../etc/passwd"},
            {"kind": "reject", "alarm_id": "0" * 16, "surprise": 1},
            {"kind": "missed", "feed": "cells", "entity": "a", "window": [0, 1]},
            {"kind": "missed", "feed": "cells", "entity": "a",
             "window": {"start_s": 5, "end_s": 1}},
            {"kind": "missed", "feed": "cells", "entity": "a",
             "window": {"start_s": 5, "end_s": 5}},
            {"kind": "missed", "feed": "cells", "entity": "a",
             "window": {"start_s": "0", "end_s": 1}},
            {"kind": "correct_pattern", "incident_id": "INCIDENT", "combination": []},
            {"kind": "reject", "alarm_id": "ALARM", "mark": "confirmed"},
            {"kind": "relabel", "alarm_id": "ALARM"},
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(
        self, operator: TestClient, seeded: Any, body: dict[str, Any]
    ) -> None:
        named = {"INCIDENT": seeded.incident, "ALARM": seeded.raised}
        body = {k: named.get(v, v) if isinstance(v, str) else v for k, v in body.items()}
        assert operator.post(f"{API}/feedback", json=body).status_code == 422
        assert pages(operator, "/feedback") == []


class TestSeries:
    def test_with_scores_level_and_contributions(self, viewer: TestClient, seeded: Any) -> None:
        asked: dict[str, Any] = {"entity": "cell-1", "from_s": 0, "to_s": 48 * 3600}
        told = viewer.get(f"{API}/feeds/cells/series", params=asked).json()
        assert [curve["name"] for curve in told["kpis"]] == ["drops", "load"]
        assert len(told["kpis"][0]["values"]) == 48
        assert max(told["score"]["values"]) == 10.0
        assert set(told["level"]["values"]) == {2.0}
        assert [curve["name"] for curve in told["contributions"]] == ["drops", "load"]
        assert max(told["contributions"][0]["values"]) == 9.0
        assert not told["is_thinned"]

    def test_thinned_ones_keep_their_extremes(self, viewer: TestClient, seeded: Any) -> None:
        asked: dict[str, Any] = {"entity": "cell-1", "from_s": 0, "to_s": 48 * 3600, "points": 10}
        told = viewer.get(f"{API}/feeds/cells/series", params=asked).json()
        drops = told["kpis"][0]
        assert len(drops["values"]) <= 10
        assert (min(drops["values"]), max(drops["values"])) == (0.0, 23.0)
        assert max(told["score"]["values"]) == 10.0
        assert told["is_thinned"]

    def test_of_some_kpis(self, viewer: TestClient, seeded: Any) -> None:
        asked: dict[str, Any] = {"entity": "cell-1", "from_s": 0, "to_s": 7200, "kpis": "load,none"}
        told = viewer.get(f"{API}/feeds/cells/series", params=asked).json()
        assert [curve["name"] for curve in told["kpis"]] == ["load"]

    def test_bounds(self, viewer: TestClient, seeded: Any) -> None:
        path = f"{API}/feeds/cells/series"
        long: dict[str, Any] = {"entity": "cell-1", "from_s": 0, "to_s": 10**10}
        assert viewer.get(path, params=long).status_code == 422
        unknown: dict[str, Any] = {"entity": "cell-9", "from_s": 0, "to_s": 60}
        assert viewer.get(path, params=unknown).status_code == 404
        reversed_: dict[str, Any] = {"entity": "cell-1", "from_s": 60, "to_s": 0}
        assert viewer.get(path, params=reversed_).status_code == 422


class TestCubes:
    def test_of_entities(self, viewer: TestClient, seeded: Any) -> None:
        shape = viewer.get(f"{API}/feeds/cells/cube/shape").json()
        assert shape == {"attributes": ["entity", "region"], "measures": ["drops", "load"]}
        asked: dict[str, Any] = {
            "from_s": 86_400 + 3600 * 5,
            "to_s": 86_400 + 3600 * 6,
            "by": "region",
        }
        told = viewer.get(f"{API}/feeds/cells/cube", params=asked).json()
        assert told["rows"] == [
            {"elements": ["north"], "values": [5.0, 50.0], "baseline": [4.0, 50.0]},
            {"elements": ["south"], "values": [5.0, 50.0], "baseline": [4.0, 50.0]},
        ]

    def test_inside_a_combination(self, viewer: TestClient, seeded: Any) -> None:
        asked: dict[str, Any] = {
            "from_s": 0, "to_s": 86_400, "by": "entity,region", "attribute": "region",
            "value": "south",
        }  # fmt: skip
        told = viewer.get(f"{API}/feeds/cells/cube", params=asked).json()
        assert [row["elements"] for row in told["rows"]] == [["cell-2", "south"]]
        assert told["rows"][0]["values"] == [276.0, 1200.0]

    def test_those_that_changed_most_come_first(
        self, application: Application, viewer: TestClient
    ) -> None:
        cube = {"attributes": ["os"], "measures": [{"name": "hits"}]}
        application.feeds.add("cdn", "cube", 60, {"cube": cube}, COMMAND_LINE)
        rows = pl.DataFrame(
            {
                "timestamp": [0, 0, 0, 60, 60, 60],
                "os": ["a", "b", "c"] * 2,
                "hits": [1.0, 5.0, 9.0, 1.0, 50.0, 8.0],
            }
        )
        application.intake.take("cdn", rows, key="k", source="test")
        asked: dict[str, Any] = {"from_s": 60, "to_s": 120, "by": "os", "rows": 2}
        told = viewer.get(f"{API}/feeds/cdn/cube", params=asked).json()
        assert [row["elements"] for row in told["rows"]] == [["b"], ["c"]]
        assert told["is_cut"]
        span: dict[str, Any] = {"entity": "cdn", "from_s": 0, "to_s": 120}
        series = viewer.get(f"{API}/feeds/cdn/series", params=span).json()
        assert [(c["name"], c["values"]) for c in series["kpis"]] == [("hits", [15.0, 59.0])]
        whole = viewer.get(f"{API}/feeds/cdn/cube", params={"from_s": 60, "to_s": 120}).json()
        assert whole["rows"] == [{"elements": [], "values": [59.0], "baseline": [15.0]}]

    def test_an_attribute_that_is_none(self, viewer: TestClient, seeded: Any) -> None:
        asked: dict[str, Any] = {"from_s": 0, "to_s": 60, "by": "colour"}
        assert viewer.get(f"{API}/feeds/cells/cube", params=asked).status_code == 422


class TestFeeds:
    def test_are_added_and_changed(self, admin: TestClient) -> None:
        body = {"name": "cells", "kind": "kpi", "interval_s": 900, "settings": {"raise_rows": 2}}
        made = admin.post(f"{API}/feeds", json=body)
        assert made.status_code == 201
        assert made.json()["settings"]["raise_rows"] == 2
        assert admin.post(f"{API}/feeds", json=body).status_code == 409
        change = {"settings": {"raise_rows": 3}, "why": "too nervous"}
        path = f"{API}/feeds/cells"
        headers = {"if-match": made.headers["etag"]}
        assert admin.patch(path, json=change, headers=headers).status_code == 200
        assert admin.patch(path, json=change, headers=headers).status_code == 409
        told = admin.get(path).json()["settings"]
        assert (told["raise_rows"], told["clear_rows"]) == (3, 2)
        (entry, *_) = admin.get(f"{API}/audit", params={"subject": "feed cells"}).json()["items"]
        assert (entry["by"], entry["why"]) == ("admin", "too nervous")
        assert entry["detail"] == {"old": {"raise_rows": 2}, "new": {"raise_rows": 3}}

    @pytest.mark.parametrize(
        "rules",
        [
            {"colour": 1},
            {"raise_rows": 0},
            {"name": "x"},
            {"cube": {"shape": 1}},
            {"topology": "../../etc/passwd"},
            {"tickets": "/etc/passwd"},
            {"tickets": "a\\..\\b"},
        ],
    )
    def test_settings_that_cannot_be(self, admin: TestClient, rules: Any) -> None:
        body = {"name": "cells", "kind": "kpi", "interval_s": 900, "settings": rules}
        assert admin.post(f"{API}/feeds", json=body).status_code == 422
        assert admin.get(f"{API}/feeds").json() == []

    def test_entities_and_topology(self, operator: TestClient, seeded: Any) -> None:
        new = {"name": "cell-3", "attributes": {"region": "south"}}
        answer = operator.put(f"{API}/feeds/cells/entities", json={"entities": [new]})
        assert answer.json() == {"n": 1}
        assert [e["name"] for e in pages(operator, "/feeds/cells/entities")] == [
            "cell-1", "cell-2", "cell-3",
        ]  # fmt: skip
        topology = operator.get(f"{API}/feeds/cells/topology", params={"by": "region"}).json()
        assert topology == [
            {"values": ["north"], "n_entities": 1}, {"values": ["south"], "n_entities": 2},
        ]  # fmt: skip
        one = operator.get(f"{API}/feeds/cells/entity", params={"entity": "cell-3"})
        assert one.json() == new

    def test_overview_and_metrics(self, viewer: TestClient, seeded: Any) -> None:
        told = viewer.get(f"{API}/overview").json()
        assert (told["raised_alarms"], told["open_incidents"]) == (1, 1)
        assert told["feeds"][0]["data_until_s"] == 48 * 3600
        metrics = viewer.get("/metrics").text
        assert "faultsight_raised_alarms 1.0" in metrics
        assert 'faultsight_feed_scored_until_seconds{feed="cells"} 172800.0' in metrics
        assert 'route="/api/v1/overview"' in metrics


class TestUploads:
    def csv(self, client: TestClient, text: str | bytes, kind: str = "text/csv") -> Any:
        return client.post(
            f"{API}/feeds/cells/uploads", content=text, headers={"content-type": kind}
        )

    def test_rows_come_in_once(self, operator: TestClient, seeded: Any) -> None:
        text = "entity,timestamp,drops\ncell-1,172800,7.5\n007,172800,1\ncell-2,99999999999,1\n"
        made = self.csv(operator, text)
        assert made.status_code == 201
        told = made.json()
        assert (told["is_new"], told["n_rows"], told["quarantined"]) == (True, 2, {"future": 1})
        assert self.csv(operator, text).json()["is_new"] is False
        asked: dict[str, Any] = {"entity": "007", "from_s": 172_800, "to_s": 172_801}
        series = operator.get(f"{API}/feeds/cells/series", params=asked).json()
        assert series["kpis"][0]["values"] == [1.0]
        assert operator.get(f"{API}/feeds/cells/quarantine").json() == [
            {"reason": "future", "n_rows": 1}
        ]
        assert len(pages(operator, "/feeds/cells/files")) == 2
        assert operator.get(f"{API}/feeds/cells").json()["data_until_s"] == 176_400

    def test_parquet(self, operator: TestClient, seeded: Any) -> None:
        table = io.BytesIO()
        pl.DataFrame({"entity": ["cell-1"], "timestamp": [172_800], "drops": [1.0]}).write_parquet(
            table
        )
        made = self.csv(operator, table.getvalue(), "application/vnd.apache.parquet")
        assert made.json()["n_rows"] == 1

    def test_late_rows_are_to_be_scored_anew(
        self, operator: TestClient, seeded: Any, application: Application
    ) -> None:
        self.csv(operator, "entity,timestamp,drops\ncell-2,7200,7.5\n")
        dirty = application.ops.feeds.dirty("cells").windows
        assert dirty == {"cell-2": TimeWindow(7200, 10_800)}

    @pytest.mark.parametrize(
        ("text", "kind", "status"),
        [
            (b"", "text/csv", 422),
            (b"what is this", "application/vnd.apache.parquet", 422),
            (b"PAR1" + b"\0" * 100 + b"PAR1", "application/vnd.apache.parquet", 422),
            (b"\xff\xfe\x00", "text/csv", 422),
            (b"a,b\n1,2\n", "text/csv", 422),
            (b"a,b\n1,2\n", "application/json", 415),
            (b"a,b\n1,2\n", "", 415),
        ],
    )
    def test_what_cannot_be_used(
        self, operator: TestClient, seeded: Any, application: Application,
        text: bytes, kind: str, status: int,
    ) -> None:  # fmt: skip
        answer = self.csv(operator, text, kind)
        assert answer.status_code == status
        assert str(application.folder.path) not in answer.text
        assert list(application.folder.incoming.glob("*")) == []

    def test_into_no_feed(self, operator: TestClient) -> None:
        assert self.csv(operator, "entity,timestamp,drops\na,0,1\n").status_code == 404


class TestModelsJobsTasks:
    def test_models_are_promoted_and_reverted(
        self, operator: TestClient, application: Application, seeded: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        from faultsight.flow.learn import model_versions

        monkeypatch.setattr(model_versions, "_check_folder", lambda *_: None)
        models = application.ops.models
        first = models.add("cells", "ridge_var", "models/cells/0001", by="training")
        models.promote(first.id, by="training", why="the first")
        second = models.add("cells", "ridge_var", "models/cells/0002", parent=first.id, by="tune")
        path = f"{API}/feeds/cells/models/{second.version}"
        promoted = operator.post(f"{path}/promote", json={"why": "fewer false alarms"})
        assert promoted.json()["state"] == "active"
        assert operator.get(f"{API}/feeds/cells").json()["active_model"] == second.id
        assert [m["id"] for m in operator.get(f"{path}/lineage").json()] == [second.id, first.id]
        back = operator.post(f"{API}/feeds/cells/models/revert", json={"why": "worse"})
        assert back.json()["id"] == first.id
        decisions = operator.get(path).json()["decisions"]
        assert {(d["by"], d["why"]) for d in decisions} >= {("operator", "fewer false alarms")}
        assert len(pages(operator, "/models", feed="cells")) == 2

    def test_a_damaged_model_is_not_promoted(
        self, operator: TestClient, application: Application, seeded: Any
    ) -> None:
        model = application.ops.models.add("cells", "ridge_var", "models/cells/0001", by="x")
        answer = operator.post(
            f"{API}/feeds/cells/models/{model.version}/promote", json={"why": "try"}
        )
        assert answer.status_code == 422

    def test_jobs_are_queued_once_and_cancelled(self, operator: TestClient, seeded: Any) -> None:
        body = {"kind": "tune", "feed": "cells"}
        first = operator.post(f"{API}/jobs", json=body)
        assert first.status_code == 202
        assert operator.post(f"{API}/jobs", json=body).json()["id"] == first.json()["id"]
        path = f"{API}/jobs/{first.json()['id']}"
        assert operator.post(f"{path}/cancel").json()["state"] == "cancelled"
        assert operator.post(f"{path}/cancel").status_code == 409
        assert operator.get(path).json()["created_by"] == "operator"

    def test_back_tests_are_checked_before_they_are_queued(
        self, operator: TestClient, seeded: Any
    ) -> None:
        window = {"start_s": 0, "end_s": 86_400}
        body = {
            "kind": "backtest",
            "feed": "cells",
            "window": window,
            "settings": {"raise_rows": 3},
        }
        made = operator.post(f"{API}/jobs", json=body).json()
        assert made["payload"]["window"] == [0, 86_400]
        assert made["payload"]["config"]["raise_rows"] == 3
        assert made["payload"]["refit"] is False
        assert operator.post(f"{API}/jobs", json=body).json()["id"] == made["id"]
        # Whoever asks for another one is not given the answer to this one.
        other = operator.post(f"{API}/jobs", json={**body, "settings": {"raise_rows": 4}})
        assert (other.status_code, f"job {made['id']}" in other.json()["detail"]) == (409, True)
        for wrong in (
            {"kind": "backtest", "feed": "cells"},
            {"kind": "tune", "feed": "cells", "window": window},
            {"kind": "tune", "feed": "cells", "refit": True},
            {**body, "settings": {"colour": 1}},
            {"kind": "tune_cable", "feed": "cells"},
            {"kind": "loop", "feed": "cells"},
        ):
            assert operator.post(f"{API}/jobs", json=wrong).status_code == 422

    def test_the_services_own_jobs_are_not_cancelled(
        self, operator: TestClient, application: Application
    ) -> None:
        job = application.ops.jobs.enqueue("loop", by="service")
        assert operator.post(f"{API}/jobs/{job.id}/cancel").status_code == 409

    def test_tasks_with_their_curves(
        self, operator: TestClient, application: Application, seeded: Any
    ) -> None:
        task = application.ops.tasks.add("cells", "cell-1", TimeWindow(36_000, 43_200), ("drops",))
        told = operator.get(f"{API}/tasks/{task.id}")
        series = told.json()["series"]
        assert series["window"] == {"start_s": 28_800, "end_s": 50_400}
        assert [curve["name"] for curve in series["kpis"]] == ["drops"]
        headers = {"if-match": told.headers["etag"]}
        path = f"{API}/tasks/{task.id}/answer"
        done = operator.post(path, json={"answer": "yes"}, headers=headers)
        assert (done.json()["answer"], done.json()["answered_by"]) == ("yes", "operator")
        assert operator.post(path, json={"answer": "no"}, headers=headers).status_code == 409
        assert len(pages(operator, "/tasks", state="answered")) == 1


class TestSuppressionsAndSettings:
    def test_rules_are_added_and_revoked(self, operator: TestClient, seeded: Any) -> None:
        body = {
            "feed": "cells", "scope": {"region": "north"}, "start_s": 0, "end_s": 7200,
            "reason": "planned work",
        }  # fmt: skip
        made = operator.post(f"{API}/suppressions", json=body)
        assert made.status_code == 201
        asked: dict[str, Any] = {"at_s": 3600}
        assert len(operator.get(f"{API}/suppressions", params=asked).json()["items"]) == 1
        path = f"{API}/suppressions/{made.json()['id']}/revoke"
        assert operator.post(path, json={"why": "done"}).json()["revoked_by"] == "operator"
        assert operator.get(f"{API}/suppressions", params=asked).json()["items"] == []
        assert len(pages(operator, "/suppressions", feed="cells")) == 1

    def test_a_rule_that_would_mute_everything(self, operator: TestClient) -> None:
        body = {"start_s": 0, "reason": "quiet please"}
        assert operator.post(f"{API}/suppressions", json=body).status_code == 422

    def test_settings_change_while_it_runs(self, admin: TestClient, seeded: Any) -> None:
        path = f"{API}/settings/limits.page_rows"
        before = admin.get(path)
        assert (before.json()["value"], before.headers["etag"]) == (500, '"0"')
        body = {"value": 1, "why": "small pages"}
        headers = {"if-match": '"0"'}
        changed = admin.put(path, json=body, headers=headers).json()
        assert (changed["value"], changed["changed_by"]) == (1, "admin")
        assert changed["why"] == "small pages"
        assert len(admin.get(f"{API}/alarms", params={"limit": 100}).json()["items"]) == 1
        assert admin.put(path, json=body, headers=headers).status_code == 409

    @pytest.mark.parametrize(
        ("key", "value", "status"),
        [
            ("limits.page_rows", 0, 422), ("limits.page_rows", "many", 422),
            ("server.host", "0.0.0.0", 422), ("server.local_admin", True, 422),
            ("state_dir", "/tmp", 422), ("no.such", 1, 404),
        ],
    )  # fmt: skip
    def test_what_cannot_be_changed(
        self, admin: TestClient, key: str, value: Any, status: int
    ) -> None:
        answer = admin.put(
            f"{API}/settings/{key}", json={"value": value, "why": "x"}, headers={"if-match": '"0"'}
        )
        assert answer.status_code == status

    def test_secrets_of_settings_are_not_shown(self, admin: TestClient) -> None:
        listed = {item["key"]: item for item in admin.get(f"{API}/settings").json()}
        assert listed["notifiers"]["value"] == []
        assert "server.port" in listed


class TestExports:
    def test_alarms_as_csv_and_lines(self, viewer: TestClient, seeded: Any) -> None:
        told = viewer.get(f"{API}/exports/alarms")
        assert told.headers["content-type"].startswith("text/csv")
        assert told.headers["content-disposition"].startswith("attachment")
        table = pl.read_csv(io.StringIO(told.text))
        assert table["id"].to_list() == [seeded.raised, seeded.cleared]
        lines = viewer.get(f"{API}/exports/alarms", params={"format": "jsonl", "state": "raised"})
        assert len(lines.text.splitlines()) == 1

    def test_feedback(self, operator: TestClient, seeded: Any) -> None:
        operator.post(
            f"{API}/feedback",
            json={"kind": "reject", "alarm_id": seeded.cleared, "reason": "=HYPERLINK()"},
        )
        text = operator.get(f"{API}/exports/feedback").text
        assert ",'=HYPERLINK()," in text
