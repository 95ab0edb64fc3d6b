"""Telemetry in: once, also through a crash between the two stores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.roles import COMMAND_LINE
from faultsight.app.settings import load_settings
from faultsight.app.watched import WatchedFolder
from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.flow.loop import Loop

DAY_S = 86_400


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path / "state") as opened:
        opened.feeds.add("cells", "kpi", 60, {}, COMMAND_LINE)
        yield opened


def rows(first: int, n: int) -> pl.DataFrame:
    times = [60 * (first + row) for row in range(n)]
    return pl.DataFrame({"entity": ["a"] * n, "timestamp": times, "drops": [1.0] * n})


def test_a_crash_before_it_is_noted_loses_and_doubles_nothing(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.intake.take("cells", rows(5, 5), key="first", source="x")

    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(application.ops.files, "record", crash)
        with pytest.raises(KeyboardInterrupt):
            application.intake.take("cells", rows(0, 7), key="late", source="x")
    assert not application.intake.seen("cells", "late")
    assert application.ops.feeds.dirty("cells").windows == {}
    again = application.intake.take("cells", rows(0, 7), key="late", source="x")
    assert again.is_new
    # What the rows touched is to be scored anew, though the rows themselves were there.
    assert application.ops.feeds.dirty("cells").windows == {"a": TimeWindow(0, 420)}
    (frame,) = application.stores.kpi("cells").frames()
    assert (frame.start_s, len(frame)) == (0, 10)
    assert application.intake.take("cells", rows(0, 7), key="late", source="x").is_new is False


def test_a_watched_folder(application: Application, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rows(0, 3).write_csv(folder / "good.csv")
    (folder / "bad.csv").write_text("what is this\n")
    watched = WatchedFolder(application.ops, application.intake, "cells", folder, settle_s=0)
    assert watched.collect().rows == 3
    assert watched.collect().polled == 0
    files = application.feeds.files("cells", after=None, limit=10).items
    assert {file.path for file in files} == {"good.csv", "bad.csv"}
    assert application.ops.feeds.watermark("cells").data_until_s == 180
    assert application.entities.get("cells", "a").attributes == {}


def test_polls(tmp_path: Path) -> None:
    with open_application(tmp_path / "state") as application:
        application.feeds.add("plant", "polls", 14_400, {}, COMMAND_LINE)
        path = tmp_path / "polls.csv"
        path.write_text(
            "timestamp,device_id,fnode,channel,snr_db,tx_power_dbmv\n"
            "0,m1,F1,1,36,\n60,m2,F1,1,35,\n60,m1,F1,1,x,y\n"
        )
        taken = application.intake.take_polls("plant", path, key="k", source="x")
        assert taken.n_rows == 3
        assert taken.quarantined == {"not a number": 2}  # of two columns
        assert application.nodes.page("plant", after=None, limit=5).items == ("F1",)
        told = application.series.read("plant", "F1", TimeWindow(0, 3600))
        assert [(c.name, c.values) for c in told.kpis] == [
            ("snr_db", [35.5]), ("tx_power_dbmv", [None]),
        ]  # fmt: skip
        one = application.series.read("plant", "F1", TimeWindow(0, 3600), device="m2")
        assert [(c.name, c.values) for c in one.kpis if c.values != [None]] == [
            ("snr_db 1", [35.0])
        ]


def test_feeds_of_the_settings_are_made_and_kept(tmp_path: Path) -> None:
    text = "[[feeds]]\nname = 'cells'\ninterval_s = 60\nflow = {{ raise_rows = {} }}\n"
    for n in (2, 2, 3):
        (tmp_path / "faultsight.toml").write_text(text.format(n))
        with open_application(load_settings(tmp_path)) as application:
            assert application.feeds.config("cells").raise_rows == n
            entries = application.audit.page(subject="feed cells", after=None, limit=10).items
    assert [entry.action for entry in entries] == ["changed", "added"]
    (tmp_path / "faultsight.toml").write_text(text.format(3).replace("60", "61"))
    with pytest.raises(SettingError, match="neither can be changed"):
        open_application(load_settings(tmp_path))


def test_late_polls_are_diagnosed_anew(tmp_path: Path) -> None:
    with open_application(tmp_path / "state") as application:
        application.feeds.add("plant", "polls", 14_400, {}, COMMAND_LINE)
        sink = application.intake.polls_sink("plant")

        def polls(*places: tuple[str, int]) -> pl.DataFrame:
            return pl.DataFrame({
                "timestamp": [at for _, at in places], "device_id": ["m"] * len(places),
                "fnode": [fnode for fnode, _ in places], "channel": ["1"] * len(places),
            })  # fmt: skip

        sink.append(polls(("F1", 80_000), ("F1", 86_500), ("F2", 95_000)))
        assert application.ops.feeds.dirty("plant").windows == {
            "F1": TimeWindow(80_000, 86_501), "F2": TimeWindow(95_000, 95_001),
        }  # fmt: skip
        sink.append(polls())
        assert application.ops.feeds.watermark("plant").data_until_s == 95_001


class TestNamesThatNoDatabaseHolds:
    """They are set aside at the door with a count, and the rest of the file goes on."""

    def test_of_entities(self, application: Application) -> None:
        sent = pl.concat([rows(0, 3), rows(0, 2).with_columns(entity=pl.lit("a\0b")),
                          rows(0, 1).with_columns(entity=pl.lit("x" * 2000))])  # fmt: skip
        taken = application.intake.take("cells", sent, key="k", source="x")
        assert (taken.n_rows, taken.quarantined) == (3, {"name_too_long": 1, "name_with_nul": 2})
        assert application.feeds.quarantine("cells") == taken.quarantined
        assert list(application.ops.entities.attributes("cells")) == ["a"]

    def test_of_attributes_of_a_cube(self, application: Application) -> None:
        cube = {"attributes": ["site"], "measures": [{"name": "drops"}]}
        application.feeds.add("cdn", "cube", 60, {"cube": cube}, COMMAND_LINE)
        sent = pl.DataFrame({"site": ["S1", "S\0"], "timestamp": [0, 0], "drops": [1.0, 2.0]})
        taken = application.intake.take("cdn", sent, key="k", source="x")
        assert (taken.n_rows, taken.quarantined) == (1, {"name_with_nul": 1})

    def test_of_fiber_nodes_and_modems(self, tmp_path: Path) -> None:
        with open_application(tmp_path / "state") as application:
            application.feeds.add("plant", "polls", 14_400, {}, COMMAND_LINE)
            polls = pl.DataFrame({
                "timestamp": [0, 0, 0, 60, 0], "device_id": ["m1", "m2", "m\0", "m1", "m3"],
                "fnode": ["F1", "F\0", "F1", "F1", "F" * 1025], "channel": ["1"] * 5,
                "snr_db": [36.0] * 5,
            })  # fmt: skip
            path = tmp_path / "polls.parquet"
            polls.write_parquet(path)
            taken = application.intake.take_polls("plant", path, key="k", source="x")
            assert taken.n_rows == 2
            assert taken.quarantined == {
                "the name holds a NUL character": 2, "the name is longer than 1024 bytes": 1,
            }  # fmt: skip
            assert application.feeds.quarantine("plant") == taken.quarantined
            assert application.nodes.page("plant", after=None, limit=5).items == ("F1",)
            polls.filter(pl.col("fnode") != "F1").write_parquet(path)
            assert application.intake.take_polls("plant", path, key="2", source="x").n_rows == 0


def test_polls_that_come_while_their_window_is_diagnosed_are_diagnosed_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop has read the polls and not yet said how far it is: then they are late."""
    kept = Path(__file__).parent.parent / "fixtures" / "upgrades" / "first" / "state"
    shutil.copytree(kept, tmp_path / "state")
    with open_application(tmp_path / "state") as application:
        feeds = application.ops.feeds
        until_s = feeds.watermark("plant").scored_until_s
        assert until_s is not None
        (node,) = application.stores.polls("plant").nodes(TimeWindow(until_s - DAY_S, until_s))
        polls = node.to_table().with_columns(pl.col("timestamp").dt.offset_by("1d"))
        morning, evening = polls[: polls.height // 2], polls[polls.height // 2 :]
        sink = application.intake.polls_sink("plant")
        sink.append(morning)
        loop = Loop(application.ops, tmp_path / "state", [application.feeds.config("plant")])
        commit = loop._commit

        def interrupted(tick: Any, through: int) -> Any:
            monkeypatch.undo()
            sink.append(evening)
            return commit(tick, through)

        monkeypatch.setattr(loop, "_commit", interrupted)
        assert loop.tick("plant", until_s + DAY_S).scored_until_s == until_s + DAY_S
        told = loop.tick("plant", until_s + DAY_S)
        assert told.late_entities == 1
        assert not loop.tick("plant", until_s + DAY_S).late_entities
        assert feeds.dirty("plant").windows == {}
