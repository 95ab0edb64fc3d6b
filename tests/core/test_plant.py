"""The cable plant: what it is read from, what it refuses, and what hangs on what."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.plant import ModemPlace, Plant
from faultsight.core.seed import random_stream


def table(**columns: Any) -> pl.DataFrame:
    """Return a node with amplifiers A1, after it A2 and A3, and a modem on the node itself."""
    rows: dict[str, Any] = {
        "device_id": ["a", "b", "c", "d", "e"],
        "fnode": ["F"] * 5,
        "amplifier": ["A1", "A2", "A2", "A3", None],
        "amplifier_parent": ["", "A1", "A1", "A1", None],
        "tap": ["t1", "t2", "t2", "t3", "t0"],
    }
    return pl.DataFrame(rows | columns)


class TestReading:
    def test_places(self) -> None:
        plant = Plant.from_table(
            table(latitude=["50.1", *[None] * 4], longitude=[8.6] * 5)
            .drop("tap")
        )  # fmt: skip
        assert plant.places["a"] == ModemPlace("a", "F", "A1", "", 50.1, 8.6)
        assert plant.places["e"] == ModemPlace("e", "F", "", "", None, 8.6)
        assert plant.parents == {("F", "A1"): "", ("F", "A2"): "A1", ("F", "A3"): "A1"}

    def test_two_columns_are_enough(self) -> None:
        plant = Plant.from_table(pl.DataFrame({"device_id": [1, 2], "fnode": [7, 7]}))
        assert plant.places["2"] == ModemPlace("2", "7")
        assert plant.common_element(["1", "2"]) == ("fiber node", "7")

    def test_names_of_amplifiers_are_each_nodes_own(self) -> None:
        plant = Plant.from_table(
            table(fnode=["F", "F", "G", "F", "F"], amplifier=["A1", "A2", "A1", "A3", None],
                  amplifier_parent=["", "A1", "A9", "A1", None])
        )  # fmt: skip
        assert plant.upstream("F", "A1") == ["A1"]
        assert plant.upstream("G", "A1") == ["A1", "A9"]


class TestRefusals:
    @pytest.mark.parametrize("column", ["device_id", "fnode"])
    def test_a_column_that_is_missing(self, column: str) -> None:
        with pytest.raises(MissingColumnError, match=f"plant.csv, column '{column}'"):
            Plant.from_table(table().drop(column), source="plant.csv")

    @pytest.mark.parametrize(
        ("changed", "column", "row", "problem"),
        [
            ({"device_id": ["a", "b", "b", "d", "e"]}, "device_id", 3, "'b' stands twice"),
            ({"device_id": ["a", None, "c", "d", "e"]}, "device_id", 2, "is missing"),
            ({"fnode": ["F", "F", "F", None, "F"]}, "fnode", 4, "is missing"),
            (
                {"amplifier_parent": ["", "A1", "A3", "A1", None]},
                "amplifier_parent", 3, "amplifier 'A2' of 'F' has two parents",
            ),
            ({"latitude": ["1", "2", "north", "4", "5"]}, "latitude", 3, "'north' is not a number"),
            ({"longitude": ["1", "2", "3", "4", "x"]}, "longitude", 5, "'x' is not a number"),
            (
                {"latitude": [50.0, 999.0, None, 4.0, 5.0]},
                "latitude", 2, "999 is not between -90 and 90 degrees",
            ),
            (
                {"longitude": [8.6, -180.0, -180.5, 4.0, 5.0]},
                "longitude", 3, "-180.5 is not between -180 and 180 degrees",
            ),
            (
                {"device_id": ["a", "aa:00:00:00:00:01", "c", "AA0000000001", "e"]},
                "device_id", 4, "'AA0000000001' stands twice",
            ),
        ],
    )  # fmt: skip
    def test_column_and_row_are_named(
        self, changed: dict[str, Any], column: str, row: int, problem: str
    ) -> None:
        with pytest.raises(InputError, match=problem) as caught:
            Plant.from_table(table(**changed), source="plant.csv")
        error = caught.value
        assert (error.source, error.column, error.row) == ("plant.csv", column, row)

    @pytest.mark.parametrize(
        ("amplifiers", "parents"),
        [
            (["A1", "A2", "A3", "A4", "A5"], ["A3", "A1", "A2", "", ""]),
            (["A1", "A1", "A1", "A1", "A1"], ["A1"] * 5),
        ],
    )
    def test_a_circle_is_named(self, amplifiers: list[str], parents: list[str]) -> None:
        with pytest.raises(InputError, match="form a circle at 'A1'") as caught:
            Plant.from_table(
                table(amplifier=amplifiers, amplifier_parent=parents), source="plant.csv"
            )
        assert (caught.value.source, caught.value.column) == ("plant.csv", "amplifier_parent")


def test_places_are_found_under_the_names_of_polls() -> None:
    names = ["AA-00-00-00-00-01", "AA-00-00-00-00-02", "c", "D", "e"]
    plant = Plant.from_table(table(device_id=names))
    polled = ["aa0000000002", "c", "d", "AA-00-00-00-00-01"]
    named = plant.named_like(polled)
    assert list(named.places) == ["AA-00-00-00-00-01", "aa0000000002", "c", "D", "e"]
    assert named.places["aa0000000002"] == ModemPlace("aa0000000002", "F", "A2", "t2")
    assert named.common_element(polled[:2]) == ("tap", "t2")
    assert plant.named_like(["c", "unknown"]) is plant


class TestCommonElement:
    @pytest.mark.parametrize(
        ("devices", "expected"),
        [
            (["b", "c"], ("tap", "t2")),
            (["b"], ("tap", "t2")),
            (["c", "d"], ("amplifier", "A1")),
            (["a", "b"], ("amplifier", "A1")),
            (["a", "e"], ("fiber node", "F")),
            (["b", "unknown"], None),
            ([], None),
        ],
    )
    def test_by_hand(self, devices: list[str], expected: tuple[str, str] | None) -> None:
        assert Plant.from_table(table()).common_element(devices) == expected

    def test_one_tap_is_of_one_amplifier(self) -> None:
        plant = Plant.from_table(table(tap=["t1", "t1", "t2", "t1", ""]))
        assert plant.common_element(["a", "b"]) == ("amplifier", "A1")
        assert plant.common_element(["c"]) == ("tap", "t2")
        assert plant.common_element(["e"]) == ("fiber node", "F")

    def test_modems_of_two_nodes_have_nothing_in_common(self) -> None:
        plant = Plant.from_table(table(fnode=["F", "F", "F", "F", "G"]))
        assert plant.common_element(["a", "e"]) is None

    @settings(deadline=None, max_examples=150)
    @given(st.integers(2, 25), st.integers(1, 8), st.integers(0, 10**6))
    def test_it_is_the_lowest_element_that_serves_them_all(
        self, n_modems: int, n_amplifiers: int, seed: int
    ) -> None:
        stream = random_stream(seed, "plant")
        parent = ["", *(f"A{stream.integers(0, i)}" for i in range(1, n_amplifiers))]
        parent = [p if stream.random() < 0.8 else "" for p in parent]
        at = stream.integers(0, n_amplifiers, n_modems)
        plant = Plant.from_table(
            pl.DataFrame(
                {
                    "device_id": [f"m{i:02d}" for i in range(n_modems)],
                    "fnode": ["F"] * n_modems,
                    "amplifier": [f"A{i}" for i in at],
                    "amplifier_parent": [parent[i] for i in at],
                }
            )
        )
        known = {f"A{i}" for i in at}
        asked = [f"m{i:02d}" for i in stream.choice(n_modems, min(3, n_modems), replace=False)]
        found = plant.common_element(asked)
        assert found is not None
        served = plant.downstream("F", *found)
        assert set(asked) <= set(served)
        # No element with fewer modems serves them all.
        for amplifier in known:
            below = plant.downstream("F", "amplifier", amplifier)
            assert not set(asked) <= set(below) or len(below) >= len(served)

    def test_downstream(self) -> None:
        plant = Plant.from_table(table())
        assert plant.downstream("F", "amplifier", "A1") == ["a", "b", "c", "d"]
        assert plant.downstream("F", "amplifier", "A2") == ["b", "c"]
        assert plant.downstream("F", "tap", "t2") == ["b", "c"]
        assert plant.downstream("F", "fiber node", "F") == ["a", "b", "c", "d", "e"]
        assert plant.downstream("G", "fiber node", "G") == []
