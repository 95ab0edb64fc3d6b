"""The scan against a brute force, its invariances, and what it does when nothing is wrong."""

from __future__ import annotations

from itertools import combinations, product
from math import log

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.core.seed import random_stream
from faultsight.localize.contract import Localization
from faultsight.localize.leaves import Leaves
from faultsight.localize.scan import Scan, ScanConfig
from faultsight.localize.scan.gain import DeviationGain
from faultsight.localize.scan.order import order_of
from faultsight.localize.scan.ranking import Ranking
from faultsight.localize.scan.search import Search

SIZES = (6, 5, 4, 3)
NAMES = ("cdn", "site", "isp", "os")


def grid(sizes: tuple[int, ...] = SIZES) -> NDArray[np.int64]:
    return np.array(list(product(*(range(n) for n in sizes))))


def frame_of(
    seed: int = 0,
    *,
    noise: float = 0.05,
    sizes: tuple[int, ...] = SIZES,
    faults: dict[str, float] | None = None,
) -> pl.DataFrame:
    """Return a cube's table; each fault multiplies what it covers."""
    stream = np.random.default_rng(seed)
    codes = grid(sizes)
    forecast = np.round(stream.gamma(1.5, 60.0, len(codes)) + 5.0, 3)
    actual = forecast * (1 + noise * stream.standard_normal(len(codes)))
    table = pl.DataFrame(
        {name: [f"{name}{c}" for c in codes[:, i]] for i, name in enumerate(NAMES[: len(sizes)])}
    )
    for text, factor in (faults or {}).items():
        covered = np.ones(len(codes), dtype=bool)
        for name, element in AttributeCombination.parse(text).items():
            covered &= (table[name] == element).to_numpy()
        actual[covered] *= factor
    return table.with_columns(real=np.maximum(actual, 0.0), predict=forecast)


def localized(frame: pl.DataFrame, config: ScanConfig | None = None) -> Localization:
    return Scan(config=config).localize(KpiCube.from_frame(frame))


def texts(answer: Localization) -> list[str]:
    return sorted(str(c) for c in answer.combinations)


@pytest.mark.parametrize("noise", [0.001, 0.02, 0.06, 0.12])
def test_roots_of_several_layers_at_every_noise_level(noise: float) -> None:
    faults = {"cdn=cdn1": 0.4, "isp=isp2&site=site3": 0.3, "cdn=cdn4&isp=isp0&site=site0": 0.15}
    assert texts(localized(frame_of(noise=noise, faults=faults))) == sorted(faults)


@pytest.mark.parametrize("factor", [0.05, 0.5, 0.8, 1.5, 6.0])
def test_leaves_of_equal_forecasts(factor: float) -> None:
    stream = np.random.default_rng(1)
    frame = frame_of().with_columns(predict=pl.lit(100.0))
    normal = 100 * (1 + 0.03 * stream.standard_normal(frame.height))
    hit = (frame["cdn"] == "cdn1").to_numpy() & (frame["site"] == "site2").to_numpy()
    frame = frame.with_columns(real=np.where(hit, factor * normal, normal))
    assert texts(localized(frame)) == ["cdn=cdn1&site=site2"]


def test_direction_is_told_for_each_root() -> None:
    answer = localized(frame_of(faults={"cdn=cdn1": 0.5, "site=site2&isp=isp1": 2.5}))
    assert {str(p.combination): p.direction for p in answer.patterns} == {
        "cdn=cdn1": "drop",
        "isp=isp1&site=site2": "rise",
    }


def test_leaves_of_a_root_need_not_deviate_alike() -> None:
    frame = frame_of(noise=0.03, sizes=(12, 8, 6))
    stream = np.random.default_rng(5)
    hit = pl.col("cdn").is_in(["cdn3"])
    left = pl.Series("left", stream.uniform(0.1, 0.9, frame.height))
    frame = frame.with_columns(real=pl.when(hit).then(pl.col("predict") * left).otherwise("real"))
    assert texts(localized(frame)) == ["cdn=cdn3"]


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1, 0.25])
def test_no_fault_no_root(noise: float) -> None:
    reported = sum(len(localized(frame_of(seed, noise=noise)).patterns) for seed in range(25))
    assert reported <= 2


def test_counts_are_no_faults() -> None:
    reported = 0
    for seed in range(20):
        stream = np.random.default_rng(seed)
        frame = frame_of(seed)
        counts = stream.poisson(stream.gamma(0.5, 20.0, frame.height))
        expected = np.maximum(counts + 0.3 * stream.standard_normal(frame.height), 0.2)
        real = stream.poisson(expected).astype(float)
        reported += len(localized(frame.with_columns(real=real, predict=expected)).patterns)
    assert reported <= 1


def test_single_leaves_with_heavy_tails_can_be_kept_out() -> None:
    reported = 0
    for seed in range(20):
        frame = frame_of(seed)
        heavy = 1 + 0.05 * np.random.default_rng(seed).standard_t(3, frame.height)
        frame = frame.with_columns(real=pl.col("predict") * np.maximum(heavy, 0.0))
        reported += len(localized(frame, ScanConfig(least_leaves=2)).patterns)
    assert reported <= 4


def test_a_shift_of_everything_is_no_root() -> None:
    frame = frame_of(noise=0.01).with_columns(real=pl.col("real") * 0.7)
    answer = localized(frame)
    assert not answer.patterns
    assert "share" in answer.abstained
    assert any("30" in remark for remark in answer.remarks)


def test_a_root_on_top_of_a_shift_is_found() -> None:
    frame = frame_of(noise=0.01, faults={"site=site1&cdn=cdn2": 0.5})
    frame = frame.with_columns(real=pl.col("real") * 0.8)
    assert texts(localized(frame)) == ["cdn=cdn2&site=site1"]


def test_ratio_kpi_finds_where_failures_exceed_their_rate() -> None:
    codes = grid()
    stream = np.random.default_rng(2)
    viewers = np.round(stream.gamma(2.0, 200.0, len(codes)) + 20)
    rate = np.full(len(codes), 0.02)
    rate[(codes[:, 0] == 1) & (codes[:, 2] == 3)] = 0.2
    table = pl.DataFrame({n: [f"{n}{c}" for c in codes[:, i]] for i, n in enumerate(NAMES)})
    table = table.with_columns(
        stalls=stream.poisson(viewers * rate).astype(float), stalls_forecast=viewers * 0.02,
        viewers=viewers, viewers_forecast=viewers,
    )  # fmt: skip
    for factor in (1.0, 1e-3, 1e4):
        scaled = table.with_columns(pl.exclude(NAMES) * factor)
        cube = KpiCube.from_frame(
            scaled,
            measures={m: (m, f"{m}_forecast") for m in ("stalls", "viewers")},
            kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")],
        )
        answer = Scan().localize(cube)
        assert texts(answer) == ["cdn=cdn1&isp=isp3"]
        assert answer.patterns[0].direction == "rise"


def test_fewer_failures_are_no_fault() -> None:
    codes = grid((6, 5))
    table = pl.DataFrame({n: [f"{n}{c}" for c in codes[:, i]] for i, n in enumerate(NAMES[:2])})
    few = np.where(codes[:, 0] == 0, 0.0, 20.0)
    table = table.with_columns(bad=few, bad_f=20.0, all=1000.0, all_f=1000.0)
    cube = KpiCube.from_frame(
        table,
        measures={"bad": ("bad", "bad_f"), "all": ("all", "all_f")},
        kpis=[Kpi.ratio("share", "bad", "all")],
    )
    assert not Scan().localize(cube).patterns


def test_first_step_is_the_best_of_all_combinations_by_brute_force() -> None:
    cube = KpiCube.from_frame(frame_of(7, sizes=(4, 3, 3), faults={"isp=isp1": 0.7}))
    leaves = Leaves(cube, cube.kpis[0])
    active = np.flatnonzero(leaves.is_active)
    gain = DeviationGain(leaves.actual[active], leaves.forecast[active],
                         cap=7.0, shift_within=0.5, least_effect=0.3)  # fmt: skip
    search = Search(leaves.cuboids(), active, gain, cube.attributes)
    weight, weighted = gain.columns()
    codes = cube.codes[active]
    best, best_score = {}, -np.inf
    for layer in (1, 2, 3):
        for attributes in combinations(range(3), layer):
            present = {tuple(row) for row in codes[:, attributes].tolist()}
            for elements in present:
                inside = (codes[:, attributes] == elements).all(axis=1)
                score = weighted[inside].sum() ** 2 / (2 * weight[inside].sum()) - log(len(present))
                if score > best_score:
                    best, best_score = dict(zip(attributes, elements, strict=True)), score
    root, *_ = search.roots(alpha=0.5, most=1, told=1)
    assert root.elements == best


def test_the_same_leaves_get_the_shortest_name() -> None:
    frame = frame_of(faults={"cdn=cdn1": 0.3})
    frame = frame.with_columns(edge=pl.col("cdn").str.replace("cdn", "edge"))
    assert texts(localized(frame)) in (["cdn=cdn1"], ["edge=edge1"])


def test_inactive_leaves_change_nothing() -> None:
    frame = frame_of(faults={"cdn=cdn1&site=site2": 0.3})
    more = frame.with_columns(os=pl.lit("none"), real=pl.lit(0.0), predict=pl.lit(0.0))
    first, second = localized(frame), localized(pl.concat([frame, more.unique()]))
    assert texts(first) == texts(second) == ["cdn=cdn1&site=site2"]
    assert first.patterns[0].leaves == second.patterns[0].leaves


def test_told_roots_are_returned_untested() -> None:
    frame = frame_of(faults={"cdn=cdn1": 0.5})
    assert len(localized(frame, ScanConfig(told_roots=3)).patterns) == 3


def test_bootstrap_tells_how_stable_a_root_is() -> None:
    frame = frame_of(faults={"cdn=cdn1": 0.5})
    config = ScanConfig(bootstrap=8)
    answer = localized(frame, config)
    assert answer.patterns[0].stability == 1.0
    assert localized(frame, config) == answer


def test_runners_up_and_the_failed_candidate_are_told() -> None:
    answer = localized(frame_of(faults={"cdn=cdn1": 0.5}))
    assert answer.dropped
    assert any("noise" in d.reason for d in answer.dropped)
    assert answer.trace[0].accepted == ("(cdn1, *, *, *)",)
    assert "ends" in answer.trace[-1].note


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0.0}, {"alpha": 1.0}, {"cap": 0.0}, {"shift_within": -1.0}, {"least_effect": -1.0},
     {"least_share": -0.1}, {"least_leaves": 0}, {"max_roots": 0}, {"max_layer": 0},
     {"told_roots": 0}, {"bootstrap": -1}, {"alpha": float("nan")}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        ScanConfig(**wrong)  # type: ignore[arg-type]


def test_max_layer_limits_the_names() -> None:
    frame = frame_of(faults={"cdn=cdn1&site=site2&isp=isp0": 0.2})
    assert all(p.layer <= 2 for p in localized(frame, ScanConfig(max_layer=2)).patterns)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    factor=st.sampled_from([1e-6, 1e-3, 0.37, 1e3, 1e9]),
    order=st.permutations(NAMES),
    losses=st.lists(st.sampled_from([0.0, 0.3, 0.6, 2.0]), min_size=2, max_size=2),
)
def test_unit_order_and_names_change_nothing(
    seed: int, factor: float, order: list[str], losses: list[float]
) -> None:
    faults = dict(zip(["cdn=cdn1&site=site2", "isp=isp3"], losses, strict=True))
    frame = frame_of(seed, noise=0.05, faults=faults)
    expected = localized(frame)
    turned = frame.select(*order, "real", "predict").sample(
        fraction=1.0, shuffle=True, seed=seed
    ).with_columns(pl.col("real", "predict") * factor)  # fmt: skip
    got = localized(turned)
    assert got.combinations == expected.combinations
    assert [p.direction for p in got.patterns] == [p.direction for p in expected.patterns]
    new_names = {name: f"{name[::-1]}~" for name in NAMES}
    renamed = frame.rename(new_names).with_columns(
        (pl.col(list(new_names.values())).str.reverse() + "!").name.keep()
    )
    answer = localized(renamed)
    back = {
        AttributeCombination({k[:-1][::-1]: v[:-1][::-1] for k, v in c.items()})
        for c in answer.combinations
    }
    assert back == set(expected.combinations)


@pytest.mark.parametrize("leaves", [1, 2, 3, 5])
def test_tiny_cubes_get_an_answer(leaves: int) -> None:
    frame = frame_of(faults={"cdn=cdn0": 0.2}).head(leaves)
    answer = localized(frame)
    assert bool(answer.patterns) != bool(answer.abstained)


def test_a_root_found_early_is_taken_back_when_a_later_one_holds_its_leaves() -> None:
    stream = random_stream(0, "nested roots")
    rows = [(f"s{s}", isp, f"l{n}") for s in range(10) for isp in "ab" for n in range(50)]
    frame = pl.DataFrame(rows, schema=["site", "isp", "location"], orient="row").with_columns(
        predict=pl.lit(100.0), real=100 + stream.standard_normal(len(rows))
    )
    failing = pl.when(pl.col("site") == "s0").then(pl.when(isp="a").then(0.8).otherwise(0.985))
    frame = frame.with_columns(real=pl.col("real") * failing.otherwise(1.0))
    answer = Scan().localize(KpiCube.from_frame(frame))
    assert [str(c) for c in answer.combinations] == ["site=s0"]
    assert [t.accepted for t in answer.trace[:2]] == [("(s0, a, *)",), ("(s0, *, *)",)]
    taken_back = {str(d.combination): d.reason for d in answer.dropped}
    assert taken_back["isp=a&site=s0"] == "later roots explain its leaves"


@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_the_number_of_threads_changes_no_digit(
    kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frame_of(sizes=(40, 25, 20, 4), faults={"cdn=cdn1": 0.7, "isp=isp2&site=site3": 1.4})
    frame = frame.sample(fraction=kept, seed=1)
    answers = []
    for cores in (1, 2, 5):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        answers.append(localized(frame))
    assert texts(answers[0]) == ["cdn=cdn1", "isp=isp2&site=site3"]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 70_000])
def test_order_of_volumes(n: int) -> None:
    stream = np.random.default_rng(n)
    volumes = stream.lognormal(sigma=4, size=n)
    assert order_of(volumes).tolist() == np.argsort(volumes).tolist()
    repeated = np.round(volumes, 1)
    assert order_of(repeated).tolist() == np.argsort(repeated, kind="stable").tolist()
    assert order_of(np.array([1.0, -0.0, 0.5])).tolist() == [1, 2, 0]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), least=st.integers(1, 3), most=st.integers(1, 30))
def test_ranking_against_sorting_all_scores(seed: int, least: int, most: int) -> None:
    stream = np.random.default_rng(seed)
    offsets = np.array([0, 3, 10, 40])
    gains = stream.integers(-3, 6, 40).astype(float)
    counts = stream.integers(0, 4, 40).astype(float)
    prices = stream.integers(0, 4, 3).astype(float)
    scores = gains - np.repeat(prices, np.diff(offsets))
    scores[(gains <= 0) | (counts < least)] = -np.inf
    ranking = Ranking(gains, counts, offsets, prices, least)
    assert ranking.highest() == scores.max()
    assert ranking.at_least(1.0).tolist() == np.flatnonzero(scores >= 1).tolist()
    expected = np.argsort(-scores, kind="stable")[: min(most, int(np.isfinite(scores).sum()))]
    assert ranking.top(most).tolist() == expected.tolist()
