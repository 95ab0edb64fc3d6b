import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.peers.impaptr import ImpAPTr, ImpAPTrConfig


def cube(actual: list[float]) -> KpiCube:
    """Return a cube of two cities and two providers in which 100 was expected of every leaf."""
    frame = pl.DataFrame({"city": ["x", "x", "y", "y"], "isp": ["a", "b", "a", "b"]})
    return KpiCube.from_frame(frame.with_columns(real=pl.Series(actual), predict=pl.lit(100.0)))


def ratio_cube(failures: list[float], totals: list[float]) -> KpiCube:
    """Return a cube whose failure ratio was 1 % everywhere, of 1000."""
    frame = pl.DataFrame(
        {
            "city": ["x", "x", "y", "y"],
            "isp": ["a", "b", "a", "b"],
            "failures": failures,
            "failures_forecast": [10.0] * 4,
            "calls": totals,
            "calls_forecast": [1000.0] * 4,
        }
    )
    return KpiCube.from_frame(
        frame,
        measures={m: (m, f"{m}_forecast") for m in ("failures", "calls")},
        kpis=[Kpi.ratio("failure_ratio", "failures", "calls")],
    )


def answer(kpi_cube: KpiCube, **settings: float) -> list[tuple[str, float]]:
    config = ImpAPTrConfig(**settings)  # type: ignore[arg-type]
    patterns = ImpAPTr(config=config).localize(kpi_cube).patterns
    return [(str(p.combination), p.score) for p in patterns]


def test_both_rankings_by_hand() -> None:
    # 309 of 400 came. Without (x, a) it is 299 of 300, which is worse by 0.224; without x, or
    # without a, 199 of 200, worse by 0.2225. Every other combination made it better.
    expected = [("city=x&isp=a", 1.0), ("city=x", 0.5), ("isp=a", 0.5)]
    assert answer(cube([10.0, 100.0, 100.0, 99.0]), n=5) == expected


def test_a_rise_is_the_worse_side_if_the_whole_rises() -> None:
    assert answer(cube([900.0, 100.0, 100.0, 101.0])) == [("city=x&isp=a", 1.0)]


def test_the_search_stays_above_combinations_of_little_share() -> None:
    # Each city holds half of what was expected.
    expected = [("city=x", 1.0), ("isp=a", 1.0)]
    assert answer(cube([10.0, 100.0, 100.0, 99.0]), min_share=0.6, n=5) == expected


def test_a_ratio_is_compared_with_and_without() -> None:
    assert answer(ratio_cube([110.0, 10.0, 10.0, 10.0], [1000.0] * 4)) == [("city=x&isp=a", 1.0)]


def test_more_failures_of_more_calls_are_no_worse() -> None:
    # (x, a) fails ten times as often in number, but also carries ten times the calls; the city
    # whose own rate tripled is y with b.
    failures, totals = [100.0, 10.0, 10.0, 30.0], [10000.0, 1000.0, 1000.0, 1000.0]
    assert answer(ratio_cube(failures, totals)) == [("city=y&isp=b", 1.0)]


def test_a_ratio_that_fell_is_no_fault() -> None:
    fell = ratio_cube([1.0, 10.0, 10.0, 10.0], [1000.0] * 4)
    assert ImpAPTr().localize(fell).abstained == "the ratio as a whole did not rise"


def test_an_attribute_with_one_element_is_passed_through() -> None:
    frame = cube([10.0, 100.0, 100.0, 99.0]).to_frame().with_columns(country=pl.lit("z"))
    assert answer(KpiCube.from_frame(frame)) == [("city=x&isp=a", 1.0)]


def test_as_forecast_is_said() -> None:
    still = cube([90.0, 110.0, 100.0, 100.0])
    assert ImpAPTr().localize(still).abstained == "the KPI as a whole is as forecast"


@pytest.mark.parametrize("wrong", [{"min_share": 1.0}, {"n": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        ImpAPTrConfig(**wrong)  # type: ignore[arg-type]
