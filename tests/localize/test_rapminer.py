"""RAPMiner against the paper's figures, hand-worked numbers and an independent brute force."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from math import sqrt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.contract import Localization
from faultsight.localize.leaves import Leaves
from faultsight.localize.rapminer import RAPMiner, RAPMinerConfig
from faultsight.localize.rapminer.labels import anomalous_leaves
from faultsight.localize.rapminer.power import classification_power, information
from faultsight.localize.rapminer.score import rap_score

Leaf = tuple[str, ...]
PAPER_ATTRIBUTES = ("location", "access", "os", "site")


def cube_of(
    attributes: Iterable[str],
    leaves: Iterable[Leaf],
    anomalous: Iterable[Leaf],
    *,
    to: float = 20.0,
) -> KpiCube:
    """Return a cube whose anomalous leaves fell from 100 to `to`."""
    names, rows, fallen = list(attributes), list(leaves), set(anomalous)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return KpiCube.from_frame(
        frame.with_columns(
            pl.Series("real", [to if row in fallen else 100.0 for row in rows]),
            pl.Series("predict", [100.0] * len(rows)),
        )
    )


def cdn_leaves(*sizes: int) -> list[Leaf]:
    """Return a full grid in the paper's words: location, access type, OS, website."""
    letters = ("L", "A", "O", "S")
    return list(
        product(*([f"{c}{i}" for i in range(n)] for c, n in zip(letters, sizes, strict=True)))
    )


def texts(answer: Localization) -> list[str]:
    return [c.display(answer.attributes) for c in answer.combinations]


def exhaustive(**changes: object) -> RAPMiner:
    """Return a RAPMiner that keeps every attribute and never stops early."""
    fields = {"delete_redundant_attributes": False, "early_stop": False, **changes}
    return RAPMiner(config=RAPMinerConfig(**fields))  # type: ignore[arg-type]


# --- The paper's figures -------------------------------------------------------------------------


def test_figure_3_the_root_is_the_combination_that_holds_all_others() -> None:
    grid = list(
        product(["L1", "L2"], ["Wireless", "Fixed"], ["IOS", "Android"], ["Site1", "Site2"])
    )
    fallen = [leaf for leaf in grid if leaf[0] == "L1" and leaf[3] == "Site1"]
    cube = cube_of(PAPER_ATTRIBUTES, grid, fallen)
    seven = [
        {"location": "L1", "site": "Site1", **dict(zip(names, values, strict=True))}
        for names in ((), ("access",), ("access", "os"))
        for values in product(*({"access": ("Wireless", "Fixed"), "os": ("IOS", "Android")}[n]
                                for n in names))
    ]  # fmt: skip
    assert len(seven) == 7
    leaves = Leaves(cube, cube.kpis[0])
    is_anomalous = anomalous_leaves(leaves, 0.2)
    for elements in seven:
        assert is_anomalous[cube.leaves_of(AttributeCombination(elements))].all()
    # (L1, *, *, *) and (*, *, *, Site1) are anomalous in half of their leaves only.
    for elements in ({"location": "L1"}, {"site": "Site1"}):
        assert is_anomalous[cube.leaves_of(AttributeCombination(elements))].mean() == 0.5

    for miner in (RAPMiner(), exhaustive()):
        answer = miner.localize(cube)
        assert texts(answer) == ["(L1, *, *, Site1)"]
        pattern = answer.patterns[0]
        assert (pattern.layer, pattern.leaves, pattern.direction) == (2, 4, "drop")
        assert pattern.confidence == 1.0
        assert pattern.score == pytest.approx(1 / sqrt(2))


def test_figure_3_search_goes_on_where_only_one_child_is_anomalous() -> None:
    """Insight 2: with few anomalous children the combination is no root, its children are."""
    grid = list(
        product(["L1", "L2"], ["Wireless", "Fixed"], ["IOS", "Android"], ["Site1", "Site2"])
    )
    fallen = [leaf for leaf in grid if leaf == ("L1", "Fixed", "IOS", "Site1")]
    assert texts(RAPMiner().localize(cube_of(PAPER_ATTRIBUTES, grid, fallen))) == [
        "(L1, Fixed, IOS, Site1)"
    ]


def test_figure_4_fundamental_kpis_add_up() -> None:
    frame = pl.DataFrame({
        "a": ["a1"] * 4, "b": ["b1", "b1", "b2", "b2"], "c": ["c1", "c2", "c1", "c2"],
        "real": [5.0, 10.0, 20.0, 40.0], "predict": [5.0, 10.0, 20.0, 40.0]})  # fmt: skip
    cube = KpiCube.from_frame(frame)
    leaves = Leaves(cube, cube.kpis[0])
    sums = leaves.cuboids().sums(leaves.actual)
    assert sums[0, 1][0].tolist() == [15.0, 60.0]
    assert sums[(0,)][0].tolist() == [75.0]
    for elements, expected in (
        ({"a": "a1", "b": "b1"}, 15.0),
        ({"a": "a1", "b": "b2"}, 60.0),
        ({"a": "a1"}, 75.0),
    ):
        inside = cube.leaves_of(AttributeCombination(elements))
        assert leaves.value(inside) == (expected, expected)


def test_figure_4_derived_kpis_are_aggregated_before_they_are_derived() -> None:
    """Stalls over viewers of (a1, b2) is (20 + 40) / (100 + 400), not a sum or mean of ratios."""
    frame = pl.DataFrame({
        "b": ["b1", "b1", "b2", "b2"], "c": ["c1", "c2", "c1", "c2"],
        "stalls": [2.0, 2.0, 20.0, 40.0], "stalls_forecast": [2.0, 2.0, 2.0, 8.0],
        "viewers": [100.0, 100.0, 100.0, 400.0],
        "viewers_forecast": [100.0, 100.0, 100.0, 400.0]})  # fmt: skip
    cube = KpiCube.from_frame(
        frame,
        measures={m: (m, f"{m}_forecast") for m in ("stalls", "viewers")},
        kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")],
    )
    answer = RAPMiner().localize(cube)
    assert texts(answer) == ["(b2, *)"]
    pattern = answer.patterns[0]
    assert pattern.actual == pytest.approx(60 / 500)
    assert pattern.forecast == pytest.approx(10 / 500)
    assert pattern.direction == "rise"


# --- The search space ----------------------------------------------------------------------------


def test_four_attributes_make_15_cuboids_10560_leaves_and_660_location_site_pairs() -> None:
    grid = cdn_leaves(33, 4, 4, 20)
    fallen = [leaf for leaf in grid if leaf[0] == "L5" and leaf[3] == "S7"]
    cube = cube_of(PAPER_ATTRIBUTES, grid, fallen)
    assert cube.n_leaves == 10_560
    answer = exhaustive().localize(cube)
    assert sum(layer.cuboids for layer in answer.trace) == 15
    assert [layer.cuboids for layer in answer.trace] == [4, 6, 4, 1]
    # Layer 1: one combination for each of the 33 + 4 + 4 + 20 elements.
    assert answer.trace[0].combinations == 61
    # Layer 2: 660 of location and site, the others by hand; nothing is accepted before.
    assert answer.trace[1].combinations == 33 * 4 + 33 * 4 + 660 + 4 * 4 + 4 * 20 + 4 * 20
    # Layers 3 and 4: the descendants of (L5, *, *, S7) are not searched.
    assert answer.trace[2].combinations == 33 * 16 + 2 * (33 * 4 * 20 - 4) + 16 * 20
    assert answer.trace[3].combinations == 10_560 - 16
    assert texts(answer) == ["(L5, *, *, S7)"]


@pytest.mark.parametrize("n_attributes", [2, 3, 4, 5])
def test_deleting_one_attribute_cuts_the_cuboids_visited_by_at_least_half(
    n_attributes: int,
) -> None:
    """The paper's claim, section I: (2^(n-1) - 1) / (2^n - 1) < 1/2, without the early stop."""
    grid = list(product(*[[f"{c}{i}" for i in range(3)] for c in "ABCDE"[:n_attributes]]))
    # The fault fixes every attribute but the last, which therefore tells nothing.
    fallen = [leaf for leaf in grid if all(name.endswith("0") for name in leaf[:-1])]
    cube = cube_of("ABCDE"[:n_attributes], grid, fallen)
    visited = {}
    for deletes in (False, True):
        answer = exhaustive(delete_redundant_attributes=deletes).localize(cube)
        visited[deletes] = sum(layer.cuboids for layer in answer.trace)
        assert [c.attributes for c in answer.combinations] == [tuple("ABCDE"[: n_attributes - 1])]
    assert visited == {False: 2**n_attributes - 1, True: 2 ** (n_attributes - 1) - 1}
    assert visited[True] <= visited[False] / 2


def test_early_stop_ends_the_search_once_every_anomalous_leaf_is_covered() -> None:
    grid = cdn_leaves(4, 2, 2, 3)
    fallen = [leaf for leaf in grid if leaf[0] == "L1"]
    cube = cube_of(PAPER_ATTRIBUTES, grid, fallen)
    answer = RAPMiner(config=RAPMinerConfig(delete_redundant_attributes=False)).localize(cube)
    # Location has the highest classification power, so its cuboid comes first, and is enough.
    assert [(t.title, t.cuboids, t.combinations) for t in answer.trace] == [("layer 1", 1, 4)]
    assert texts(answer) == ["(L1, *, *, *)"]
    assert sum(t.cuboids for t in exhaustive().localize(cube).trace) == 15


# --- Classification power ------------------------------------------------------------------------


def test_classification_power_worked_by_hand() -> None:
    """8 leaves, 2 anomalous, both at a0: Info(D) = H(1/4), Info_a = 1/2 H(1/2), Info_b = H(1/4)."""
    codes = np.array(list(product(range(2), range(2), range(2))), dtype=np.int32)
    anomalous = (codes[:, 0] == 0) & (codes[:, 2] == 1)
    power = classification_power(codes, (2, 2, 2), np.ones(8, dtype=bool), anomalous)
    whole = 0.25 * 2 + 0.75 * 0.41503749927884376  # log2(4/3)
    assert power == pytest.approx([(whole - 0.5) / whole, 0.0, (whole - 0.5) / whole])


def test_leaves_that_are_zero_and_expected_to_be_do_not_count() -> None:
    codes = np.array([[0], [0], [1], [1]], dtype=np.int32)
    active = np.array([True, False, True, True])
    anomalous = np.array([True, False, False, False])
    assert classification_power(codes, (2,), active, anomalous).tolist() == [1.0]
    frame = pl.DataFrame({"a": ["x"] * 6 + ["y"] * 4, "b": [f"{i}" for i in range(10)],
                          "real": [1.0] + [0.0] * 5 + [50.0] * 4,
                          "predict": [50.0] + [0.0] * 5 + [50.0] * 4})  # fmt: skip
    # Counted as normal, the five empty leaves would push (x, *) down to a confidence of 1/6.
    assert texts(RAPMiner().localize(KpiCube.from_frame(frame)))[0] == "(x, *)"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from((0, 1, 2))),
             min_size=1, max_size=60)
)  # fmt: skip
def test_classification_power_is_information_gain_by_scipy(
    rows: list[tuple[int, int, int]],
) -> None:
    codes = np.array([row[:2] for row in rows], dtype=np.int32)
    label = np.array([row[2] for row in rows])
    active, anomalous = label > 0, label == 2

    def info(labels: np.ndarray) -> float:
        counts = np.bincount(labels[labels > 0], minlength=3)[1:]
        return float(entropy(counts, base=2)) if counts.sum() else 0.0

    power = classification_power(codes, (4, 3), active, anomalous)
    whole = info(label)
    for attribute in range(2):
        parts = [label[codes[:, attribute] == element] for element in range(4)]
        remaining = sum(info(part) * (part > 0).sum() for part in parts)
        expected = (whole - remaining / active.sum()) / whole if whole else 0.0
        assert power[attribute] == pytest.approx(expected, abs=1e-11)


def test_information_is_in_bits() -> None:
    assert information(np.array([1.0, 3.0]), np.array([1.0, 1.0])).tolist() == pytest.approx(
        [1.0, 0.8112781244591328]
    )


def test_deleted_attributes_are_named_with_their_power() -> None:
    grid = cdn_leaves(4, 2, 2, 3)
    fallen = [leaf for leaf in grid if leaf[0] == "L1" and leaf[3] == "S2"]
    answer = RAPMiner().localize(cube_of(PAPER_ATTRIBUTES, grid, fallen))
    assert answer.remarks == (
        "attribute 'access' deleted: classification power 0.0000 is below 0.01",
        "attribute 'os' deleted: classification power 0.0000 is below 0.01",
    )
    assert exhaustive().localize(cube_of(PAPER_ATTRIBUTES, grid, fallen)).remarks == ()


# --- The search against an independent brute force -----------------------------------------------


def brute_force(
    leaves: list[Leaf], anomalous: set[Leaf], t_conf: float
) -> tuple[set[Leaf], set[Leaf]]:
    """Return (Definition 1's roots, the search's roots) from the definitions, on plain tuples."""
    n = len(leaves[0])
    everything = {
        tuple(leaf[i] if i in fixed else "*" for i in range(n))
        for leaf in leaves
        for size in range(1, n + 1)
        for fixed in combinations(range(n), size)
    }

    def covers(combination: Leaf, other: Leaf) -> bool:
        return all(c in ("*", o) for c, o in zip(combination, other, strict=True))

    bad = set()
    for combination in everything:
        inside = [leaf for leaf in leaves if covers(combination, leaf)]
        if sum(leaf in anomalous for leaf in inside) / len(inside) > t_conf:
            bad.add(combination)
    definition_1 = {
        c for c in bad
        if not any(tuple("*" if i == j else e for j, e in enumerate(c)) in bad
                   for i in range(n) if c[i] != "*")
    }  # fmt: skip
    top_most = {c for c in bad if not any(covers(b, c) for b in bad if b != c)}
    return definition_1, top_most


@st.composite
def labelled_cubes(draw: st.DrawFn) -> tuple[list[Leaf], set[Leaf]]:
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    grid = list(
        product(*([f"{c}{i}" for i in range(n)] for c, n in zip("abcd", sizes, strict=False)))
    )
    leaves = draw(st.lists(st.sampled_from(grid), min_size=2, max_size=len(grid) + 2, unique=True)
                  if len(grid) > 1 else st.just(grid))  # fmt: skip
    # Whole combinations fail, and single leaves.
    fixed = draw(st.sampled_from(leaves))
    mask = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    inside = {
        leaf
        for leaf in leaves
        if all(not m or a == b for m, a, b in zip(mask, leaf, fixed, strict=True))
    }
    single = set(draw(st.lists(st.sampled_from(leaves), max_size=3)))
    return leaves, inside | single


@settings(max_examples=150, deadline=None)
@given(labelled_cubes(), st.sampled_from([0.0, 0.4, 0.5, 0.8]))
def test_search_finds_the_roots_that_brute_force_finds(
    case: tuple[list[Leaf], set[Leaf]], t_conf: float
) -> None:
    leaves, anomalous = case
    names = "abcd"[: len(leaves[0])]
    answer = exhaustive(t_conf=t_conf).localize(cube_of(names, leaves, anomalous))
    definition_1, top_most = brute_force(leaves, anomalous, t_conf)
    found = {tuple(c.get(name, "*") for name in names) for c in answer.combinations}
    if len(anomalous) in (0, len(leaves)):
        assert found == set()
        return
    assert found == top_most
    # Each root the search finds is one by Definition 1; those it passes over have an anomalous
    # ancestor further up.
    assert found <= definition_1
    assert all(p.confidence > t_conf for p in answer.patterns)


@settings(max_examples=100, deadline=None)
@given(labelled_cubes())
def test_early_stop_drops_only_what_explains_no_further_leaf(
    case: tuple[list[Leaf], set[Leaf]],
) -> None:
    leaves, anomalous = case
    cube = cube_of("abcd"[: len(leaves[0])], leaves, anomalous)
    stopped = exhaustive(early_stop=True).localize(cube)
    full = exhaustive().localize(cube)
    assert set(stopped.combinations) <= set(full.combinations)
    is_anomalous = anomalous_leaves(Leaves(cube, cube.kpis[0]), 0.2)

    def covered(answer: Localization) -> set[int]:
        found = (cube.leaves_of(c) for c in answer.combinations)
        return {int(i) for inside in found for i in inside if is_anomalous[i]}

    assert covered(stopped) == covered(full)


@settings(max_examples=60, deadline=None)
@given(labelled_cubes(), st.randoms(use_true_random=False))
def test_names_and_order_of_attributes_change_nothing(
    case: tuple[list[Leaf], set[Leaf]], random: object
) -> None:
    """With the default settings, in which attributes of equal power have no natural order."""
    leaves, anomalous = case
    n = len(leaves[0])
    names = list("abcd"[:n])
    order = list(range(n))
    random.shuffle(order)  # type: ignore[attr-defined]
    new_names = [f"{9 - i}{name}" for i, name in enumerate(names)]
    turned = cube_of(
        [new_names[i] for i in order],
        [tuple(leaf[i] for i in order) for leaf in leaves],
        [tuple(leaf[i] for i in order) for leaf in anomalous],
    )
    first = RAPMiner().localize(cube_of(names, leaves, anomalous))
    second = RAPMiner().localize(turned)
    back = dict(zip(new_names, names, strict=True))
    assert set(first.combinations) == {
        AttributeCombination({back[name]: element for name, element in c.items()})
        for c in second.combinations
    }


# --- Labels, scores, top k -----------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 1e-3, 7e5])
def test_a_leaf_exactly_on_the_threshold_is_normal_in_every_unit(factor: float) -> None:
    values = np.array([80.0, 79.0, 125.0, 126.0, 100.0])
    frame = pl.DataFrame({"a": list("vwxyz"), "real": values * factor,
                          "predict": np.full(5, 100.0) * factor})  # fmt: skip
    cube = KpiCube.from_frame(frame)
    # 80 is a deviation of 20/100, 125 one of -25/125: both exactly 0.2.
    assert anomalous_leaves(Leaves(cube, cube.kpis[0]), 0.2).tolist() == [
        False, True, False, True, False]  # fmt: skip


def test_score_is_confidence_over_the_root_of_the_layer() -> None:
    assert [rap_score(1.0, layer) for layer in (1, 4)] == [1.0, 0.5]
    grid = list(product(["a0", "a1", "a2"], ["b0", "b1", "b2", "b3", "b4", "b5"]))
    fallen = [leaf for leaf in grid if leaf[0] == "a0" and leaf[1] != "b0"] + [("a1", "b0")]
    answer = exhaustive().localize(cube_of("ab", grid, fallen))
    assert texts(answer) == ["(a0, *)", "(a1, b0)"]
    assert [p.score for p in answer.patterns] == pytest.approx([5 / 6, 1 / sqrt(2)])
    assert [p.confidence for p in answer.patterns] == pytest.approx([5 / 6, 1.0])


def test_confidence_must_exceed_the_threshold() -> None:
    grid = list(product(["a0", "a1", "a2"], [f"b{i}" for i in range(5)]))
    fallen = [leaf for leaf in grid if leaf[0] == "a0" and leaf[1] != "b0"]
    cube = cube_of("ab", grid, fallen)
    answer = exhaustive(t_conf=0.8).localize(cube)
    assert "(a0, *)" not in texts(answer)
    # Half the confidence asked for makes a near miss: 4 of 5 leaves, but not 1 of 3.
    assert [(str(d.combination), d.score, d.reason) for d in answer.dropped] == [
        ("a=a0", 0.8, "4 of 5 leaves are anomalous, not more than 0.8 of them")
    ]
    assert texts(exhaustive(t_conf=0.79).localize(cube)) == ["(a0, *)"]


def test_k_keeps_the_highest_scores_and_names_the_rest_as_dropped() -> None:
    grid = list(product(["a0", "a1", "a2"], [f"b{i}" for i in range(6)]))
    fallen = [leaf for leaf in grid if leaf[0] == "a0"] + [("a1", "b0")]
    cube = cube_of("ab", grid, fallen)
    assert texts(exhaustive(k=2).localize(cube)) == ["(a0, *)", "(a1, b0)"]
    answer = exhaustive(k=1).localize(cube)
    assert texts(answer) == ["(a0, *)"]
    reasons = {str(d.combination): d.reason for d in answer.dropped}
    assert reasons["a=a1&b=b0"] == "accepted, but not among the 1 best"


def test_direction_is_reported_for_rises_and_drops() -> None:
    grid = cdn_leaves(4, 2, 2, 3)
    fallen = [leaf for leaf in grid if leaf[0] == "L1"]
    for to, direction in ((20.0, "drop"), (300.0, "rise")):
        answer = RAPMiner().localize(cube_of(PAPER_ATTRIBUTES, grid, fallen, to=to))
        assert [(p.direction, p.impact) for p in answer.patterns] == [(direction, 1.0)]


# --- Degenerate input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "reason"),
    [
        ([100.0, 100.0, 85.0, 119.0], "no leaf deviates by more than 0.2 of its value"),
        ([1.0, 2.0, 300.0, 0.0], "every leaf is anomalous (4 of 4): the fault is global, or its "
         "cause lies outside the cube"),
        ([100.0, 10.0, 10.0, 100.0], ""),
    ],
    ids=["none anomalous", "all anomalous", "no attribute tells alone"],
)  # fmt: skip
def test_abstains_with_the_reason(real: list[float], reason: str) -> None:
    frame = pl.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "q", "p", "q"],
                          "real": real, "predict": [100.0] * 4})  # fmt: skip
    answer = RAPMiner().localize(KpiCube.from_frame(frame))
    assert not answer.patterns
    if reason:
        assert answer.abstained == reason
    else:
        # An exclusive or: each attribute alone has no power, so both are deleted. The exhaustive
        # search finds the two leaves.
        assert answer.abstained.endswith("no attribute tells them from the normal ones")
        assert len(answer.remarks) == 2
        assert texts(exhaustive().localize(KpiCube.from_frame(frame))) == ["(x, q)", "(y, p)"]


def test_abstains_when_no_kept_combination_is_confident() -> None:
    """CP of a is 0.305 (H(8/20) = .971 against a mean of H(7/10), H(1/10)); that of b is 0.176."""
    grid = list(product(["a0", "a1"], [f"b{i}" for i in range(10)]))
    fallen = [("a0", f"b{i}") for i in range(7)] + [("a1", "b7")]
    config = RAPMinerConfig(t_cp=0.2)
    answer = RAPMiner(config=config).localize(cube_of("ab", grid, fallen))
    assert answer.abstained == "no combination has more than 0.8 of its leaves anomalous"
    assert answer.remarks == ("attribute 'b' deleted: classification power 0.1761 is below 0.2",)
    assert answer.trace[0].dropped == ("(a0, *)",)
    assert answer.trace[0].note == "8 anomalous leaves are not covered yet"


@pytest.mark.parametrize(
    "bad",
    [{"leaf_deviation_threshold": 1.0}, {"t_cp": -0.1}, {"t_conf": 1.0}, {"t_conf": float("nan")},
     {"k": 0}],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(bad))):
        RAPMinerConfig(**bad)  # type: ignore[arg-type]


def test_an_attribute_that_names_every_leaf_is_as_certain_as_the_root() -> None:
    """An id with one leaf each decides alone, as the site does: the method cannot tell them apart.

    The paper's score knows confidence and layer only. All are reported, with equal scores.
    """
    n = 2_000
    site = np.arange(n) % 5
    frame = pl.DataFrame({"id": [f"u{i}" for i in range(n)], "site": [f"s{s}" for s in site],
                          "real": np.where(site == 3, 10.0, 100.0),
                          "predict": np.full(n, 100.0)})  # fmt: skip
    answer = RAPMiner().localize(KpiCube.from_frame(frame))
    assert len(answer.patterns) == 1 + n // 5
    assert AttributeCombination({"site": "s3"}) in answer.combinations
    assert {p.score for p in answer.patterns} == {1.0}
    assert [(t.title, t.cuboids) for t in answer.trace] == [("layer 1", 2)]
