"""A state folder becomes an application."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultsight.app.build import open_application
from faultsight.app.feeds import Feeds, FeedView
from faultsight.core.errors import SettingError


def write_settings(folder: Path, *, interval_s: int = 900, raise_rows: int = 1) -> Path:
    lines = ["[[feeds]]", "name = 'cells'", f"interval_s = {interval_s}"]
    lines.append(f"flow = {{raise_rows = {raise_rows}}}")
    (folder / "faultsight.toml").write_text("\n".join(lines) + "\n")
    return folder


def raise_rows_of(folder: Path) -> int:
    with open_application(folder) as application:
        return int(application.feeds.get("cells").settings["raise_rows"])


def test_the_file_of_now_holds(tmp_path: Path) -> None:
    assert raise_rows_of(write_settings(tmp_path, raise_rows=2)) == 2
    assert raise_rows_of(write_settings(tmp_path, raise_rows=5)) == 5


def test_kind_and_interval_of_a_feed_stay(tmp_path: Path) -> None:
    raise_rows_of(write_settings(tmp_path))
    with pytest.raises(SettingError, match="neither can be changed"):
        raise_rows_of(write_settings(tmp_path, interval_s=60))


@pytest.mark.parametrize("raise_rows", [2, 5])
def test_another_process_makes_the_feed_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raise_rows: int
) -> None:
    """Between looking for a feed and adding it, another adds it, by the same file or not."""
    truly = Feeds.list
    looked: list[list[FeedView]] = []

    def list_then_be_overtaken(self: Feeds) -> list[FeedView]:
        found = truly(self)
        looked.append(found)
        monkeypatch.setattr(Feeds, "list", truly)
        raise_rows_of(write_settings(tmp_path, raise_rows=2))
        return found

    write_settings(tmp_path, raise_rows=raise_rows)
    monkeypatch.setattr(Feeds, "list", list_then_be_overtaken)
    assert raise_rows_of(tmp_path) == raise_rows
    assert looked == [[]]
