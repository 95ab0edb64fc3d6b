"""The live CDN: consistent counts, days, and faults that can be told from no fault."""

from datetime import timedelta

import polars as pl
import pytest

from faultsight.core.errors import SettingError
from faultsight.sim.cdn_stream import CDN_KPIS, CDN_MEASURES, CdnStreamConfig, cdn_stream

_HOURLY = CdnStreamConfig(interval_s=3600, fault_every_s=28_800)


def test_counts_of_a_tick_fit_together() -> None:
    for tick in cdn_stream(3):
        table = tick.table
        assert table.columns == ["location", "access", "os", "site", *CDN_MEASURES]
        assert (table["requests"] > 0).all()
        assert (table["hits"] + table["misses"] == table["requests"]).all()
        assert (table["stalls"] <= table["requests"]).all()
        assert not table.select("location", "access", "os", "site").is_duplicated().any()
        assert 1000 < table.height < 10_560
    for kpi in CDN_KPIS:
        assert set(kpi.measures) <= set(CDN_MEASURES)


def test_evening_is_busier_than_early_morning() -> None:
    requests = [
        float(tick.table["requests"].to_numpy().sum()) for tick in cdn_stream(24, config=_HOURLY)
    ]
    assert requests[21] > 2.5 * requests[9]


def test_a_tick_is_the_same_however_many_are_asked_for() -> None:
    few, many, other = list(cdn_stream(2)), list(cdn_stream(4)), list(cdn_stream(2, seed=1))
    assert few[1].table.equals(many[1].table)
    assert not few[1].table.equals(other[1].table)
    assert few[1].time - few[0].time == timedelta(minutes=5)


def test_faults_change_what_they_say_and_where() -> None:
    signs = {"outage": "requests", "cache": "misses", "stall": "stalls", "delay": "delay"}
    config = CdnStreamConfig(interval_s=900, fault_lasts_s=(7200, 7200))
    ticks = list(cdn_stream(96, seed=4, config=config))
    faults = {fault for tick in ticks for fault in tick.faults}
    assert len(faults) == 3
    for fault in faults:
        inside = pl.all_horizontal(pl.col(a) == e for a, e in fault.root.items())
        assert fault.end - fault.start == timedelta(hours=2)

        def share(during: bool, fault=fault, inside=inside) -> float:  # type: ignore[no-untyped-def]
            """Return the root's part of the total, in the fault or just around it."""
            near = [
                tick.table
                for tick in ticks
                if (fault in tick.faults) == during
                and abs(tick.time - fault.start) <= timedelta(hours=3)
            ]
            whole = pl.concat(near)
            column = signs[fault.kind]
            part = whole.filter(inside)[column].to_numpy().sum()
            return float(part / whole[column].to_numpy().sum())

        if fault.kind == "outage":
            assert share(during=True) < 0.8 * share(during=False)
        else:
            assert share(during=True) > 1.3 * share(during=False)


def test_a_fault_longer_than_its_span_is_refused() -> None:
    with pytest.raises(SettingError):
        CdnStreamConfig(fault_every_s=3600)


def test_a_quiet_history_has_no_fault_and_the_rest_stays_as_it_was() -> None:
    quiet = CdnStreamConfig(interval_s=3600, fault_every_s=28_800, faults_from_s=86_400)
    usual = list(cdn_stream(48, config=_HOURLY))
    told = list(cdn_stream(48, config=quiet))
    assert any(tick.faults for tick in usual[:24])
    assert not any(tick.faults for tick in told[:24])
    for one, other in zip(usual[24:], told[24:], strict=True):
        assert one.faults == other.faults
        assert one.table.equals(other.table)
    assert any(tick.faults for tick in told[24:])
