"""Sums over all cuboids, against brute force."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.localize.cuboids import Cells, Cuboids, bases, codes, rollup
from faultsight.localize.cuboids.bases import cover, split_by_lead
from faultsight.localize.cuboids.codes import CodeTable, group

Codes = NDArray[np.int32]
Array = NDArray[np.float64]

RAPMINER_CARDINALITIES = (33, 4, 4, 20)
"""Location, access type, operating system, website: the cube of RAPMiner's Section II.B."""


def full(cardinalities: tuple[int, ...]) -> Codes:
    """Return every combination, in lexicographic order."""
    return np.array(list(product(*map(range, cardinalities))), dtype=np.int32)


def sample(cardinalities: tuple[int, ...], n: int, seed: int = 0) -> Codes:
    """Return about n distinct leaves in lexicographic order."""
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.integers(0, c, n) for c in cardinalities], axis=1)
    return np.unique(drawn, axis=0).astype(np.int32)


def whole_numbers(n: int, seed: int = 0) -> Array:
    """Return values whose sums are exact in any order."""
    return np.random.default_rng(seed).integers(-50, 50, n).astype(np.float64)


def brute_force(
    table: Codes, attributes: tuple[int, ...], values: Array
) -> dict[tuple[int, ...], tuple[float, list[int]]]:
    """Return the sum and the leaves of each combination that holds a leaf."""
    found: dict[tuple[int, ...], tuple[float, list[int]]] = {}
    for leaf, row in enumerate(table[:, list(attributes)].tolist()):
        total, leaves = found.get(tuple(row), (0.0, []))
        found[tuple(row)] = total + values[leaf], [*leaves, leaf]
    return found


def check(table: Codes, cardinalities: tuple[int, ...], max_layer: int | None = None) -> Cuboids:
    """Compare everything that cuboids tell with brute force."""
    cuboids = Cuboids(table, cardinalities, max_layer=max_layer)
    values = np.stack([whole_numbers(len(table), seed) for seed in range(3)])
    sums = cuboids.sums(*values)
    assert tuple(sums) == cuboids.attribute_sets
    assert sums.flat.shape == (3, cuboids.offsets[-1])
    total = 0
    for position, attributes in enumerate(cuboids.attribute_sets):
        expected = brute_force(table, attributes, values[1])
        cells = cuboids.cell_of_leaves(attributes)
        assert cells.dtype == np.intp
        assert cells.shape == (len(table),)
        assert sums[attributes].shape == (3, cuboids.n_cells(attributes))
        assert cuboids.n_combinations(attributes) == len(expected)
        assert cuboids.counts[attributes].sum() == len(table)
        by_hand = np.bincount(cells, weights=values[0], minlength=cuboids.n_cells(attributes))
        np.testing.assert_array_equal(sums[attributes][0], by_hand)
        last = -1
        for elements, (value, leaves) in sorted(expected.items()):
            cell = cuboids.cell_of_elements(attributes, elements)
            assert cell > last
            last = cell
            assert cuboids.elements_of_cell(attributes, cell) == elements
            assert cuboids.leaves_of_cell(attributes, cell).tolist() == leaves
            assert (cells[leaves] == cell).all()
            assert sums[attributes][1, cell] == value
            assert cuboids.counts[attributes][cell] == len(leaves)
            assert cuboids.locate(int(cuboids.offsets[position]) + cell) == (attributes, cell)
        total += len(expected)
    assert cuboids.n_combinations() == total
    return cuboids


def check_subtract(cuboids: Cuboids, leaves: NDArray[np.intp]) -> None:
    """Compare taking leaves out of sums with sums without them."""
    values = np.stack([whole_numbers(cuboids.n_leaves, 7), np.ones(cuboids.n_leaves)])
    sums = cuboids.sums(*values)
    cuboids.subtract(sums, leaves, *values)
    values[:, leaves] = 0.0
    np.testing.assert_array_equal(sums.flat, cuboids.sums(*values).flat)


@st.composite
def tables(draw: st.DrawFn, largest: int = 6) -> tuple[Codes, tuple[int, ...]]:
    """Draw cardinalities and rows; sorted and distinct, or in any order and repeated."""
    cardinalities = tuple(draw(st.lists(st.integers(1, largest), min_size=1, max_size=4)))
    row = st.tuples(*(st.integers(0, c - 1) for c in cardinalities))
    rows = draw(st.lists(row, max_size=30))
    if draw(st.booleans()):
        rows = sorted(set(rows))
    return np.array(rows, dtype=np.int32).reshape(-1, len(cardinalities)), cardinalities


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make small tables be treated as large ones are."""
    monkeypatch.setattr(rollup, "_KEPT", 0)
    monkeypatch.setattr(rollup, "_LARGE", 0)
    monkeypatch.setattr(codes, "BLOCK", 7)
    monkeypatch.setattr(bases, "_SORTED_COST", 0.0)


class TestAgainstBruteForce:
    @settings(deadline=None, max_examples=60)
    @given(tables(), st.integers(1, 4))
    def test_any_rows(self, table: tuple[Codes, tuple[int, ...]], max_layer: int) -> None:
        check(*table, max_layer)

    @settings(deadline=None, max_examples=40)
    @given(tables(largest=10**9), st.integers(1, 4))
    def test_huge_cardinalities(self, table: tuple[Codes, tuple[int, ...]], max_layer: int) -> None:
        check(*table, max_layer)

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 4))
    def test_all_combinations(self, cardinalities: list[int], max_layer: int) -> None:
        check(full(tuple(cardinalities)), tuple(cardinalities), max_layer)

    @settings(deadline=None, max_examples=40)
    @given(tables(), st.data())
    def test_subtract(self, table: tuple[Codes, tuple[int, ...]], data: st.DataObject) -> None:
        cuboids = Cuboids(*table)
        leaves = data.draw(st.sets(st.integers(0, max(cuboids.n_leaves - 1, 0))))
        if cuboids.n_leaves:
            check_subtract(cuboids, np.array(sorted(leaves), dtype=np.intp))

    @pytest.mark.parametrize("max_layer", [1, 2, 3, 5])
    @pytest.mark.parametrize(
        "cardinalities", [(3, 5, 2, 4, 3), (9, 1, 30, 6, 11), (700, 2, 300, 5, 40)]
    )
    def test_sparse(self, cardinalities: tuple[int, ...], max_layer: int) -> None:
        cuboids = check(sample(cardinalities, 150), cardinalities, max_layer)
        check_subtract(cuboids, np.arange(0, cuboids.n_leaves, 50))
        check_subtract(cuboids, np.arange(0, cuboids.n_leaves, 2))

    @pytest.mark.usefixtures("large")
    @pytest.mark.parametrize("max_layer", [1, 2, 3, 5])
    @pytest.mark.parametrize(
        "cardinalities", [(3, 5, 2, 4, 3), (9, 1, 30, 6, 11), (700, 2, 300, 5, 40)]
    )
    def test_sparse_and_large(self, cardinalities: tuple[int, ...], max_layer: int) -> None:
        table = sample(cardinalities, 150)
        cuboids = check(table, cardinalities, max_layer)
        check_subtract(cuboids, np.arange(0, cuboids.n_leaves, 50))
        check_subtract(cuboids, np.arange(0, cuboids.n_leaves, 2))
        check(table[::-1], cardinalities, max_layer)

    @pytest.mark.usefixtures("large")
    @pytest.mark.parametrize("max_layer", [1, 2, 3])
    def test_all_combinations_of_a_large_cube(self, max_layer: int) -> None:
        cuboids = check(full((4, 3, 5)), (4, 3, 5), max_layer)
        check_subtract(cuboids, np.arange(20))

    @pytest.mark.parametrize("max_layer", [1, 2, 3])
    def test_bases_of_a_sparse_cube(self, max_layer: int) -> None:
        cardinalities = (3, 4, 5, 3, 4, 6, 5)
        cuboids = Cuboids(sample(cardinalities, 2_000), cardinalities, max_layer=max_layer)
        values = whole_numbers(cuboids.n_leaves)
        sums = cuboids.sums(values)
        for attributes in cuboids.attribute_sets:
            cells = cuboids.cell_of_leaves(attributes)
            direct = np.bincount(cells, weights=values, minlength=cuboids.n_cells(attributes))
            np.testing.assert_array_equal(sums[attributes][0], direct)

    def test_a_million_elements_in_each_of_twelve_attributes(self) -> None:
        cardinalities = (10**6,) * 12
        table = sample(cardinalities, 40)
        table[1::2, :11] = table[::2, :11]
        cuboids = check(table[np.lexsort(table.T[::-1])], cardinalities, max_layer=2)
        assert cuboids.offsets[-1] == cuboids.n_combinations()
        wide = Cuboids(table, cardinalities)
        assert wide.n_combinations(tuple(range(12))) == 40
        assert wide.n_combinations(tuple(range(11))) == 20

    def test_all_combinations_in_another_order(self) -> None:
        check(full((4, 3, 5))[::-1], (4, 3, 5))

    def test_one_attribute(self) -> None:
        assert check(full((5,)), (5,)).attribute_sets == ((0,),)

    def test_one_leaf(self) -> None:
        cuboids = check(np.array([[2, 0, 4]], dtype=np.int32), (3, 1, 5))
        assert cuboids.n_combinations() == 7

    def test_no_leaf(self) -> None:
        cuboids = check(np.zeros((0, 2), dtype=np.int32), (3, 4))
        assert cuboids.n_combinations() == 0

    def test_column_order_of_the_codes_is_free(self) -> None:
        table = sample((6, 7, 8), 100)
        values = whole_numbers(len(table))
        expected = Cuboids(table, (6, 7, 8)).sums(values).flat
        other = Cuboids(np.asfortranarray(table, dtype=np.int64), (6, 7, 8)).sums(values).flat
        np.testing.assert_array_equal(other, expected)


class TestTheCubeOfTheRAPMinerPaper:
    def test_cuboids_and_combinations(self) -> None:
        cuboids = Cuboids(full(RAPMINER_CARDINALITIES), RAPMINER_CARDINALITIES)
        assert len(cuboids) == 15
        assert cuboids.n_leaves == 10_560
        assert cuboids.n_combinations((0, 3)) == cuboids.n_cells((0, 3)) == 660
        assert cuboids.n_combinations((0, 1, 2, 3)) == 10_560
        assert cuboids.n_combinations() == 34 * 5 * 5 * 21 - 1

    @pytest.mark.parametrize("n_attributes", range(2, 9))
    def test_deleting_an_attribute_leaves_less_than_half_of_the_cuboids(
        self, n_attributes: int
    ) -> None:
        table = np.zeros((1, n_attributes), dtype=np.int32)
        n_before = len(Cuboids(table, (2,) * n_attributes))
        n_after = len(Cuboids(table[:, 1:], (2,) * (n_attributes - 1)))
        assert n_before == 2**n_attributes - 1
        assert n_after == 2 ** (n_attributes - 1) - 1 < n_before / 2


class TestCuboids:
    def test_attribute_sets_go_by_layer_then_lexicographically(self) -> None:
        cuboids = Cuboids(full((2, 2, 2)), (2, 2, 2), max_layer=2)
        assert cuboids.attribute_sets == (
            *combinations(range(3), 1),
            *combinations(range(3), 2),
        )
        assert (cuboids.max_layer, len(cuboids)) == (2, 6)

    def test_max_layer_beyond_the_attributes_is_all(self) -> None:
        assert Cuboids(full((2, 2)), (2, 2), max_layer=9).max_layer == 2

    def test_cells_are_one_array(self) -> None:
        cuboids = Cuboids(full((2, 3)), (2, 3))
        sums = cuboids.sums(np.arange(6.0))
        sums.flat += 1
        assert sums[0,].tolist() == [[4.0, 13.0]]
        assert cuboids.offsets.tolist() == [0, 2, 5, 11]
        assert isinstance(sums, Cells)
        assert len(sums) == 3

    def test_empty_cells_are_told_by_their_count(self) -> None:
        cuboids = Cuboids(np.array([[0, 0], [1, 1]]), (2, 2))
        assert cuboids.counts[0, 1].tolist() == [1, 0, 0, 1]
        with pytest.raises(KeyError, match="no leaf"):
            cuboids.cell_of_elements((0, 1), (0, 1))

    @pytest.mark.parametrize("elements", [(0, 7), (-1, 0), (0, -1), (1, 10)])
    @pytest.mark.parametrize("cardinalities", [(2, 5), (2000, 5000)])
    def test_no_cell_of_elements_that_do_not_occur(
        self, elements: tuple[int, int], cardinalities: tuple[int, int]
    ) -> None:
        cuboids = Cuboids(np.array([[0, 0], [0, 2], [1, 4]]), cardinalities)
        with pytest.raises(KeyError, match="no leaf"):
            cuboids.cell_of_elements((0, 1), elements)

    def test_equal_input_gives_equal_bytes(self) -> None:
        table = sample((40, 50, 60), 20_000)
        values = np.random.default_rng(1).normal(size=len(table))
        first = Cuboids(table, (40, 50, 60)).sums(values)
        second = Cuboids(table, (40, 50, 60)).sums(np.ones(len(table)), values)
        assert first.flat[0].tobytes() == second.flat[1].tobytes()

    @pytest.mark.parametrize("cardinalities", [(33, 4, 4, 20), (7, 1, 13, 3), (100, 9)])
    def test_neighbours_and_alignment_change_no_byte(self, cardinalities: tuple[int, ...]) -> None:
        cuboids = Cuboids(full(cardinalities), cardinalities)
        values = np.random.default_rng(1).lognormal(sigma=3, size=(3, cuboids.n_leaves))
        expected = cuboids.sums(values[0]).flat[0].tobytes()
        for shift in range(1, 9):
            shifted = np.empty(cuboids.n_leaves + shift)[shift:]
            shifted[:] = values[0]
            sums = cuboids.sums(*values[1 : 1 + shift % 3], shifted)
            assert sums.flat[-1].tobytes() == expected

    @pytest.mark.parametrize("cardinalities", [(40, 50, 60), (3, 4, 5)])
    def test_sums_are_as_good_as_direct_ones(self, cardinalities: tuple[int, ...]) -> None:
        table = sample(cardinalities, 20_000)
        values = np.random.default_rng(1).lognormal(sigma=3, size=len(table))
        cuboids = Cuboids(table, cardinalities)
        sums = cuboids.sums(values)
        for attributes in cuboids.attribute_sets:
            direct = np.bincount(
                cuboids.cell_of_leaves(attributes), values, cuboids.n_cells(attributes)
            )
            np.testing.assert_allclose(sums[attributes][0], direct, rtol=1e-13)

    @pytest.mark.parametrize(
        ("cardinalities", "n", "max_layer"),
        [((20, 20, 20, 20), None, 4), ((12,) * 6, 100_000, 3), ((300, 300, 300), 100_000, 3),
         ((15, 15, 15, 15), 70_000, 4), ((20, 20, 20, 20), None, 2)],
    )  # fmt: skip
    def test_the_number_of_threads_changes_no_byte(
        self,
        cardinalities: tuple[int, ...],
        n: int | None,
        max_layer: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        table = full(cardinalities) if n is None else sample(cardinalities, n)
        values = np.random.default_rng(1).lognormal(sigma=3, size=(3, len(table)))
        cuboids = Cuboids(table, cardinalities, max_layer=max_layer)
        expected = cuboids.sums(*values).flat.tobytes()
        for cores in (1, 2, 5):
            monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
            assert cuboids.sums(*values).flat.tobytes() == expected

    @pytest.mark.parametrize(
        ("cardinalities", "n"),
        [((7,), None), ((7, 3), None), ((33, 4, 4, 20), None), ((5000, 3), None), ((3, 5000), None),
         ((90, 90), 400), ((40, 50, 60), 100), ((40, 50, 60), 5000), ((900, 900, 900), 300_000)],
    )  # fmt: skip
    def test_values_written_to_the_cells_of_leaves(
        self, cardinalities: tuple[int, ...], n: int | None
    ) -> None:
        table = full(cardinalities) if n is None else sample(cardinalities, n)
        cuboids = Cuboids(table, cardinalities)
        values = np.random.default_rng(1).normal(size=(2, cuboids.n_leaves))
        sums = cuboids.empty(2)
        own_cells = cuboids.leaf_cells(sums)
        assert own_cells is not None
        own_cells[:] = values
        cuboids.fill(sums)
        assert sums.flat.tobytes() == cuboids.sums(*values).flat.tobytes()

    @pytest.mark.parametrize(
        ("table", "max_layer"),
        [(full((4, 5, 6))[::-1], 3), (full((4, 5, 6)), 2), (sample((40, 50, 60), 100)[::-1], 3),
         (np.repeat(sample((40, 50, 60), 100), 2, axis=0), 3)],
    )  # fmt: skip
    def test_leaves_that_are_no_cells_of_their_own(self, table: Codes, max_layer: int) -> None:
        cuboids = Cuboids(table, (40, 50, 60), max_layer=max_layer)
        values = np.random.default_rng(1).normal(size=(2, len(table)))
        sums = cuboids.empty(2)
        assert cuboids.leaf_cells(sums) is None
        with pytest.raises(InputError, match="no cells of their own"):
            cuboids.fill(sums)
        cuboids.fill(sums, values)
        assert sums.flat.tobytes() == cuboids.sums(*values).flat.tobytes()

    @pytest.mark.parametrize("n", [0, 1, 100, 5000])
    def test_leaves_in_order_are_summed_as_those_in_any_order(self, n: int) -> None:
        table = sample((40, 50, 60), n)
        order = np.random.default_rng(2).permutation(len(table))
        values = whole_numbers(len(table))
        sums = Cuboids(table, (40, 50, 60)).sums(values)
        assert (
            sums.flat.tobytes()
            == Cuboids(table[order], (40, 50, 60)).sums(values[order]).flat.tobytes()
        )
        check(table, (40, 50, 60))

    def test_cells_of_leaves_may_be_written_to(self) -> None:
        cuboids = Cuboids(sample((40, 50, 60), 100), (40, 50, 60))
        for attributes in cuboids.attribute_sets:
            kept = cuboids.cell_of_leaves(attributes).copy()
            cuboids.cell_of_leaves(attributes)[:] = -1
            np.testing.assert_array_equal(cuboids.cell_of_leaves(attributes), kept)


class TestErrors:
    def test_code_beyond_the_cardinality(self) -> None:
        with pytest.raises(InputError, match="attribute 1 has 2 elements, but a leaf has the code"):
            Cuboids(np.array([[0, 2]]), (3, 2))

    def test_negative_code(self) -> None:
        with pytest.raises(InputError, match="has the code -1"):
            Cuboids(np.array([[-1, 0]]), (3, 2))

    def test_codes_that_are_not_integers(self) -> None:
        with pytest.raises(InputError, match="must be integers"):
            Cuboids(np.array([[0.0, 1.0]]), (3, 2))

    @pytest.mark.parametrize("cardinalities", [(3,), (3, 2, 2), ()])
    def test_wrong_number_of_cardinalities(self, cardinalities: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match="do not fit"):
            Cuboids(np.array([[0, 1]]), cardinalities)

    def test_no_layer(self) -> None:
        with pytest.raises(SettingError, match="at least 1"):
            Cuboids(np.array([[0, 1]]), (3, 2), max_layer=0)

    def test_too_many_elements(self) -> None:
        with pytest.raises(InputError, match="more than fits"):
            Cuboids(np.array([[0, 1]]), (3, 2**33))

    def test_column_of_another_length(self) -> None:
        cuboids = Cuboids(full((2, 2)), (2, 2))
        with pytest.raises(InputError, match="does not fit 4 leaves"):
            cuboids.sums(np.ones(3))
        with pytest.raises(InputError, match="1 columns do not fit sums of 2"):
            cuboids.subtract(cuboids.sums(np.ones(4), np.ones(4)), np.array([0]), np.ones(4))

    def test_no_such_cell(self) -> None:
        cuboids = Cuboids(full((2, 2)), (2, 2))
        with pytest.raises(IndexError, match="no cell 2"):
            cuboids.elements_of_cell((0,), 2)
        with pytest.raises(IndexError, match="no cell 8"):
            cuboids.locate(8)
        with pytest.raises(KeyError):
            cuboids.n_cells((1, 0))


class TestParts:
    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.integers(0, 2**62), max_size=40), st.booleans())
    def test_group(self, keys: list[int], is_sorted: bool) -> None:
        array = np.array(sorted(keys) if is_sorted else keys, dtype=np.int64)
        ranks, first = group(array, int(array.max(initial=0)) + 1)
        distinct, expected_first, expected = np.unique(
            array, return_index=True, return_inverse=True
        )
        np.testing.assert_array_equal(ranks, expected)
        np.testing.assert_array_equal(first, expected_first)
        assert len(distinct) == len(first)

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 3), st.data())
    def test_bases_cover_every_cuboid_once(
        self, cardinalities: list[int], layer: int, data: st.DataObject
    ) -> None:
        wanted = list(combinations(range(len(cardinalities)), min(layer, len(cardinalities))))
        largest = data.draw(st.integers(12**3, 12**5))
        found = []
        for base, members in cover(wanted, cardinalities, largest):
            assert np.prod([cardinalities[a] for a in base]) <= largest
            assert all(set(member) <= set(base) for member in members)
            found.extend(members)
        assert sorted(found) == wanted

    def test_leaves_are_sorted_by_an_attribute_if_that_pays(self) -> None:
        cardinalities = (1000, 1000, 1000)
        table = CodeTable(sample(cardinalities, 100), cardinalities)
        led = split_by_lead(table, [(0, 1), (0, 2), (1, 2)])
        assert list(led) == [(0, [(0, 1), (0, 2)]), (None, [(1, 2)])]
        assert list(split_by_lead(table, [(0,), (1,)])) == [(None, [(0,)]), (None, [(1,)])]
