"""Random verdicts: shares from tickets, draws from seed, modem and window alone."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import polars as pl
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose import DIAGNOSERS
from faultsight.diagnose.contract import DAY_S, Diagnosis, Verdict
from faultsight.diagnose.peers.random_verdict import RandomVerdict, RandomVerdictConfig

N_DAYS = 20
SPAN = TimeWindow(0, N_DAYS * DAY_S)


def node(fnode: str, device_ids: tuple[str, ...]) -> NodePolls:
    times = np.arange(1800.0, N_DAYS * DAY_S, 14_400.0)
    n = len(device_ids)
    return NodePolls(
        fnode, device_ids, (), np.arange(n + 1) * len(times), np.tile(times, n)
    )  # fmt: skip


FLEET = [node(f"F{f}", tuple(f"F{f}-{i:03d}" for i in range(200))) for f in range(3)]


def calls(n_maintenance: int, n_service: int) -> Tickets:
    kinds = ["maintenance"] * n_maintenance + ["service"] * n_service
    return read_tickets(
        pl.DataFrame(
            {
                "ticket_id": [f"t{i}" for i in range(len(kinds))],
                "device_id": [f"F{i % 3}-{i % 200:03d}" for i in range(len(kinds))],
                "opened": np.linspace(0, N_DAYS * DAY_S - 1, len(kinds)),
                "closed": [None] * len(kinds),
                "kind": kinds,
            }
        )
    )


def fitted(seed: int = 0, tickets: Tickets | None = None) -> RandomVerdict:
    diagnoser = RandomVerdict(config=RandomVerdictConfig(seed=seed))
    told = calls(600, 1200) if tickets is None else tickets
    return diagnoser.fit(PollTable(FLEET), told, window=SPAN)


def verdicts(diagnosis: Diagnosis) -> dict[tuple[str, int], int]:
    return {
        (device, n.window.end_s): int(verdict)
        for n in diagnosis.nodes
        for device, verdict in zip(n.device_ids, n.verdict, strict=True)
    }


def test_shares_are_those_of_tickets_per_modem_window() -> None:
    diagnoser = fitted()
    n_windows = 600 * N_DAYS
    assert diagnoser.maintenance_share == 600 / n_windows
    assert diagnoser.service_share == 1200 / n_windows
    told = diagnoser.diagnose(PollTable(FLEET), window=SPAN)
    # Four standard deviations of a binomial.
    assert told.count(Verdict.MAINTENANCE) == pytest.approx(600, abs=4 * 24)
    assert told.count(Verdict.SERVICE) == pytest.approx(1200, abs=4 * 33)
    assert told.count(Verdict.INSUFFICIENT) == 0
    assert DIAGNOSERS.load("random_verdict") is RandomVerdict


def test_draws_are_spread_evenly_over_modems_and_days() -> None:
    told = verdicts(fitted(tickets=calls(6000, 0)).diagnose(PollTable(FLEET), window=SPAN))
    grid = np.array(list(told.values())).reshape(3, N_DAYS, 200) == Verdict.MAINTENANCE
    assert grid.mean() == pytest.approx(0.5, abs=0.02)
    assert grid.mean(axis=(0, 1)).std() < 0.1
    assert grid.mean(axis=(0, 2)).std() < 0.04
    # Neither does a day repeat the day before, nor a modem its neighbour.
    assert (grid[:, 1:] == grid[:, :-1]).mean() == pytest.approx(0.5, abs=0.03)
    assert (grid[:, :, 1:] == grid[:, :, :-1]).mean() == pytest.approx(0.5, abs=0.03)


def test_a_draw_depends_on_seed_modem_and_window_alone() -> None:
    diagnoser = fitted()
    told = verdicts(diagnoser.diagnose(PollTable(FLEET), window=SPAN, workers=1))
    assert told == verdicts(diagnoser.diagnose(PollTable(FLEET), window=SPAN, workers=3))
    assert told == verdicts(fitted().diagnose(PollTable(FLEET), window=SPAN))
    assert told != verdicts(fitted(seed=1).diagnose(PollTable(FLEET), window=SPAN))
    # Other company, another fiber node, only some of the days.
    some = PollTable([node("F9", ("F0-007", "F1-100", "z"))])
    part = verdicts(diagnoser.diagnose(some, window=TimeWindow(3 * DAY_S, 9 * DAY_S)))
    assert {key: told[key] for key in part if key[0] != "z"} == {
        key: value for key, value in part.items() if key[0] != "z"
    }


def test_without_tickets_all_are_healthy_and_with_too_many_nobody_is() -> None:
    none = fitted(tickets=calls(0, 0)).diagnose(PollTable(FLEET), window=SPAN)
    assert none.count(Verdict.HEALTHY) == 600 * N_DAYS
    many = fitted(tickets=calls(10_000, 30_000))
    assert (many.maintenance_share, many.service_share) == (0.25, 0.75)
    assert many.diagnose(PollTable(FLEET), window=SPAN).count(Verdict.HEALTHY) == 0


def test_settings() -> None:
    with pytest.raises(SettingError, match="seed"):
        RandomVerdictConfig(seed=-1)
    with pytest.raises(FrozenInstanceError):
        RandomVerdict().config.seed = 3
