"""Large uploads are taken in part by part: the same rows, and none where the file is bad."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.intake import Taken
from faultsight.app.roles import COMMAND_LINE
from faultsight.app.settings import LimitSettings
from faultsight.app.uploads import look_through
from faultsight.core.errors import InputError
from faultsight.core.tables import table_batches

ROWS = pl.DataFrame({
    "entity": [f"cell-{n % 7}" for n in range(300)],
    "timestamp": [3600 * (n // 7) for n in range(300)],
    "drops": [float(n) for n in range(300)],
    "load": [None] * 200 + [1.5] * 100,
})  # fmt: skip
PARTS = partial(table_batches, most_cells=100, most_bytes=500)


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    with open_application(tmp_path / "state") as opened:
        for feed in ("cells", "whole"):
            opened.feeds.add(feed, "kpi", 3600, {}, COMMAND_LINE)
        yield opened


def upload(application: Application, path: Path, feed: str = "cells") -> Taken:
    incoming = application.uploads.begin(feed, path.suffix)
    try:
        incoming.write(path.read_bytes())
        return incoming.take_in(COMMAND_LINE)
    finally:
        incoming.close()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_parts_are_stored_as_the_whole_is(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"rows{suffix}"
    (ROWS.write_csv if suffix == ".csv" else ROWS.write_parquet)(path)
    whole = upload(application, path, "whole")
    with monkeypatch.context() as patched:
        patched.setattr("faultsight.app.uploads.table_batches", PARTS)
        assert len(list(PARTS(path))) > 5
        taken = upload(application, path)
    assert (taken.n_rows, taken.quarantined) == (whole.n_rows, whole.quarantined) == (300, {})
    tables = [application.stores.kpi(feed).table() for feed in ("cells", "whole")]
    assert tables[0].select(tables[1].columns).equals(tables[1])
    assert len(application.ops.entities.attributes("cells")) == 7
    marks = [application.ops.feeds.watermark(feed) for feed in ("cells", "whole")]
    assert marks[0] == marks[1]
    assert not upload(application, path).is_new


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_that_is_bad_at_its_end_leaves_nothing(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("faultsight.app.uploads.table_batches", PARTS)
    path = tmp_path / f"rows{suffix}"
    if suffix == ".csv":
        path.write_text(ROWS.write_csv() + "cell-1,0,1.0,1.0,and,more\n")
    else:
        ROWS.write_parquet(path, row_group_size=50)
        whole = path.read_bytes()
        at = len(whole) * 3 // 4
        path.write_bytes(whole[:at] + b"\xff" * 64 + whole[at + 64 :])
    with pytest.raises(InputError, match="cannot be read") as told:
        upload(application, path)
    assert str(tmp_path) not in str(told.value)
    assert application.stores.kpi_or_none("cells") is None
    assert application.feeds.files("cells", after=None, limit=5).items == ()
    assert list(application.folder.incoming.iterdir()) == []


def test_limits_hold_for_all_parts_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faultsight.app.uploads.table_batches", PARTS)
    path = tmp_path / "rows.csv"
    ROWS.write_csv(path)
    assert look_through(path, LimitSettings(upload_values=7), ["entity"]) == 300
    with pytest.raises(InputError, match="7 distinct values are more than the 6 allowed"):
        look_through(path, LimitSettings(upload_values=6), ["entity"])


def test_what_is_large_is_not_read_at_once(tmp_path: Path) -> None:
    """As many cells as take 64 MB, or 16 MB of text, are the most that are unpacked at once."""
    path = tmp_path / "large.parquet"
    column = pl.repeat(1.5, 3_000_000, dtype=pl.Float64, eager=True)
    pl.DataFrame({"a": column, "b": column, "c": column}).write_parquet(path)
    assert [part.height for part in table_batches(path)] == [2_666_666, 333_334]
    path = tmp_path / "large.csv"
    path.write_bytes(b"a,b\n" + b"1.25,2.5\n" * 2_000_000)
    parts = list(table_batches(path))
    assert sum(part.height for part in parts) == 2_000_000
    assert max(part.height for part in parts) <= 16_000_000 / 9
