"""The rules of a feed: what can be, and what cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from faultsight.core.errors import SettingError
from faultsight.core.incident import Severity
from faultsight.flow.config import CubeConfig, CubeKpi, FeedConfig, Measure, SeverityRule

from .conftest import CONFIG


def test_rules_come_back_from_json() -> None:
    config = replace(CONFIG, notify_from=Severity.MAJOR, severity=SeverityRule(major_entities=2))
    told = FeedConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert told == config
    assert told.notify_from is Severity.MAJOR
    assert FeedConfig.from_dict({"name": "cells"}) == FeedConfig("cells")


@pytest.mark.parametrize(
    "told",
    [
        {"nmae": "x"},
        {"cube": {"atributes": []}},
        {"severity": {"huge": 1}},
        {"cube": {"measures": [{"colum": "x"}]}},
        {"kind": "other"},
        {"notify_from": "terrible"},
        {"raise_rows": 0},
        {"level_factor": 0.0},
        {"level_factor": float("nan")},
        {"block_s": 5000},
        {"history_s": 5000},
        {"gap_s": -1},
        {"kind": "cube"},
        {"name": "../cells"},
    ],
)
def test_what_cannot_be_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        FeedConfig.from_dict({"name": "cells", **told})


def test_a_kpi_needs_its_measures() -> None:
    with pytest.raises(SettingError, match="needs the measure 'calls'"):
        CubeConfig(measures=(Measure("drops"),), kpis=(CubeKpi("ratio", "drops", "calls"),))
    with pytest.raises(SettingError, match="one season"):
        CubeConfig(season_s=3600, window_s=7200)


def test_columns_are_those_of_the_measures_once() -> None:
    cube = CubeConfig(measures=(Measure("failures", "asked", "granted"), Measure("asked")))
    assert cube.columns == ("asked", "granted")
    assert [kpi.name for kpi in cube.told_kpis] == ["failures", "asked"]
