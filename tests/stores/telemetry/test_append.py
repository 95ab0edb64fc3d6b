"""What an append keeps, what it mends, what it sets aside, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, MissingColumnError, SettingError
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.stores.telemetry import FeedLimits, KpiStore

HOUR = 3600
NOW = 1_767_571_200
NAN = float("nan")


def rows(*told: tuple[object, object, object]) -> pl.DataFrame:
    return pl.DataFrame(told, schema=["entity", "timestamp", "drops"], orient="row", strict=False)


def files_of(store: KpiStore) -> dict[str, bytes]:
    return {str(path.relative_to(store.path)): path.read_bytes()
            for path in sorted(store.path.rglob("*.parquet"))}  # fmt: skip


class TestRules:
    """Each rule, and how many rows it takes."""

    @pytest.mark.parametrize(
        ("rule", "row"),
        [
            ("no_entity", (None, NOW, 1.0)),
            ("no_entity", ("", NOW, 1.0)),
            ("no_timestamp", ("a", None, 1.0)),
            ("not_a_time", ("a", NAN, 1.0)),
            ("not_a_time", ("a", 1e300, 1.0)),
            ("before_1970", ("a", -1, 1.0)),
            ("future", ("a", NOW + 301, 1.0)),
            ("name_too_long", ("x" * 1025, NOW, 1.0)),
            ("name_with_nul", ("a\0", NOW, 1.0)),
        ],
    )
    def test_a_row_that_is_set_aside(
        self, store: KpiStore, rule: str, row: tuple[object, object, object]
    ) -> None:
        told = store.append(
            rows(("a", NOW, 2.0), row), source="first.csv", received_at_s=float(NOW)
        )
        assert (told.n_rows, told.quarantined, told.n_quarantined) == (1, {rule: 1}, 1)
        (aside,) = store.quarantine.rows().rows(named=True)
        assert (aside["rule"], aside["source"], aside["row"]) == (rule, "first.csv", 2)
        assert json.loads(aside["content"])["drops"] == "1.0"
        assert aside["received_at"] == datetime.fromtimestamp(NOW, UTC)
        assert store.table().height == 1

    @pytest.mark.parametrize(
        ("rule", "value"), [("not_a_number", "n/a"), ("not_finite", "inf"), ("not_finite", "-1e39")]
    )
    def test_a_cell_that_is_no_number_is_missing_and_the_row_stays(
        self, store: KpiStore, rule: str, value: str
    ) -> None:
        sent = rows(("a", NOW, "1.5"), ("b", NOW, value), ("c", NOW, " 2 "), ("d", NOW, ""))
        told = store.append(sent.with_columns(traffic=pl.lit(7)), received_at_s=NOW)
        assert (told.n_rows, told.quarantined) == (4, {rule: 1})
        assert store.table()["drops"].to_list() == [1.5, None, 2.0, None]
        assert store.table()["traffic"].to_list() == [7.0] * 4
        assert value in store.quarantine.rows()["content"][0]

    def test_a_row_counts_once_for_a_rule(self, store: KpiStore) -> None:
        sent = pl.DataFrame({"entity": ["a"], "timestamp": [NOW], "x": [np.inf], "y": [-np.inf]})
        assert store.append(sent, received_at_s=NOW).quarantined == {"not_finite": 1}

    def test_missing_is_missing_whatever_it_is_called(self, store: KpiStore) -> None:
        sent = rows(("a", NOW, None), ("b", NOW, NAN), ("c", NOW, 1.0))
        assert store.append(sent, received_at_s=NOW).quarantined == {}
        assert store.table()["drops"].to_list() == [None, None, 1.0]

    def test_the_skew_is_a_setting(self, tmp_path: Path) -> None:
        store = KpiStore.create(
            tmp_path, name="cells", interval_s=60, limits=FeedLimits(skew_s=3600)
        )
        sent = rows(("a", NOW + 3600, 1.0), ("b", NOW + 3601, 1.0))
        told = store.append(sent, received_at_s=NOW)
        assert (told.n_rows, told.quarantined) == (1, {"future": 1})

    @settings(deadline=None, max_examples=40)
    @given(st.data())
    def test_no_row_is_lost(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        """Rows kept, rows set aside whole and rows merged are all rows."""
        store = KpiStore.create(
            tmp_path_factory.mktemp("t"), name="cells", interval_s=HOUR, n_buckets=2
        )
        entity = st.sampled_from(["a", "b", None, ""])
        stamp = st.one_of(st.none(), st.integers(NOW - 5, NOW + 4 * HOUR), st.just(-9))
        drops = st.one_of(st.none(), st.floats(width=32), st.integers(0, 2).map(float))
        told_rows = data.draw(st.lists(st.tuples(entity, stamp, drops), max_size=12))
        sent = pl.DataFrame(
            told_rows, orient="row",
            schema={"entity": pl.String, "timestamp": pl.Int64, "drops": pl.Float64},
        )  # fmt: skip
        told = store.append(sent, received_at_s=NOW)
        mended = ("not_finite", "not_a_number", "conflicting")
        whole = sum(n for rule, n in told.quarantined.items() if rule not in mended)
        assert told.n_rows + told.n_merged + whole == sent.height
        assert store.table().height == told.n_rows
        assert store.quarantine.rows().height == told.n_quarantined


class TestTime:
    """Stored UTC, on the grid, whatever clocks and zones say."""

    def test_stamps_are_rounded_down_to_the_grid(self, store: KpiStore) -> None:
        store.append(rows(("a", NOW + 0.9 * HOUR - 1, 1.0), ("a", NOW + HOUR, 2.0)),
                     received_at_s=NOW + HOUR)  # fmt: skip
        (frame,) = store.frames()
        assert (frame.start_s, frame.values.ravel().tolist()) == (NOW, [1.0, 2.0])

    def test_a_stamp_a_little_early_is_the_next_points(self, store: KpiStore) -> None:
        stamps = [NOW + 4, NOW + HOUR - 2, NOW + 2 * HOUR - 0.001, NOW + 3 * HOUR + 59]
        sent = rows(*(("a", stamp, row) for row, stamp in enumerate(stamps)))
        done = store.append(sent, received_at_s=NOW + 4 * HOUR)
        assert (done.n_rows, done.quarantined) == (4, {})
        (frame,) = store.frames()
        assert (frame.start_s, frame.values.ravel().tolist()) == (NOW, [0.0, 1.0, 2.0, 3.0])
        (read,) = KpiFrame.from_table(sent, expected_s=HOUR)
        assert (read.start_s, read.values.tobytes()) == (frame.start_s, frame.values.tobytes())

    @pytest.mark.parametrize(
        "stamps",
        [
            [NOW, NOW + HOUR],
            [float(NOW), float(NOW + HOUR)],
            [str(NOW), str(NOW + HOUR)],
            ["2026-01-05T00:00:00Z", "2026-01-05 01:00"],
            ["2026-01-05T09:00:00+09:00", "2026-01-04T20:00:00-05:00"],
            [datetime(2026, 1, 5), datetime(2026, 1, 5, 1)],
            [datetime(2026, 1, 5, 1, tzinfo=ZoneInfo("Europe/Berlin")),
             datetime(2026, 1, 5, 2, tzinfo=ZoneInfo("Europe/Berlin"))],
        ],
    )  # fmt: skip
    def test_one_moment_has_many_spellings(self, store: KpiStore, stamps: list[object]) -> None:
        sent = pl.DataFrame({"entity": ["a", "a"], "timestamp": stamps, "drops": [1.0, 2.0]})
        assert store.append(sent, received_at_s=NOW + HOUR).quarantined == {}
        (frame,) = store.frames()
        assert (frame.start_s, frame.values.ravel().tolist()) == (NOW, [1.0, 2.0])
        assert store.table().schema["timestamp"] == pl.Datetime("ms", "UTC")

    def test_a_leap_second_is_the_one_after_it(self, tmp_path: Path) -> None:
        store = KpiStore.create(tmp_path, name="cells", interval_s=1)
        stamps = ["2016-12-31T23:59:60Z", "2016-12-31 23:59:60.5", "2017-01-01 00:59:60+01:00",
                  "2016-12-31 23:60:00"]  # fmt: skip
        sent = pl.DataFrame({"entity": ["a", "b", "c", "d"], "timestamp": stamps, "drops": 1.0})
        assert store.append(sent, received_at_s=2e9).quarantined == {"not_a_time": 1}
        assert store.table()["timestamp"].dt.epoch("s").to_list() == [1_483_228_800] * 3

    def test_a_date_is_its_midnight(self, store: KpiStore) -> None:
        sent = pl.DataFrame({"entity": ["a"], "timestamp": [date(2026, 1, 5)], "drops": [1.0]})
        store.append(sent, received_at_s=NOW)
        assert store.window == TimeWindow(NOW, NOW + HOUR)

    @pytest.mark.parametrize(
        ("day", "n_rows"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)]
    )
    def test_days_of_daylight_saving_have_all_their_quarter_hours(
        self, tmp_path: Path, day: str, n_rows: int
    ) -> None:
        zone = ZoneInfo("Europe/Berlin")
        midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
        end = (datetime.fromisoformat(day).replace(hour=23, minute=45, tzinfo=zone)).timestamp()
        moments = np.arange(midnight.timestamp(), end + 1, 900)
        texts = [datetime.fromtimestamp(s, zone).isoformat() for s in moments]
        store = KpiStore.create(tmp_path, name="cells", interval_s=900)
        sent = pl.DataFrame({"entity": "a", "timestamp": texts, "drops": np.arange(len(texts))})
        told = store.append(sent, received_at_s=2e9)
        assert (told.n_rows, told.quarantined, told.n_merged) == (n_rows, {}, 0)
        (frame,) = store.frames()
        assert len(frame) == n_rows
        assert not np.isnan(frame.values).any()

    def test_local_stamps_that_cannot_be_told_are_set_aside(self, tmp_path: Path) -> None:
        """The hour that comes twice, and the one that is left out; texts and times alike."""
        limits = FeedLimits(time_zone="Europe/Berlin")
        texts = ["2026-03-29 01:30", "2026-03-29 02:30", "2026-10-25 02:30", "2026-10-25 03:30"]
        for name, stamps in (
            ("texts", pl.Series(texts)),
            ("times", pl.Series([datetime.fromisoformat(text) for text in texts])),
        ):
            store = KpiStore.create(tmp_path / name, name="cells", interval_s=900, limits=limits)
            sent = pl.DataFrame({"entity": "a", "timestamp": stamps, "drops": [1.0, 2, 3, 4]})
            told = store.append(sent, received_at_s=2e9)
            assert told.quarantined == {"ambiguous_time": 2}
            kept = store.table()
            assert kept["drops"].to_list() == [1.0, 4.0]
            assert [str(t) for t in kept["timestamp"]] == [
                "2026-03-29 00:30:00+00:00", "2026-10-25 02:30:00+00:00",
            ]  # fmt: skip


class TestTwice:
    """Order and repetition change nothing; a conflict has one winner."""

    @settings(deadline=None, max_examples=30)
    @given(st.integers(0, 10**6))
    def test_shuffled_and_repeated_rows_are_the_same_bytes(
        self, tmp_path_factory: pytest.TempPathFactory, seed: int
    ) -> None:
        stream = np.random.default_rng(seed)
        n = int(stream.integers(1, 40))
        sent = pl.DataFrame({
            "entity": stream.choice(["a", "b", "c"], n),
            "timestamp": NOW + stream.integers(0, 60, n) * HOUR // 2,
            "drops": stream.choice([0.0, -0.0, 1.0, 2.5, NAN], n),
            "traffic": stream.choice(["1", "2", "x", ""], n),
        })  # fmt: skip
        repeated = sent[stream.permutation(np.r_[np.arange(n), stream.integers(0, n, n)])]
        path = tmp_path_factory.mktemp("t")
        found = []
        for name, table in (("one", sent), ("other", repeated)):
            store = KpiStore.create(path / name, name="cells", interval_s=HOUR, n_buckets=2)
            store.append(table, received_at_s=2e9)
            found.append({k: v for k, v in files_of(store).items() if "quarantine" not in k})
        assert found[0] == found[1]

    def test_of_conflicting_rows_the_largest_value_counts(self, store: KpiStore) -> None:
        sent = pl.DataFrame({
            "entity": ["a", "a", "a", "b", "b"],
            "timestamp": [NOW, NOW + 1, NOW + 2, NOW, NOW],
            "drops": [1.0, 3.0, None, 2.0, 2.0],
            "traffic": [9.0, None, 4.0, 1.0, 1.0],
        })  # fmt: skip
        told = store.append(sent, source="x", received_at_s=2e9)
        # Rows 1 and 3 told a value that is not kept; row 2 did not, and b's rows are equal.
        assert (told.n_rows, told.n_merged, told.quarantined) == (2, 3, {"conflicting": 2})
        assert store.quarantine.rows()["row"].to_list() == [1, 3]
        assert store.table().rows()[0][2:] == (3.0, 9.0)
        assert store.table().rows()[1][2:] == (2.0, 1.0)

    def test_a_later_append_corrects_and_takes_nothing_away(self, store: KpiStore) -> None:
        store.append(rows(("a", NOW, 5.0)).with_columns(traffic=pl.lit(1.0)), received_at_s=2e9)
        store.append(rows(("a", NOW, 4.0)).with_columns(traffic=pl.lit(None)), received_at_s=2e9)
        (frame,) = store.frames()
        assert frame.values.tolist() == [[4.0, 1.0]]
        assert store.table().rows()[0][2:] == (4.0, 1.0)

    @settings(deadline=None, max_examples=20)
    @given(st.integers(0, 10**6))
    def test_rows_may_come_in_any_number_of_appends(
        self, tmp_path_factory: pytest.TempPathFactory, seed: int
    ) -> None:
        stream = np.random.default_rng(seed)
        owner = stream.permutation(60)
        sent = pl.DataFrame({"entity": (owner // 20).astype(str), "drops": stream.random(60),
                             "timestamp": NOW + owner % 20 * HOUR})  # fmt: skip
        path = tmp_path_factory.mktemp("t")
        tables = []
        for name, n_parts in (("one", 1), ("other", 4)):
            store = KpiStore.create(path / name, name="cells", interval_s=HOUR, n_buckets=2)
            for part in np.array_split(stream.permutation(60), n_parts):
                store.append(sent[part], received_at_s=2e9)
            tables.append((store.table(), [frame.values.tobytes() for frame in store.frames()]))
        assert tables[0][0].equals(tables[1][0])
        assert tables[0][1] == tables[1][1]

    def test_a_key_is_appended_once(self, store: KpiStore) -> None:
        sent = rows(("a", NOW, 1.0), ("a", NOW, 2.0), (None, NOW, 3.0))
        first = store.append(sent, received_at_s=2e9, key="k")
        before = files_of(store)
        again = store.append(sent, received_at_s=2e9, key="k")
        assert again.is_known
        assert (again.n_rows, again.quarantined) == (first.n_rows, first.quarantined)
        # Whoever was killed before it could act on the first answer is told what was touched.
        assert (first.windows, again.windows) == ({}, {"a": TimeWindow(NOW, NOW + HOUR)})
        assert files_of(store) == before
        assert not store.append(sent, received_at_s=2e9, key="other").is_known


class TestParts:
    """Tables one after the other are one append."""

    def parts(self) -> list[pl.DataFrame]:
        return [
            rows(("a", NOW, 1.0), (None, NOW, 2.0)),
            rows(("a", NOW + HOUR, 1.0), ("b", NOW, 3.0)).with_columns(load=pl.lit(0.5)),
            rows(),
            rows(("c", NOW, "x"), ("c", NOW, 4.0), ("\0", NOW, 5.0)),
        ]

    def test_they_are_what_all_of_them_at_once_are(self, store: KpiStore, tmp_path: Path) -> None:
        whole = KpiStore.create(tmp_path / "w", name="cells", interval_s=HOUR, n_buckets=4)
        sent = pl.concat(
            [part.cast({"drops": pl.String}) for part in self.parts()], how="diagonal_relaxed"
        )
        expected = whole.append(sent, source="x.csv", received_at_s=2e9)
        told = store.append_parts(self.parts(), source="x.csv", received_at_s=2e9)
        assert (told.n_rows, told.quarantined) == (expected.n_rows, expected.quarantined)
        assert told.n_merged == expected.n_merged == 1
        assert told.windows == expected.windows == {}
        assert store.table().equals(whole.table())
        assert (store.columns, store.entities) == (whole.columns, whole.entities)
        aside = ("rule", "source", "row")
        assert sorted(store.quarantine.rows()[aside].rows()) == sorted(
            whole.quarantine.rows()[aside].rows()
        )

    def test_windows_are_those_before_the_append(self, store: KpiStore) -> None:
        store.append(rows(("a", NOW, 1.0)), received_at_s=2e9)
        sent = [rows(("a", NOW + HOUR, 1.0), ("b", NOW - HOUR, 1.0)), rows(("b", NOW, 1.0)),
                rows(("a", NOW + HOUR, 2.0))]  # fmt: skip
        told = store.append_parts(sent, received_at_s=2e9, key="k")
        assert told.windows == {"b": TimeWindow(NOW - HOUR, NOW + HOUR)}
        again = store.append_parts(sent, received_at_s=2e9, key="k")
        assert (again.is_known, again.n_rows) == (True, told.n_rows)
        assert again.windows["a"] == TimeWindow(NOW + HOUR, NOW + 2 * HOUR)
        assert store.frames(entities=["a"])[0].values.ravel().tolist() == [1.0, 2.0]

    def test_one_that_fails_undoes_them_all(self, store: KpiStore) -> None:
        store.append(rows(("a", NOW, 1.0)), received_at_s=2e9)
        before = files_of(store)

        def broken() -> Iterator[pl.DataFrame]:
            yield rows(("b", NOW, 1.0), (None, NOW, 1.0))
            # Whoever reads meanwhile sees nothing of it.
            assert KpiStore(store.path).entities == ["a"]
            assert KpiStore(store.path).table().height == 1
            yield rows(("c", NOW, 1.0))
            raise InputError("the file ends here")

        with pytest.raises(InputError, match="ends here"):
            store.append_parts(broken(), received_at_s=2e9, key="k")
        assert files_of(store) == before
        assert store.entities == ["a"]
        # The same numbers are used again, with other names behind them.
        told = store.append_parts([rows(("d", NOW, 1.0))] * 2, received_at_s=2e9, key="k")
        assert (told.n_rows, told.is_known) == (2, False)
        assert store.entities == ["a", "d"]

    def test_so_many_rows_of_all_parts_are_set_aside_whole(
        self, store: KpiStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("faultsight.stores.telemetry.quarantine._MOST_WHOLE", 3)
        part = rows(("a", NOW, 1.0), (None, NOW, 2.0), (None, NOW, 3.0))
        told = store.append_parts([part] * 3, source="x.csv", received_at_s=2e9)
        assert told.quarantined == {"no_entity": 6}
        aside = store.quarantine.rows().sort("row")
        assert aside["row"].to_list() == [2, 3, 5, 6, 8, 9]
        assert aside["content"].is_null().to_list() == [False] * 3 + [True] * 3

    def test_all_of_them_keep_to_the_cap(self, tmp_path: Path) -> None:
        limits = FeedLimits(max_rows=3)
        store = KpiStore.create(tmp_path, name="cells", interval_s=60, limits=limits)
        two = rows(("a", NOW, 1), ("b", NOW, 1))
        with pytest.raises(InputError, match=r"x\.csv.*max_rows"):
            store.append_parts([two, two], source="x.csv", received_at_s=2e9)
        assert files_of(store) == {}


class TestLate:
    """What is to be scored again."""

    def test_windows_of_what_is_not_newer_than_the_newest(self, store: KpiStore) -> None:
        first = rows(("a", NOW, 1.0), ("b", NOW + 5 * HOUR, 1.0))
        assert store.append(first, received_at_s=2e9).windows == {}
        told = store.append(
            rows(("a", NOW + HOUR, 1.0), ("a", NOW + 3 * HOUR, 1.0), ("a", NOW + 6 * HOUR, 1.0),
                 ("b", NOW + 6 * HOUR, 1.0), ("c", NOW + 5 * HOUR, 1.0)),
            received_at_s=2e9,
        )  # fmt: skip
        assert told.windows == {
            "a": TimeWindow(NOW + HOUR, NOW + 4 * HOUR),
            "c": TimeWindow(NOW + 5 * HOUR, NOW + 6 * HOUR),
        }
        assert store.newest_s == NOW + 6 * HOUR

    def test_a_cube_is_one_entity(self, cube: KpiStore) -> None:
        leaf = {"site": ["x"], "os": ["ios"], "requests": [3]}
        cube.append(pl.DataFrame({"timestamp": [NOW], **leaf}), received_at_s=2e9)
        told = cube.append(pl.DataFrame({"timestamp": [NOW - 300], **leaf}), received_at_s=2e9)
        assert told.windows == {"cdn": TimeWindow(NOW - 300, NOW)}


class TestColumns:
    """Which columns are KPIs."""

    def test_columns_of_numbers_are_and_others_are_told(self, store: KpiStore) -> None:
        sent = rows(("a", NOW, 1.5)).with_columns(
            region=pl.lit("north"), ok=pl.lit(value=True), label=pl.lit(1),
            day=pl.lit(date(2026, 1, 5)), text=pl.lit("7"), parts=pl.lit([1]),
        )  # fmt: skip
        told = store.append(sent, received_at_s=2e9)
        assert told.ignored == ("region", "label", "day", "parts")
        assert store.columns == ("drops", "ok", "text")

    def test_later_columns_are_added(self, store: KpiStore) -> None:
        store.append(rows(("a", NOW, 1.5)), received_at_s=2e9)
        store.append(rows(("a", NOW + HOUR, 2.5)).rename({"drops": "more"}), received_at_s=2e9)
        (frame,) = store.frames()
        assert frame.kpis == ("drops", "more")
        np.testing.assert_array_equal(frame.values, [[1.5, NAN], [NAN, 2.5]])
        (frame,) = store.frames(kpis=["more", "unknown"])
        np.testing.assert_array_equal(frame.values, [[NAN, NAN], [2.5, NAN]])

    def test_a_closed_feed_takes_only_its_own(self, tmp_path: Path) -> None:
        store = KpiStore.create(tmp_path, name="cells", interval_s=60, columns=["drops"])
        told = store.append(rows(("a", NOW, 1)).with_columns(other=pl.lit(1)), received_at_s=2e9)
        assert (told.ignored, store.columns) == (("other",), ("drops",))
        told = store.append(
            rows(("a", NOW, None)).with_columns(drops=pl.lit(date(2026, 1, 5))), received_at_s=2e9
        )
        assert told.quarantined == {"not_a_number": 1}

    def test_a_column_without_which_nothing_goes(self, store: KpiStore, cube: KpiStore) -> None:
        for column in ("entity", "timestamp"):
            with pytest.raises(MissingColumnError, match=f"x.csv, column '{column}'"):
                store.append(rows(("a", NOW, 1.0)).drop(column), source="x.csv", received_at_s=2e9)
        with pytest.raises(MissingColumnError, match="column 'site'"):
            cube.append(rows(("a", NOW, 1.0)), received_at_s=2e9)
        with pytest.raises(InputError, match="is no time"):
            store.append(rows(("a", [1], 1.0)), source="x.csv", received_at_s=2e9)
        with pytest.raises(InputError, match="is no name"):
            store.append(rows(([1], NOW, 1.0)), source="x.csv", received_at_s=2e9)
        assert files_of(store) == {}


class TestCaps:
    """Huge input is refused before it is written, with the setting's name."""

    @pytest.mark.parametrize(
        ("limits", "setting"),
        [
            (FeedLimits(max_rows=2), "max_rows"),
            (FeedLimits(max_columns=1), "max_columns"),
            (FeedLimits(max_entities=2), "max_entities"),
            (FeedLimits(max_name_bytes=4), "max_name_bytes"),
        ],
    )
    def test_a_cap_is_named(self, tmp_path: Path, limits: FeedLimits, setting: str) -> None:
        store = KpiStore.create(tmp_path, name="cells", interval_s=60, limits=limits)
        sent = rows(("a", NOW, 1), ("b", NOW, 1), ("c", NOW, 1)).with_columns(second=pl.lit(1))
        with pytest.raises(InputError, match=f"x.csv.*{setting}"):
            store.append(sent, source="x.csv", received_at_s=2e9)
        assert files_of(store) == {}
        assert store.entities == []

    def test_names_add_up_over_appends(self, tmp_path: Path) -> None:
        limits = FeedLimits(max_entities=2)
        store = KpiStore.create(tmp_path / "k", name="cells", interval_s=60, limits=limits)
        cube = KpiStore.create(tmp_path / "c", name="cdn", kind="cube", interval_s=60,
                               attributes=["site"], limits=limits)  # fmt: skip
        for one in (store, cube):
            for name in ("a", "b", "a"):
                sent = pl.DataFrame({one.attributes[0]: [name], "timestamp": [NOW], "x": [1]})
                one.append(sent, received_at_s=2e9)
            with pytest.raises(InputError, match="3 names are more than the 2"):
                one.append(
                    sent.with_columns(pl.lit("c").alias(one.attributes[0])), received_at_s=2e9
                )
            assert one.elements(one.attributes[0]) == ["a", "b"]


class TestFeeds:
    """What a feed is, and what it cannot be."""

    def test_a_feed_that_is_there_is_opened(self, store: KpiStore) -> None:
        again = KpiStore.create(store.path, name="cells", interval_s=HOUR, n_buckets=9)
        assert again.n_buckets == 4
        with pytest.raises(SettingError, match="another interval_s"):
            KpiStore.create(store.path, name="cells", interval_s=60)

    @pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "a b", "a\0", "x" * 65, "7a"])
    def test_a_name_that_is_none(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(SettingError, match="name"):
            KpiStore.create(tmp_path, name=name, interval_s=60)

    def test_limits_may_change(self, store: KpiStore) -> None:
        sent = rows(("a", NOW + HOUR, 1.0))
        assert store.append(sent, received_at_s=NOW).quarantined == {"future": 1}
        KpiStore.create(store.path, name="cells", interval_s=HOUR, limits=FeedLimits(skew_s=HOUR))
        assert store.append(sent, received_at_s=NOW).quarantined == {}

    def test_values_that_are_none(self, tmp_path: Path) -> None:
        for wrong in ({"interval_s": 0}, {"n_buckets": 0}, {"columns": ["a", "a"]},
                      {"columns": ["timestamp"]}, {"kind": "cube"}, {"kind": "polls"},
                      {"attributes": ["x"]}):  # fmt: skip
            with pytest.raises(SettingError):
                KpiStore.create(tmp_path / "x", **{"name": "a", "interval_s": 60, **wrong})  # type: ignore[arg-type]
        for limit in ({"max_rows": 0}, {"skew_s": -1}, {"time_zone": "Mars/Phobos"}):
            with pytest.raises(SettingError):
                FeedLimits(**limit)

    @pytest.mark.parametrize("told", ["", "{", "[]", "7", '{"format": "x"}'])
    def test_what_is_no_feed(self, tmp_path: Path, told: str) -> None:
        with pytest.raises(InputError, match="not a feed"):
            KpiStore(tmp_path)
        (tmp_path / "feed.json").write_text(told)
        with pytest.raises(InputError, match=str(tmp_path)):
            KpiStore(tmp_path)

    def test_the_quarantine_moves_with_the_state(self, tmp_path: Path) -> None:
        store = KpiStore.create(
            tmp_path / "state" / "telemetry" / "cells", name="cells", interval_s=60,
            quarantine=tmp_path / "state" / "quarantine" / "cells",
        )  # fmt: skip
        store.append(rows((None, NOW, 1.0)), received_at_s=2e9)
        assert (tmp_path / "state" / "quarantine" / "cells" / "000000.parquet").exists()
        moved = tmp_path / "moved"
        (tmp_path / "state").rename(moved)
        assert KpiStore(moved / "telemetry" / "cells").quarantine.rows().height == 1
