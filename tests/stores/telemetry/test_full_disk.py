"""A full disk: one clear error, nothing of it counts, and the next append goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from faultsight.stores.telemetry import KpiStore

NOW = 1_767_571_200

_LIMITED = """
import json, resource, sys
import polars as pl
from faultsight.stores.telemetry import KpiStore

path, n_entities, limit, job = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
store = KpiStore(path)
sent = pl.DataFrame({"entity": [f"cell-{i}" for i in range(n_entities)]}).with_columns(
    timestamp=pl.lit(1_767_571_200 + 3600), drops=pl.int_range(pl.len()).hash(7).cast(pl.Float64))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    if job == "append":
        store.append(sent, received_at_s=2e9)
    else:
        store.compact(before_s=2e9)
    print(json.dumps({}))
except OSError as error:
    print(json.dumps({"text": str(error), "file": error.filename}))
"""


def limited(store: KpiStore, job: str, *, n_entities: int, limit: int) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(store.path), str(n_entities), str(limit), job],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    told: dict[str, str] = json.loads(done.stdout)
    return told


@pytest.fixture
def filled(store: KpiStore) -> KpiStore:
    for hour in range(3):
        sent = pl.DataFrame({"entity": [f"cell-{i}" for i in range(400)], "drops": 1.5})
        stamped = sent.with_columns(timestamp=pl.lit(NOW - hour * 3600))
        store.append(stamped, received_at_s=2e9)
    return store


def files_of(store: KpiStore) -> set[str]:
    return {str(path.relative_to(store.path)) for path in store.path.rglob("*")
            if path.is_file() and "lock" not in path.name}  # fmt: skip


@pytest.mark.parametrize(
    ("n_entities", "limit", "kind"), [(3000, 300, "names"), (400, 1000, "bucket")]
)
def test_an_append_that_does_not_fit(
    filled: KpiStore, n_entities: int, limit: int, kind: str
) -> None:
    before, files = filled.table(), files_of(filled)
    told = limited(filled, "append", n_entities=n_entities, limit=limit)
    assert "File too large" in told["text"]
    assert kind in Path(told["file"]).relative_to(filled.path).parts[0]
    assert files_of(filled) == files
    assert_frame_equal(KpiStore(filled.path).table(), before)
    assert limited(filled, "append", n_entities=n_entities, limit=10**9) == {}
    assert KpiStore(filled.path).table().height == before.height + n_entities


def test_a_commit_that_does_not_fit(filled: KpiStore) -> None:
    before, files = filled.table(), files_of(filled)
    # One entity's file fits; the description of the feed does not.
    size = (filled.path / "feed.json").stat().st_size
    told = limited(filled, "append", n_entities=0, limit=size - 100)
    assert told["file"] == str(filled.path / "feed.json")
    assert files_of(filled) == files
    assert_frame_equal(KpiStore(filled.path).table(), before)


def test_a_merge_that_does_not_fit(filled: KpiStore) -> None:
    before, files = filled.table(), files_of(filled)
    told = limited(filled, "compact", n_entities=0, limit=600)
    assert "bucket=" in told["file"]
    assert files_of(filled) == files
    assert_frame_equal(KpiStore(filled.path).table(), before)
    assert filled.compact(before_s=2e9).n_written > 0
    assert_frame_equal(filled.table(), before)


def test_a_folder_that_cannot_be_written(filled: KpiStore) -> None:
    """Whoever runs as root may write anywhere; a file in the way stops them too."""
    before = filled.table()
    day = pl.DataFrame({"entity": ["cell-1"], "timestamp": [NOW + 9 * 86_400], "drops": [1.0]})
    folder = filled.path / "quarantine"
    folder.write_text("in the way")
    with pytest.raises(OSError, match="quarantine"):
        filled.append(
            pl.concat([day, day.with_columns(timestamp=-pl.col("timestamp"))]), received_at_s=2e9
        )
    assert_frame_equal(filled.table(), before)
    folder.unlink()
    filled.append(day, received_at_s=2e9)
    assert filled.table().height == before.height + 1
