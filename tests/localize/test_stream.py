"""A stream of leaf tables: when it alarms, what it forecasts from, how patterns live."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError, MissingColumnError, SettingError
from faultsight.core.kpi import Kpi
from faultsight.core.seed import random_stream
from faultsight.localize.contract import Answer, Finding, Localizer
from faultsight.localize.leaves import Leaves
from faultsight.localize.stream import StreamConfig, StreamLocalizer, TickReport

_START = datetime(2026, 3, 2, tzinfo=UTC)
_CONFIG = StreamConfig(warm_up=10)


class LargestChange(Localizer):
    """Names the element of the first attribute that changed most; remembers its cubes."""

    def __init__(self) -> None:
        self.forecasts: list[float] = []

    def _localize(self, leaves: Leaves) -> Answer:
        self.forecasts.append(float(leaves.forecast.sum()))
        change = np.bincount(leaves.codes[:, 0], np.abs(leaves.actual - leaves.forecast))
        worst = int(np.argmax(change))
        return Answer([Finding({0: worst}, float(change[worst]), 1.0, "changed most")])


def _tables(ticks: int, faults: dict[int, str]) -> Iterator[pl.DataFrame]:
    """Yield tables of two sites with 100 requests each; a faulty site has lost 60 of them."""
    noise = random_stream(0, "stream test").standard_normal((ticks, 2))
    for tick in range(ticks):
        lost = [60.0 if faults.get(tick) == site else 0.0 for site in ("a", "b")]
        yield pl.DataFrame(
            {"site": ["a", "b"], "requests": 100 + 0.5 * noise[tick] - np.array(lost)}
        )


def _run(stream: StreamLocalizer, tables: Iterator[pl.DataFrame]) -> list[TickReport]:
    return [stream.update(_START + i * timedelta(minutes=5), t) for i, t in enumerate(tables)]


def test_only_the_fault_alarms_and_its_pattern_opens_goes_on_and_closes() -> None:
    stream = StreamLocalizer(measures=["requests"], localizer=LargestChange(), config=_CONFIG)
    reports = _run(stream, _tables(30, {20: "a", 21: "a", 22: "a"}))
    assert [i for i, report in enumerate(reports) if report.alarms] == [20, 21, 22]
    alarm = reports[20].alarms[0]
    assert (alarm.kpi, round(alarm.actual, -1), round(alarm.forecast, -1)) == (
        "requests", 140, 200,
    )  # fmt: skip
    assert alarm.z < -6
    site_a = AttributeCombination({"site": "a"})
    (opened,) = reports[20].opened
    assert (opened.number, opened.combination, opened.ticks) == (1, site_a, 1)
    assert [p.number for p in reports[21].ongoing] == [1]
    assert not reports[21].opened
    assert not reports[23].closed
    (closed,) = reports[24].closed
    assert (closed.number, closed.ticks) == (1, 3)
    assert closed.last_seen - closed.since == timedelta(minutes=10)


def test_a_new_place_is_a_new_pattern() -> None:
    stream = StreamLocalizer(measures=["requests"], localizer=LargestChange(), config=_CONFIG)
    reports = _run(stream, _tables(32, {20: "a", 21: "b", 29: "a"}))
    assert [p.number for p in reports[21].opened] == [2]
    assert [p.number for p in reports[29].opened] == [3]


def test_a_fault_is_not_its_own_baseline_until_the_hold_is_over() -> None:
    localizer = LargestChange()
    config = StreamConfig(warm_up=10, keep=4, hold=3)
    stream = StreamLocalizer(measures=["requests"], localizer=localizer, config=config)
    reports = _run(stream, _tables(40, dict.fromkeys(range(20, 40), "a")))
    # Held for three ticks; then the four ticks before are 1 usual and 3 faulty: 155.
    assert np.allclose(localizer.forecasts[:3], 200, atol=2)
    assert localizer.forecasts[3] == pytest.approx(155, abs=2)
    assert not any(report.alarms for report in reports[30:])


def test_only_the_past_decides() -> None:
    faults = {20: "a", 35: "b"}
    whole = _run(
        StreamLocalizer(measures=["requests"], localizer=LargestChange(), config=_CONFIG),
        _tables(40, faults),
    )
    tables = list(_tables(40, faults))[:25]
    part = _run(
        StreamLocalizer(measures=["requests"], localizer=LargestChange(), config=_CONFIG),
        iter(tables),
    )
    assert whole[:25] == part


def test_a_ratio_alarms_on_a_rise_only() -> None:
    noise = random_stream(1, "stream test").standard_normal(40)
    for stalls, alarmed in ((30.0, [30]), (1.0, [])):
        stream = StreamLocalizer(
            measures=["stalls", "viewers"],
            kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")],
            localizer=LargestChange(),
            config=_CONFIG,
        )
        tables = (
            pl.DataFrame(
                {
                    "site": ["a", "b"],
                    "stalls": [stalls if tick == 30 else 10.0, 10 + 0.3 * noise[tick]],
                    "viewers": [1000.0, 1000.0],
                }
            )
            for tick in range(40)
        )
        reports = _run(stream, tables)
        assert [i for i, report in enumerate(reports) if report.alarms] == alarmed


def test_a_leaf_that_is_gone_counts_as_zero() -> None:
    stream = StreamLocalizer(measures=["requests"], localizer=LargestChange(), config=_CONFIG)
    tables = list(_tables(20, {}))
    tables.append(tables[0].filter(pl.col("site") == "b"))
    report = _run(stream, iter(tables))[-1]
    assert report.localization is not None
    (pattern,) = report.localization.patterns
    assert (str(pattern.combination), pattern.actual) == ("site=a", 0.0)
    assert pattern.forecast == pytest.approx(100, abs=2)


def test_bad_ticks_are_refused() -> None:
    stream = StreamLocalizer(measures=["requests"])
    table = next(_tables(1, {}))
    with pytest.raises(InputError, match="no time zone"):
        stream.update(datetime(2026, 3, 2), table)
    stream.update(_START, table)
    with pytest.raises(InputError, match="not later"):
        stream.update(_START, table)
    later = _START + timedelta(minutes=5)
    with pytest.raises(MissingColumnError, match="requests"):
        stream.update(later, table.drop("requests"))
    with pytest.raises(InputError, match="not numbers"):
        stream.update(later, table.with_columns(requests=pl.lit("many")))
    with pytest.raises(SettingError):
        StreamLocalizer(measures=[])
    with pytest.raises(SettingError, match="keep"):
        StreamConfig(keep=0)
    with pytest.raises(SettingError, match="z_threshold"):
        StreamConfig(z_threshold=-1)
