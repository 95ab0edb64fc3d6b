"""Names from data are text and nothing else, from the sample to the notice."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from .conftest import END_S, Provider

HOSTILE = {
    "cell-0": "a'; DROP TABLE alarms; --",
    "cell-1": "<script>alert(1)</script>",
    "cell-2": "../../etc/passwd",
    "cell-3": "=cmd()|'/bin/sh'!A1",
    "cell-4": "{{7*7}}\n名 字 \U0001f4a5",
}


def test_hostile_entities_and_attributes(
    provider: Callable[..., Provider], live: pl.DataFrame
) -> None:
    made, plain = provider(), provider()
    plain.send(live, now_s=END_S)
    plain.tick(END_S)
    rows = plain.store.table()
    hostile = rows.with_columns(pl.col("entity").replace_strict(HOSTILE))
    made.ops.entities.put(
        "cells", {name: {"region": f"{name}?", "vendor": name} for name in HOSTILE.values()}
    )
    made.send(hostile, now_s=END_S)
    told = made.tick(END_S)
    assert not told.waiting_for
    # Levels are those of strangers, so alarms differ; every name comes back as it was.
    assert {alarm.entity for alarm in told.new} & set(HOSTILE.values())
    for incident in made.ops.incidents.find():
        for attribute, value in incident.scope:
            assert attribute in ("region", "entity")
            assert value.removesuffix("?") in {*HOSTILE.values(), "north", "south"}
        for pattern in incident.patterns:
            assert set(pattern.combination) <= {"region", "vendor"}
    assert {frame.entity for frame in made.scores()} >= set(HOSTILE.values())
    assert sorted(p.name for p in made.folder.parent.iterdir() if p.name == "etc") == []
    assert len(made.ops.feeds.list()) == 1


def test_a_name_that_no_database_holds_stops_nobody_else(
    provider: Callable[..., Provider], live: pl.DataFrame
) -> None:
    made, whole = provider(), provider()
    nul = live.filter(pl.col("entity") == "cell-1").with_columns(entity=pl.lit("cell\0-1"))
    made.send(pl.concat([live, nul]), now_s=END_S)
    whole.send(live, now_s=END_S)
    for each in (made, whole):
        each.tick(END_S)
    told, expected = ([(a.id, a.end_s, a.peak) for a in each.ops.alarms.find()]
                      for each in (made, whole))  # fmt: skip
    assert told == expected
