"""What every localizer must satisfy, ours, the peers and anybody's.

Run them on your own member::

    import pytest
    from faultsight.localize.checks import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
    def test_my_localizer(check):
        check(MyLocalizer)

A member that cannot pass a check by its nature names it, with the reason, in its class attribute
``excused``; the check then asserts nothing but that the member still answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import KpiCube
from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.kpi import Kpi
from faultsight.core.seed import random_stream
from faultsight.localize.contract import Localization, Localizer

__all__ = ["CHECKS", "run_check"]

MakeLocalizer = Callable[[], Localizer]
Check = Callable[[MakeLocalizer], None]

_HOSTILE = [
    "a=b&c;d",
    'quo"te',
    "<script>alert(1)</script>",
    "'; DROP TABLE leaves; --",
    "{{7*7}}",
    "../../etc",
    "名 字",
    "",
]


def fault_frame(seed: int = 0, *, drop: float = 0.6, attributes: int = 3) -> pl.DataFrame:
    """Return a small cube whose elements a0 of attribute A have lost `drop` of their value."""
    stream = random_stream(seed, "checks")
    sizes = [6, 5, 4][:attributes]
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in sizes], indexing="ij"), -1)
    codes = grid.reshape(-1, attributes)
    forecast = np.round(stream.gamma(3.0, 60.0, len(codes)) + 20.0, 3)
    actual = np.round(forecast * (1 + 0.01 * stream.standard_normal(len(codes))), 3)
    actual[codes[:, 0] == 0] *= 1 - drop
    columns = {name: [f"{name.lower()}{c}" for c in codes[:, i]] for i, name in enumerate("ABC")
               if i < attributes}  # fmt: skip
    return pl.DataFrame({**columns, "real": actual, "predict": forecast})


def check_answers_in_the_cubes_words(make: MakeLocalizer) -> None:
    """Patterns are distinct, ranked, inside the cube, and their figures are consistent."""
    cube = KpiCube.from_frame(fault_frame())
    answer = make().localize(cube)
    assert len(set(answer.combinations)) == len(answer.patterns)
    assert bool(answer.patterns) != bool(answer.abstained)
    order = [(-p.score, p.combination) for p in answer.patterns]
    assert order == sorted(order)
    for pattern in answer.patterns:
        inside = cube.leaves_of(pattern.combination)
        assert 0 < pattern.leaves <= inside.size
        assert 0 <= pattern.confidence <= 1
        assert np.isfinite(pattern.score)
        assert np.isclose(pattern.actual, cube.actual[0, inside].sum())
        assert pattern.reason


def check_same_input_same_answer(make: MakeLocalizer) -> None:
    """Two runs, and two runs of one object, give equal answers."""
    cube = KpiCube.from_frame(fault_frame(1))
    localizer = make()
    first = localizer.localize(cube)
    assert localizer.localize(cube) == first
    assert make().localize(cube) == first


def check_input_is_left_alone(make: MakeLocalizer) -> None:
    """The cube's arrays are the same bytes afterwards."""
    cube = KpiCube.from_frame(fault_frame(2))
    before = (cube.codes.tobytes(), cube.actual.tobytes(), cube.forecast.tobytes())
    make().localize(cube)
    assert before == (cube.codes.tobytes(), cube.actual.tobytes(), cube.forecast.tobytes())


def check_row_order_changes_nothing(make: MakeLocalizer) -> None:
    """Shuffled rows give the same answer to the last digit."""
    frame = fault_frame(3)
    shuffled = frame[random_stream(3, "shuffle").permutation(frame.height)]
    first = make().localize(KpiCube.from_frame(frame))
    assert make().localize(KpiCube.from_frame(shuffled)) == first


def check_attribute_order_changes_nothing(make: MakeLocalizer) -> None:
    """Columns in another order give the same combinations in the same ranks."""
    frame = fault_frame(4)
    turned = frame.select("C", "real", "A", "predict", "B")
    _assert_same_roots(make, KpiCube.from_frame(frame), KpiCube.from_frame(turned))


def check_names_change_nothing(make: MakeLocalizer) -> None:
    """Renamed attributes and elements give the same places."""
    frame = fault_frame(5)
    renamed = frame.rename({"A": "zone", "B": "kind & sort", "C": "a=c"}).with_columns(
        pl.col("zone").str.replace("a", "zz;")
    )
    first = make().localize(KpiCube.from_frame(frame))
    second = make().localize(KpiCube.from_frame(renamed))
    names = {"A": "zone", "B": "kind & sort", "C": "a=c"}
    expected = {
        AttributeCombination(
            {names[a]: e.replace("a", "zz;") if a == "A" else e for a, e in c.items()}
        )
        for c in first.combinations
    }
    assert set(second.combinations) == expected


def check_unit_changes_nothing(make: MakeLocalizer) -> None:
    """A KPI in thousands, or times a thousand, gives the same combinations in the same ranks."""
    frame = fault_frame(6)
    for factor in (1e-3, 1e3):
        scaled = frame.with_columns(pl.col("real", "predict") * factor)
        _assert_same_roots(make, KpiCube.from_frame(frame), KpiCube.from_frame(scaled))


def check_no_fault_no_crash(make: MakeLocalizer) -> None:
    """No deviation at all, all leaves down alike, all zero: an answer, never an exception."""
    frame = fault_frame(7)
    still = frame.with_columns(real="predict")
    gone = frame.with_columns(real=pl.lit(0.0))
    zero = gone.with_columns(predict=pl.lit(0.0))
    new = frame.with_columns(predict=pl.lit(0.0))
    for table in (still, gone, zero, new):
        answer = make().localize(KpiCube.from_frame(table))
        assert bool(answer.patterns) != bool(answer.abstained)
    assert not make().localize(KpiCube.from_frame(zero)).patterns


def check_one_attribute(make: MakeLocalizer) -> None:
    """A cube of one attribute, and one whose second attribute has a single element."""
    frame = fault_frame(8, attributes=1)
    for table in (frame, frame.with_columns(only=pl.lit("x"))):
        answer = make().localize(KpiCube.from_frame(table))
        assert bool(answer.patterns) != bool(answer.abstained)
    single = frame.head(1)
    make().localize(KpiCube.from_frame(single))


def check_hostile_names(make: MakeLocalizer) -> None:
    """Separators, quotes, markup, code and empty names are names like any other."""
    frame = fault_frame(9).with_columns(
        A=pl.col("A").replace_strict({f"a{i}": _HOSTILE[i] for i in range(6)})
    )
    frame = frame.rename({"B": '"; DROP TABLE x; --'})
    answer = make().localize(KpiCube.from_frame(frame))
    for combination in answer.combinations:
        assert AttributeCombination.parse(str(combination)) == combination


def check_several_kpis(make: MakeLocalizer) -> None:
    """Several KPIs, derived ones too, are localized together."""
    frame = fault_frame(10).rename({"real": "stalls", "predict": "stalls_forecast"})
    frame = frame.with_columns(
        viewers=pl.col("stalls_forecast") * 8, viewers_forecast=pl.col("stalls_forecast") * 8
    ).with_columns(stalls=pl.col("stalls_forecast") ** 2 / (pl.col("stalls") + 1))
    cube = KpiCube.from_frame(
        frame,
        measures={m: (m, f"{m}_forecast") for m in ("stalls", "viewers")},
        kpis=[
            Kpi.ratio("stall_ratio", "stalls", "viewers"),
            Kpi.additive("stalls"),
            Kpi.derived("log_stalls", ("stalls",), np.log1p),
        ],
    )
    answer = make().localize(cube)
    known = {"stall_ratio", "stalls", "log_stalls"}
    assert all(set(p.kpis) <= known and p.kpis for p in answer.patterns)


def check_clear_error(make: MakeLocalizer) -> None:
    """What is not a cube, or holds no leaf, is refused by a FaultSight error."""
    cube = KpiCube.from_frame(fault_frame(11))
    empty = replace(cube, codes=cube.codes[:0], actual=cube.actual[:, :0],
                    forecast=cube.forecast[:, :0])  # fmt: skip
    for nonsense in (None, "a.csv", empty):
        try:
            make().localize(nonsense)  # type: ignore[arg-type]
        except InputError:
            continue
        except FaultSightError as error:  # pragma: no cover - a failure of the member
            raise AssertionError(f"raised {type(error).__name__}, not InputError") from error
        raise AssertionError(f"accepted {nonsense!r}")


def _assert_same_roots(make: MakeLocalizer, first: KpiCube, second: KpiCube) -> None:
    expected: Localization = make().localize(first)
    got = make().localize(second)
    assert got.combinations == expected.combinations
    assert [p.direction for p in got.patterns] == [p.direction for p in expected.patterns]


def run_check(check: Check, make: MakeLocalizer) -> None:
    """Run one check on a member, unless the member excuses itself from it with a reason."""
    reason = make().excused.get(check.__name__)
    if reason is None:
        check(make)
    else:
        assert reason.strip(), f"{check.__name__} is excused without a reason"
        make().localize(KpiCube.from_frame(fault_frame()))


CHECKS: Sequence[Check] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("check_")
)
"""Every check, by name."""
