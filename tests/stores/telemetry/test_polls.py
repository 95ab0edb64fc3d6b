"""Folders of polls: merged and given up while collectors write and diagnosers read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.core.polls import NodePolls
from faultsight.core.telemetry import TelemetryFolder
from faultsight.stores.telemetry import compact_polls, retain_polls

DAY = 86_400
START = 1_767_571_200


def polls(seed: int, n: int = 120) -> pl.DataFrame:
    """Return polls of few devices at few moments: many are told again, with other values."""
    stream = np.random.default_rng(seed)
    table = pl.DataFrame({
        "timestamp": START + stream.integers(0, 12, n) * (DAY // 4),
        "device_id": stream.choice([f"m{i}" for i in range(5)], n),
        "fnode": "", "channel": stream.choice(["1", "2", "3"], n),
        "snr_db": stream.normal(36, 1, n).astype(np.float32),
        "round_id": stream.integers(0, 99, n),
        "answered": stream.random(n) < 0.9,
    })  # fmt: skip
    place = pl.col("device_id").replace_strict({f"m{i}": f"F{i % 2}" for i in range(5)})
    return table.with_columns(
        fnode=place,
        channel=pl.when("answered").then("channel"),
        pre_equalization=pl.when(pl.col("round_id") < 50).then(pl.lit(b"\x08\x01")),
    )


def told(nodes: Iterable[NodePolls]) -> list[object]:
    return [
        (node.fnode, node.device_ids, node.channels, node.device_start.tolist(),
         node.time_s.tolist(), {k: v.tobytes() for k, v in node.values.items()},
         None if node.round_id is None else node.round_id.tolist(),
         None if node.answered is None else node.answered.tolist(),
         None if node.pre_equalization is None else
         (node.pre_equalization.poll.tolist(), node.pre_equalization.channel.tolist(),
          node.pre_equalization.data))
        for node in nodes
    ]  # fmt: skip


def everything(path: Path) -> list[object]:
    return told(sorted(TelemetryFolder(path).nodes(with_pre_equalization=True),
                       key=lambda node: node.fnode))  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["append", "merge", "today", "sweep"]), max_size=12))
def test_a_reader_cannot_tell(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    path = tmp_path_factory.mktemp("t")
    merged, plain = (TelemetryFolder.create(path / name, n_buckets=2) for name in ("m", "p"))
    for number, step in enumerate(steps):
        if step == "append":
            for folder in (merged, plain):
                folder.append(polls(number))
        elif step == "sweep":
            compact_polls(merged, before_s=2e9, grace_s=0.0)
        else:
            compact_polls(merged, before_s=START + DAY if step == "merge" else 0.0)
    assert everything(merged.path) == everything(plain.path)
    assert TelemetryFolder(merged.path).window == TelemetryFolder(plain.path).window
    assert TelemetryFolder(merged.path).fnodes == TelemetryFolder(plain.path).fnodes


def test_files_become_few_and_numbers_go_on(tmp_path: Path) -> None:
    folder = TelemetryFolder.create(tmp_path, n_buckets=1)
    for number in range(3):
        folder.append(polls(number))
    before = everything(tmp_path)
    done = compact_polls(folder, before_s=2e9)
    assert (done.n_merged, done.n_written, done.n_removed) == (9, 3, 0)
    assert compact_polls(folder, before_s=2e9, grace_s=0.0).n_removed == 9
    names = sorted(path.name for path in tmp_path.glob("bucket=00/*.parquet"))
    assert names == [f"2026-01-0{day}.0000-0002.parquet" for day in (5, 6, 7)]
    assert everything(tmp_path) == before
    folder.append(polls(3))
    assert (tmp_path / "bucket=00" / "2026-01-05.0003.parquet").exists()


def test_days_that_are_old_are_given_up(tmp_path: Path) -> None:
    folder = TelemetryFolder.create(tmp_path, n_buckets=2)
    for number in range(2):
        folder.append(polls(number))
    compact_polls(folder, before_s=2e9)
    kept = [node for node in TelemetryFolder(tmp_path).nodes() if node.n_polls]
    assert retain_polls(folder, keep_s=DAY, now_s=START + 2 * DAY + 3600) > 0
    names = {path.name[:10] for path in tmp_path.glob("bucket=*/*.parquet")}
    assert names == {"2026-01-06", "2026-01-07"}
    n_kept = sum(int((node.time_s >= START + DAY).sum()) for node in kept)
    assert sum(node.n_polls for node in TelemetryFolder(tmp_path).nodes()) == n_kept
    assert retain_polls(folder, keep_s=DAY, now_s=START + 2 * DAY + 3600) == 0


def test_a_damaged_file_is_named_and_nothing_is_merged_with_it(tmp_path: Path) -> None:
    folder = TelemetryFolder.create(tmp_path, n_buckets=1)
    for number in range(2):
        folder.append(polls(number))
    file = min(tmp_path.glob("bucket=*/*.parquet"))
    file.write_bytes(file.read_bytes()[:200])
    before = {path.name for path in tmp_path.glob("bucket=*/*")}
    with pytest.raises(InputError, match="cannot be read") as caught:
        compact_polls(folder, before_s=2e9)
    assert caught.value.source == str(file)
    assert {path.name for path in tmp_path.glob("bucket=*/*")} == before
