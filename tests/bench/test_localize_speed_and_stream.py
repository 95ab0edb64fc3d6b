"""localize/speed and localize/stream, on tiny runs."""

from pathlib import Path

import pytest

from faultsight.bench.engine import Context, run_scenario
from faultsight.core.errors import MissingDataError, SettingError, UnknownMemberError


def test_speed_times_the_sums_and_a_localizer_apart() -> None:
    context = Context(
        methods=("cuboid-sums", "rapminer"), datasets=("dense_10000x4", "sparse_10000x4")
    )
    rows = run_scenario("localize/speed", context).rows
    assert [(row["method"], row["dataset"]) for row in rows] == [
        ("cuboid-sums", "dense_10000x4"),
        ("rapminer", "dense_10000x4"),
        ("cuboid-sums", "sparse_10000x4"),
        ("rapminer", "sparse_10000x4"),
    ]
    for row in rows:
        assert row["leaves"] == 10_000
        assert float(row["seconds"] or 0) > 0
        assert float(row["encoding_seconds"] or 0) > 0
        assert float(row["memory_mb"] or 0) > 0
    assert rows[0]["cuboids"] == 15
    assert rows[1]["patterns"] == 1


def test_speed_names_what_it_leaves_out() -> None:
    result = run_scenario("localize/speed", Context(methods=("cuboid-sums",), cases=1))
    assert [row["dataset"] for row in result.rows] == ["dense_10000x4"]
    assert any("dense_10000000x12" in note for note in result.notes)
    strict = Context(methods=("rapminer",), datasets=("dense_10000x4", "dense_1000000x6"),
                     seconds=1e-4)  # fmt: skip
    result = run_scenario("localize/speed", strict)
    assert [row["dataset"] for row in result.rows] == ["dense_10000x4"]
    assert any("dense_1000000x6" in note for note in result.notes)
    with pytest.raises(UnknownMemberError, match="dense_10000x4"):
        run_scenario("localize/speed", Context(datasets=("dense_7x7",)))


def test_stream_counts_ticks_and_runs_ahead_of_real_time(tmp_path: Path) -> None:
    context = Context(data_dir=tmp_path, methods=("rapminer",), cases=40)
    result = run_scenario("localize/stream", context)
    (row,) = result.rows
    assert (row["dataset"], row["ticks"]) == ("sim_cdn_stream", 40)
    assert float(row["times_real_time"] or 0) > 100
    assert any("aiops2019_pv is not in" in note for note in result.notes)


def test_stream_refuses_what_is_no_stream(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="not a stream"):
        run_scenario("localize/stream", Context(datasets=("shipped",)))
    with pytest.raises(MissingDataError, match="aiops2019_pv"):
        run_scenario("localize/stream", Context(data_dir=tmp_path, datasets=("aiops2019_pv",)))
