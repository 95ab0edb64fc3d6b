"""The state folder of the story: three feeds, their rules, and settings that let it be served."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.roles import COMMAND_LINE
from faultsight.core.errors import InputError
from faultsight.core.files import write_atomic
from faultsight.sim.cdn_cube import CDN_ELEMENTS
from faultsight.stores.telemetry import KpiStore
from faultsight.story.provider import Provider

__all__ = ["CABLE", "CDN", "STATIONS", "arrange"]

STATIONS, CDN, CABLE = "stations", "cdn", "cable"
"""The feeds."""

_DAY_S = 86_400
_SETTINGS = """\
# Written by `faultsight demo`. Its weeks lie in the past: nothing is thrown away for its age, and
# models learn when they are asked to. Take these lines out where real telemetry comes in.
[loop]
retain_days = 36500

[learning]
tune_every_days = 0
retrain_every_days = 0
"""


def arrange(
    folder: Path, provider: Provider, *, clock: Callable[[], float] = time.time
) -> Application:
    """Return the application of a new state folder with the provider's feeds in it.

    Raises
    ------
    InputError
        If the folder holds a state already.
    """
    if (folder / "operations.sqlite").exists():
        raise InputError("there is a state already; name another folder", source=str(folder))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(folder / "faultsight.toml", _SETTINGS)
    application = open_application(folder, clock=clock)
    for name, kind, interval_s, rules in _feeds(provider):
        application.feeds.add(name, kind, interval_s, rules, COMMAND_LINE)
    sites = {
        row["entity"]: {**{a: v for a, v in row.items() if a != "entity"}, "site": row["entity"]}
        for row in provider.stations.sites.iter_rows(named=True)
    }
    application.entities.put(STATIONS, sites, COMMAND_LINE)
    # Of few entities one file a time is read faster than sixteen.
    KpiStore.create(
        application.folder.telemetry(STATIONS),
        name=STATIONS,
        interval_s=3600,
        n_buckets=1,
        quarantine=application.folder.quarantine(STATIONS),
    )
    topology = application.folder.topology(CABLE)
    application.intake.polls_sink(CABLE)  # the folder of polls is made before files lie in it
    write_atomic(topology, provider.topology.write_csv())
    return application


def _feeds(provider: Provider) -> list[tuple[str, str, int, dict[str, Any]]]:
    config = provider.config
    since = {"since_s": config.first_week.start_s}
    requests = "rab_establishment_request_count"
    stations = {
        **since,
        "group_by": ["region"],
        "cube": {
            "attributes": ["region", "vendor", "band", "software", "site"],
            "measures": [
                {"name": "traffic_gb", "column": "downlink_traffic_gb"},
                {"name": "bearers_asked", "column": requests},
                {"name": "bearers_refused", "column": "rab_establishment_failure_count"},
                {"name": "bearers", "column": "rab_establishment_success_count"},
                {
                    "name": "bearers_dropped",
                    "column": "rab_establishment_success_count",
                    "minus": "rab_normal_release_count",
                },
            ],
            "kpis": [
                {"name": "traffic_gb"},
                {
                    "name": "bearer_refusal_ratio",
                    "numerator": "bearers_refused",
                    "denominator": "bearers_asked",
                },
                {
                    "name": "bearer_drop_ratio",
                    "numerator": "bearers_dropped",
                    "denominator": "bearers",
                },
            ],
        },
    }
    cdn = {
        **since,
        "cube": {
            "attributes": list(CDN_ELEMENTS),
            "measures": [
                {"name": name} for name in ("traffic", "requests", "misses", "stalls", "delay")
            ],
            "kpis": [
                {"name": "traffic"},
                {"name": "requests"},
                {"name": "cache_miss_ratio", "numerator": "misses", "denominator": "requests"},
                {"name": "stall_ratio", "numerator": "stalls", "denominator": "requests"},
                {"name": "mean_delay", "numerator": "delay", "denominator": "requests"},
            ],
        },
    }
    cable = {
        **since,
        "tickets": f"telemetry/{CABLE}/tickets.csv",
        "topology": f"telemetry/{CABLE}/topology.csv",
        "horizon_s": 2 * config.week_days * _DAY_S,
    }
    return [
        (STATIONS, "kpi", 3600, stations),
        (CDN, "cube", config.cdn_interval_s, cdn),
        (CABLE, "polls", provider.plant_config.interval_s, cable),
    ]


def tickets_csv(table: pl.DataFrame) -> str:
    """Return tickets as the text of the file that the loop and the jobs read."""
    return table.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")
