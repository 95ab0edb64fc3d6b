import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.peers.adtributor import (
    Adtributor,
    AdtributorConfig,
    explanatory_power,
    surprise,
)

# Forecast and actual of each value; each attribute adds up to 100 and to 50.
MARGINS = {
    "advertiser": {"A1": (50.0, 24.0), "A2": (20.0, 21.0), "A3": (20.0, 4.0), "A4": (10.0, 1.0)},
    "center": {"X": (94.0, 47.0), "Y": (6.0, 3.0)},
    "device": {"mobile": (25.0, 1.0), "pc": (50.0, 49.0), "tablet": (25.0, 0.0)},
}


def revenue_cube() -> KpiCube:
    """Return a cube with these margins: shares multiply."""
    rows = [
        {
            "advertiser": a,
            "center": c,
            "device": d,
            "predict": fa * fc * fd / 100**2,
            "real": va * vc * vd / 50**2,
        }
        for a, (fa, va) in MARGINS["advertiser"].items()
        for c, (fc, vc) in MARGINS["center"].items()
        for d, (fd, vd) in MARGINS["device"].items()
    ]
    return KpiCube.from_frame(pl.DataFrame(rows))


def test_explanatory_power_is_the_share_of_the_change() -> None:
    forecast, actual = np.array(list(MARGINS["advertiser"].values())).T
    power = explanatory_power(np.stack([actual, forecast]))
    assert power == pytest.approx([0.52, -0.02, 0.32, 0.18])


def test_surprise_ignores_a_drop_that_all_values_share() -> None:
    forecast, actual = np.array(list(MARGINS["center"].values())).T
    assert surprise(np.stack([actual, forecast])) == pytest.approx([0.0, 0.0])
    forecast, actual = np.array(list(MARGINS["device"].values())).T
    assert surprise(np.stack([actual, forecast])) == pytest.approx(
        [0.05793, 0.03963, 0.08664], abs=1e-5
    )


def test_the_papers_thresholds_on_a_case_worked_by_hand() -> None:
    config = AdtributorConfig(t_eep=0.1, t_ep=0.67)
    patterns = Adtributor(config=config).localize(revenue_cube()).patterns
    assert [str(p.combination) for p in patterns] == [
        "device=tablet",
        "device=mobile",
        "advertiser=A4",
        "advertiser=A3",
        "advertiser=A1",
        "center=X",
    ]
    # The surprise of the set, then what is left of it.
    assert [p.score for p in patterns[:4]] == pytest.approx(
        [0.14457, 0.05793, 0.02793, 0.01338], abs=2e-5
    )
    assert [p.confidence for p in patterns[:2]] == pytest.approx([0.5, 0.48])


def test_a_value_that_explains_enough_alone_stands_alone() -> None:
    answer = Adtributor().localize(revenue_cube())
    assert [str(c) for c in answer.combinations] == ["device=tablet", "advertiser=A1", "center=X"]


def test_only_the_most_surprising_attributes_are_reported() -> None:
    answer = Adtributor(config=AdtributorConfig(n_attributes=1)).localize(revenue_cube())
    assert [str(c) for c in answer.combinations] == ["device=tablet"]
    assert [str(d.combination) for d in answer.dropped] == ["advertiser=A1", "center=X"]


def test_the_change_of_a_ratio_is_shared_out_by_its_derivatives() -> None:
    # Numerator 10 to 20 over 100 to 100; numerator 30 to 30 over 100 to 200. By the formula
    # (10 * 200) / (200 * 200) = 0.05 and (-100 * 40) / (200 * 300) = -0.0667; they add up to
    # -0.01667.
    sums = np.array([[20.0, 30.0], [10.0, 30.0], [100.0, 200.0], [100.0, 100.0]])
    assert explanatory_power(sums) == pytest.approx([-3.0, 4.0])


def test_a_ratio_is_localized_by_its_parts() -> None:
    frame = pl.DataFrame(
        {
            "cdn": ["a", "b", "c"],
            "stalls": [30.0, 10.0, 10.0],
            "stalls_forecast": [10.0, 10.0, 10.0],
            "viewers": [100.0, 100.0, 100.0],
            "viewers_forecast": [100.0, 100.0, 100.0],
        }
    )
    cube = KpiCube.from_frame(
        frame,
        measures={m: (m, f"{m}_forecast") for m in ("stalls", "viewers")},
        kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")],
    )
    (pattern,) = Adtributor().localize(cube).patterns
    assert dict(pattern.combination) == {"cdn": "a"}
    assert pattern.confidence == 1.0


def test_no_overall_change_cannot_be_explained() -> None:
    frame = pl.DataFrame({"site": ["a", "b"], "real": [12.0, 8.0], "predict": [10.0, 10.0]})
    answer = Adtributor().localize(KpiCube.from_frame(frame))
    assert answer.abstained == "the KPI as a whole is as forecast: nothing to explain"


def test_values_that_explain_too_little_are_dropped_with_the_reason() -> None:
    frame = pl.DataFrame(
        {"site": list("abcd"), "real": [5.0, 5.0, 5.0, 5.0], "predict": [10.0] * 4}
    )
    config = AdtributorConfig(t_eep=0.1, t_ep=0.67, n_attributes=3)
    assert len(Adtributor(config=config).localize(KpiCube.from_frame(frame)).patterns) == 3
    answer = Adtributor().localize(KpiCube.from_frame(frame))
    assert answer.abstained.startswith("no attribute has values that explain more than 40%")


@pytest.mark.parametrize("settings", [{"t_eep": 1.0}, {"t_ep": -0.1}, {"n_attributes": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        AdtributorConfig(**settings)  # type: ignore[arg-type]


PAIRS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=8)


@given(PAIRS)
def test_shares_add_up_to_one_and_surprises_to_the_divergence(
    pairs: list[tuple[int, int]],
) -> None:
    sums = np.array(pairs, dtype=float).T
    power = explanatory_power(sums)
    if sums[0].sum() == sums[1].sum():
        assert power is None
    else:
        assert power is not None
        assert power.sum() == pytest.approx(1.0)
    if sums.sum(axis=1).all():
        assert surprise(sums).sum() == pytest.approx(jensenshannon(*sums) ** 2, abs=1e-12)
