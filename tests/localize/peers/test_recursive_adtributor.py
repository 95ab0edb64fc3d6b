import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.core.kpi import Kpi
from faultsight.localize.peers.recursive_adtributor import (
    RecursiveAdtributor,
    RecursiveAdtributorConfig,
)


def cube(rows: list[tuple[str, str, float]], first: str = "zone", second: str = "os") -> KpiCube:
    """Return a cube of two attributes in which 50 was expected of every leaf."""
    frame = pl.DataFrame(rows, schema=[first, second, "real"], orient="row")
    return KpiCube.from_frame(frame.with_columns(predict=pl.lit(50.0)))


def answer(kpi_cube: KpiCube, t_eep: float = 0.4) -> dict[str, float]:
    config = RecursiveAdtributorConfig(t_eep=t_eep)
    patterns = RecursiveAdtributor(config=config).localize(kpi_cube).patterns
    return {str(p.combination): p.confidence for p in patterns}


def test_the_set_stands_where_every_value_below_it_would_qualify() -> None:
    # Of the change of -85 zone x holds all; inside it os a holds 45/85 and b 40/85.
    rows = [("x", "a", 5.0), ("x", "b", 10.0), ("y", "a", 50.0), ("y", "b", 50.0)]
    assert answer(cube(rows)) == {"zone=x": 1.0}


def test_one_value_that_cannot_be_cut_keeps_its_set_whole() -> None:
    # The change is -90. Zones x and y hold half each; inside x all is os a, inside y both qualify,
    # so that the set of zones stands. Os a holds 70/90, and of that zone x 45/70.
    rows = [
        ("x", "a", 5.0), ("x", "b", 50.0),
        ("y", "a", 25.0), ("y", "b", 30.0),
        ("z", "a", 50.0), ("z", "b", 50.0),
    ]  # fmt: skip
    assert answer(cube(rows)) == pytest.approx({"zone=x": 0.5, "zone=y": 0.5, "os=a&zone=x": 0.5})


def test_long_names_in_any_order_stay_with_their_attributes() -> None:
    rows = [("a9", "z1", 5.0), ("a9", "z2", 50.0), ("b1", "z1", 50.0), ("b1", "z2", 50.0)]
    assert answer(cube(rows, "zone", "area")) == {"area=z1&zone=a9": 1.0}


def test_the_threshold_decides_how_fine_the_cut_is() -> None:
    # Inside x, os a holds 0.75 of the change and b 0.25.
    rows = [("x", "a", 5.0), ("x", "b", 35.0), ("y", "a", 50.0), ("y", "b", 50.0)]
    assert answer(cube(rows), t_eep=0.4) == {"os=a&zone=x": 0.75}
    assert answer(cube(rows), t_eep=0.2) == {"zone=x": 1.0}


def test_more_surprise_ranks_first() -> None:
    rows = [("w", "a", 5.0), ("x", "a", 0.0), ("y", "a", 50.0), ("z", "a", 50.0)]
    patterns = RecursiveAdtributor().localize(cube(rows)).patterns
    assert [str(p.combination) for p in patterns] == ["zone=x", "zone=w"]
    # Shares: a quarter of the forecast and nothing of the actual: 0.5 * 0.25 * ln 2.
    assert patterns[0].score == pytest.approx(0.0866434)


def test_only_the_most_surprising_attributes_are_followed() -> None:
    rows = [
        ("x", "a", 5.0), ("x", "b", 50.0),
        ("y", "a", 25.0), ("y", "b", 30.0),
        ("z", "a", 50.0), ("z", "b", 50.0),
    ]  # fmt: skip
    config = RecursiveAdtributorConfig(n_attributes=1)
    patterns = RecursiveAdtributor(config=config).localize(cube(rows)).patterns
    # Zones x and y together surprise with 0.0043, os a with 0.0040.
    assert {str(p.combination) for p in patterns} == {"zone=x", "zone=y"}


def test_a_ratio_is_localized_by_its_parts() -> None:
    frame = pl.DataFrame(
        {
            "cdn": ["a", "a", "b", "b"],
            "p2p": ["0", "1", "0", "1"],
            "stalls": [40.0, 10.0, 10.0, 10.0],
            "stalls_forecast": [10.0] * 4,
            "viewers": [100.0] * 4,
            "viewers_forecast": [100.0] * 4,
        }
    )
    ratio = KpiCube.from_frame(
        frame,
        measures={m: (m, f"{m}_forecast") for m in ("stalls", "viewers")},
        kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")],
    )
    assert answer(ratio) == {"cdn=a&p2p=0": 1.0}


def test_nothing_to_explain_is_said() -> None:
    rows = [("x", "a", 50.0), ("y", "b", 50.0)]
    assert "no attribute has some" in RecursiveAdtributor().localize(cube(rows)).abstained


@pytest.mark.parametrize("settings", [{"t_eep": 1.0}, {"n_attributes": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        RecursiveAdtributorConfig(**settings)  # type: ignore[arg-type]
