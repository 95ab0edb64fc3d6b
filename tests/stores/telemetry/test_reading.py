"""What is read back: windows, entities, buckets, cubes; and after merges just the same."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from faultsight.core.bucketed import bucket_of
from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.stores.telemetry import KpiStore
from faultsight.stores.telemetry._feed import Feed

HOUR, DAY = 3600, 86_400
NOW = 1_767_571_200


def sent(seed: int, n: int = 200) -> pl.DataFrame:
    stream = np.random.default_rng(seed)
    return pl.DataFrame({
        "entity": stream.choice([f"cell-{i}" for i in range(9)], n),
        "timestamp": NOW + stream.integers(0, 72, n) * HOUR,
        "drops": np.where(stream.random(n) < 0.2, np.nan, stream.integers(0, 5, n)),
        "traffic": stream.random(n),
    })  # fmt: skip


def told(frames: list[KpiFrame]) -> list[tuple[str, int, tuple[str, ...], bytes]]:
    return [(f.entity, f.start_s, f.kpis, f.values.tobytes()) for f in frames]


@pytest.fixture
def filled(store: KpiStore) -> KpiStore:
    for seed in range(4):
        store.append(sent(seed), received_at_s=2e9)
    return store


class TestFrames:
    """KPIs of each entity."""

    def test_they_are_what_one_table_gives(self, store: KpiStore) -> None:
        table = sent(0).unique(["entity", "timestamp"])
        store.append(table, received_at_s=2e9)
        expected = KpiFrame.from_table(table, interval_s=HOUR)
        assert told(store.frames()) == told(expected)
        assert store.entities == sorted(set(table["entity"]))

    @settings(deadline=None, max_examples=40)
    @given(st.integers(-DAY, 4 * DAY), st.integers(0, 2 * DAY))
    def test_a_window_is_half_open(self, start: int, length: int) -> None:
        window = TimeWindow(NOW + start, NOW + start + length)
        rows = _SHARED[0].table()
        stamps = rows["timestamp"].dt.epoch("s")
        inside = rows.filter((stamps >= window.start_s) & (stamps < window.end_s))
        found = _SHARED[0].frames(window)
        expected = KpiFrame.from_table(inside, interval_s=HOUR) if inside.height else []
        assert told(found) == told(expected)
        assert_frame_equal(_SHARED[0].table(window), inside)

    def test_entities_and_kpis_that_are_asked_for(self, filled: KpiStore) -> None:
        every = {frame.entity: frame for frame in filled.frames()}
        found = filled.frames(entities=["cell-7", "cell-2", "nobody"], kpis=["traffic"])
        assert [frame.entity for frame in found] == ["cell-2", "cell-7"]
        for frame in found:
            np.testing.assert_array_equal(frame.values[:, 0], every[frame.entity].values[:, 1])

    def test_buckets_are_the_whole_in_parts(self, filled: KpiStore) -> None:
        parts = [frame for bucket in filled.buckets() for frame in filled.frames(bucket=bucket)]
        assert told(sorted(parts, key=lambda frame: frame.entity)) == told(filled.frames())
        for bucket in filled.buckets():
            for frame in filled.frames(bucket=bucket):
                assert bucket_of(frame.entity, filled.n_buckets) == bucket

    def test_a_worker_may_be_sent_the_store(self, filled: KpiStore) -> None:
        assert told(pickle.loads(pickle.dumps(filled)).frames()) == told(filled.frames())

    def test_what_others_append_is_seen(self, filled: KpiStore) -> None:
        other = KpiStore(filled.path)
        assert other.entities == filled.entities
        new = pl.DataFrame({"entity": ["new"], "timestamp": [NOW], "drops": [1.0]})
        filled.append(new, received_at_s=2e9)
        assert "new" in other.entities
        assert [frame.entity for frame in other.frames(entities=["new"])] == ["new"]

    def test_nothing_is_there(self, store: KpiStore, cube: KpiStore) -> None:
        assert (store.frames(), store.entities, store.newest_s) == ([], [], None)
        assert store.window == TimeWindow(0, 0)
        assert store.append(sent(0).clear(), received_at_s=2e9).n_rows == 0
        assert store.table().columns == ["timestamp", "entity", "drops", "traffic"]
        assert cube.table().columns == ["timestamp", "site", "os"]

    def test_the_window(self, filled: KpiStore) -> None:
        stamps = filled.table()["timestamp"].dt.epoch("s")
        assert filled.window == TimeWindow(int(stamps[0]), int(stamps[-1]) + HOUR)


_SHARED: list[KpiStore] = []


@pytest.fixture(autouse=True, scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = KpiStore.create(tmp_path_factory.mktemp("s"), name="cells", interval_s=HOUR)
    for seed in range(3):
        store.append(sent(seed), received_at_s=2e9)
    _SHARED[:] = [store]


class TestCube:
    """Leaf tables."""

    def test_leaves_are_told_apart_and_missing_elements_are_elements(self, cube: KpiStore) -> None:
        table = pl.DataFrame({
            "timestamp": [NOW, NOW, NOW, NOW + 300],
            "site": ["x", None, "x", "x"], "os": ["ios", "ios", None, "ios"],
            "requests": [2**40 + 1, 2, 3, 4], "delay": [0.1, 0.2, 0.3, 0.4],
        })  # fmt: skip
        assert cube.append(table, received_at_s=2e9).n_rows == 4
        found = cube.table(TimeWindow(NOW, NOW + 300))
        assert found.rows() == [
            (found["timestamp"][0], None, "ios", 2.0, 0.2),
            (found["timestamp"][0], "x", None, 3.0, 0.3),
            (found["timestamp"][0], "x", "ios", 2.0**40 + 1, 0.1),
        ]
        assert (cube.entities, cube.elements("os"), cube.elements("site")) == (
            ["cdn"], ["ios"], ["x"],
        )  # fmt: skip
        assert cube.buckets() == [0]
        with pytest.raises(SettingError, match="cdn is a cube"):
            cube.frames()

    def test_numbers_may_be_elements(self, cube: KpiStore) -> None:
        table = pl.DataFrame({"timestamp": [NOW], "site": [7], "os": [True], "requests": [1]})
        cube.append(table, received_at_s=2e9)
        assert cube.table().rows()[0][1:] == ("7", "true", 1.0)

    def test_a_leaf_told_again_is_corrected(self, cube: KpiStore) -> None:
        table = pl.DataFrame({"timestamp": [NOW] * 3, "site": ["x", None, "y"], "os": ["a"] * 3,
                              "requests": [1, 2, 3]})  # fmt: skip
        cube.append(table, received_at_s=2e9)
        cube.append(table[::-1].with_columns(requests=pl.col("requests") * 10)[:2],
                    received_at_s=2e9)  # fmt: skip
        assert cube.table()["requests"].to_list() == [20.0, 1.0, 30.0]


class TestMerges:
    """Files become few, and nobody can tell."""

    def test_results_stay_the_same_to_the_last_bit(self, filled: KpiStore) -> None:
        frames, table, window = told(filled.frames()), filled.table(), filled.window
        before = len(list(filled.path.glob("bucket=*/*.parquet")))
        done = filled.compact(before_s=2e9)
        assert done.n_merged == before
        assert told(filled.frames()) == frames
        assert_frame_equal(filled.table(), table)
        # What was replaced is still there for whoever is reading it, and goes later.
        assert len(list(filled.path.glob("bucket=*/*.parquet"))) == before + done.n_written
        assert filled.compact(before_s=2e9, grace_s=0.0).n_removed == before
        assert len(list(filled.path.glob("bucket=*/*.parquet"))) == done.n_written
        assert told(filled.frames()) == frames
        assert filled.window == window
        assert filled.compact(before_s=2e9, grace_s=0.0).n_merged == 0

    @settings(deadline=None, max_examples=15)
    @given(st.lists(st.sampled_from(["append", "compact", "today", "sweep"]), max_size=14))
    def test_in_any_order(self, tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
        path = tmp_path_factory.mktemp("t")
        store, plain = (
            KpiStore.create(path / name, name="cells", interval_s=HOUR, n_buckets=2)
            for name in ("merged", "plain")
        )
        for number, step in enumerate(steps):
            if step == "append":
                for one in (store, plain):
                    one.append(sent(number, 30), received_at_s=2e9)
            elif step == "compact":
                store.compact(before_s=NOW + 2 * DAY)
            elif step == "today":
                store.compact(before_s=0.0)
            else:
                store.compact(before_s=2e9, grace_s=0.0)
        assert told(store.frames()) == told(plain.frames())
        assert_frame_equal(store.table(), plain.table())

    def test_a_day_of_many_appends_has_few_files_and_is_not_written_often(
        self, tmp_path: Path
    ) -> None:
        store = KpiStore.create(tmp_path, name="cells", interval_s=60, n_buckets=1)
        n_appends, n_written = 160, 0
        for minute in range(n_appends):
            table = pl.DataFrame({"entity": [str(i) for i in range(50)], "drops": minute})
            store.append(table.with_columns(timestamp=NOW + minute * 60), received_at_s=2e9)
            n_written += store.compact(before_s=NOW, grace_s=0.0).n_merged
        store.compact(before_s=NOW, grace_s=0.0)
        assert len(list(tmp_path.glob("bucket=*/*.parquet"))) < 16
        assert n_written < 3 * n_appends
        (frame, *others) = store.frames()
        assert len(frame) == n_appends
        assert len(others) == 49

    def test_a_reader_whose_files_went_away_looks_again(
        self, filled: KpiStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = told(filled.frames())
        listed = filled._files.live
        calls: list[int] = []

        def live(bucket: int, *, up_to: int | None = None) -> object:
            files = listed(bucket, up_to=up_to)
            if not calls:
                calls.append(bucket)
                other = KpiStore(filled.path)
                other.compact(before_s=2e9)
                other.compact(before_s=2e9, grace_s=0.0)
            return files

        monkeypatch.setattr(filled._files, "live", live)
        assert told(filled.frames()) == expected
        assert calls

    def test_a_reader_that_was_overtaken_by_an_append_and_a_merge_looks_again(
        self, filled: KpiStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = Feed.read(filled.path)
        filled.append(sent(9), received_at_s=2e9)
        expected = told(filled.frames())
        for _ in range(2):
            filled.compact(before_s=2e9, grace_s=0.0)
        descriptions = [before]
        real = Feed.read
        monkeypatch.setattr(
            Feed, "read", lambda path: descriptions.pop() if descriptions else real(path)
        )
        assert told(filled.frames()) == expected
        assert descriptions == []


class TestRetention:
    """What is old is given up, to the row."""

    def test_rows_before_are_neither_read_nor_taken(self, filled: KpiStore) -> None:
        everything = filled.table()
        now_s = NOW + 80 * HOUR
        assert filled.retain(50 * HOUR, now_s) > 0
        from_s = NOW + 30 * HOUR
        kept = everything.filter(pl.col("timestamp").dt.epoch("s") >= from_s)
        assert_frame_equal(filled.table(), kept)
        assert filled.window.start_s == from_s
        names = {path.name[:10] for path in filled.path.glob("bucket=*/*.parquet")}
        assert names == {"2026-01-06", "2026-01-07"}
        late = pl.DataFrame({"entity": ["a"], "timestamp": [from_s - HOUR], "drops": [1.0]})
        assert filled.append(late, received_at_s=now_s).quarantined == {"before_retention": 1}
        # It never goes back.
        filled.retain(10**9, now_s)
        assert_frame_equal(filled.table(), kept)
        filled.compact(before_s=2e9, grace_s=0.0)
        assert_frame_equal(filled.table(), kept)

    def test_entities_without_rows_are_forgotten(self, store: KpiStore) -> None:
        table = pl.DataFrame({"entity": ["old", "both", "both", "new"],
                              "timestamp": [NOW, NOW, NOW + 3 * DAY, NOW + 3 * DAY],
                              "drops": [1.0, 2.0, 3.0, 4.0]})  # fmt: skip
        store.append(table, received_at_s=2e9)
        store.retain(DAY, NOW + 3 * DAY)
        assert store.entities == KpiStore(store.path).entities == ["both", "new"]
        store.append(table[2:].with_columns(entity=pl.lit("newer")), received_at_s=2e9)
        assert store.entities == ["both", "new", "newer"]

    def test_what_was_set_aside_goes_too(self, store: KpiStore) -> None:
        wrong = pl.DataFrame({"entity": [None], "timestamp": [NOW], "drops": [1.0]},
                             schema_overrides={"entity": pl.String})  # fmt: skip
        for received_at_s in (NOW, NOW + DAY):
            store.append(wrong, received_at_s=received_at_s)
        store.retain(DAY, NOW + 2 * DAY)
        assert store.quarantine.rows()["received_at"].dt.epoch("s").to_list() == [NOW + DAY]


class TestDamage:
    """A file that cannot be read is named; without it the others go on."""

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_a_truncated_file(self, filled: KpiStore, share: float) -> None:
        file = min(filled.path.glob("bucket=*/*.parquet"))
        data = file.read_bytes()
        file.write_bytes(data[: int(share * len(data))])
        self.check(filled, file)

    def test_a_file_that_is_something_else(self, filled: KpiStore) -> None:
        file = min(filled.path.glob("bucket=*/*.parquet"))
        file.write_text("entity,timestamp,drops\n")
        self.check(filled, file)

    def test_a_file_of_another_schema(self, filled: KpiStore) -> None:
        file = min(filled.path.glob("bucket=*/*.parquet"))
        table = pl.read_parquet(file)
        no_stamp = pl.lit(None, table["timestamp"].dtype)
        for other in (table.drop("timestamp"), table.with_columns(timestamp=pl.lit("x")),
                      table.with_columns(entity=pl.lit(7)), table.with_columns(drops=pl.lit("x")),
                      table.cast({"timestamp": pl.Datetime("us")}),
                      table.with_columns(timestamp=no_stamp)):  # fmt: skip
            other.write_parquet(file)
            with pytest.raises(InputError) as caught:
                filled.frames()
            assert caught.value.source == str(file)
        self.check(filled, file)

    @pytest.mark.parametrize("seed", range(8))
    def test_flipped_bytes_are_read_or_named(self, filled: KpiStore, seed: int) -> None:
        stream = np.random.default_rng(seed)
        file = min(filled.path.glob("bucket=*/*.parquet"))
        data = np.frombuffer(file.read_bytes(), np.uint8).copy()
        data[stream.integers(0, len(data), 40)] = stream.integers(0, 256, 40)
        file.write_bytes(data.tobytes())
        try:
            filled.frames()
        except InputError as error:
            assert error.source == str(file)  # noqa: PT017

    def check(self, store: KpiStore, file: Path) -> None:
        for attempt in (store.frames, store.table, lambda: store.compact(before_s=2e9)):
            with pytest.raises(InputError) as caught:
                attempt()
            assert caught.value.source == str(file)
        bucket = int(file.parent.name.removeprefix("bucket="))
        others = [frame.entity for b in store.buckets() if b != bucket
                  for frame in store.frames(bucket=b)]  # fmt: skip
        assert others
        found = store.set_aside_damaged()
        name = str(file.relative_to(store.path))
        assert list(found) == [name]
        assert (store.quarantine.path / "damaged" / name).exists()
        assert {frame.entity for frame in store.frames()} >= set(others)
        assert store.set_aside_damaged() == {}

    def test_a_stray_file_is_named(self, filled: KpiStore) -> None:
        file = min(filled.path.glob("bucket=*/*.parquet"))
        stray = file.with_name("notes.parquet")
        stray.write_bytes(file.read_bytes())
        with pytest.raises(InputError, match="not a file of telemetry") as caught:
            filled.frames()
        assert caught.value.source == str(stray)
