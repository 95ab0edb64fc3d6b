"""The plain way of diagnosing does the work of TelApart as published."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from faultsight.bench.plain_telapart import plain_read, plain_sweep, plain_verdicts
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.tables import read_table
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import read_tickets
from faultsight.diagnose.contract import DAY_S, NodeDiagnosis, Verdict
from faultsight.diagnose.telapart import TelApart, TelApartConfig
from faultsight.diagnose.telapart.ticket_guided import TicketTotals
from faultsight.sim.cable_plant import CablePlantConfig, write_plant

_DAYS, _JUDGED_DAYS = 14, 2
_CONFIG = CablePlantConfig(
    n_fnodes=1, days=_DAYS, modems=(30, 30), n_amplifiers=6, fault_modems=(8, 15),
    maintenance_rate=5.0, service_rate=2.0, maintenance_call_share=0.5, service_call_share=0.8,
    # Polls that are lost by chance make misses alike by chance: which of so many equal similarities
    # is merged first is anybody's choice.
    loss_share=0.0, drop_poll_loss=0.0,
)  # fmt: skip
_JUDGED = TimeWindow(_CONFIG.end_s - _JUDGED_DAYS * DAY_S, _CONFIG.end_s)


@pytest.fixture(scope="module")
def telemetry(tmp_path_factory: pytest.TempPathFactory) -> TelemetryFolder:
    folder = tmp_path_factory.mktemp("plant")
    write_plant(_CONFIG, folder, seed=1000)
    return TelemetryFolder(folder / "telemetry")


@pytest.fixture(scope="module")
def model(telemetry: TelemetryFolder) -> TelApart:
    tickets = read_tickets(read_table(telemetry.path.parent / "tickets.csv"))
    before = TimeWindow(_CONFIG.start_s, _JUDGED.start_s)
    return TelApart(TelApartConfig.paper()).fit(telemetry, tickets, window=before, workers=1)


@pytest.fixture(scope="module")
def rows(telemetry: TelemetryFolder, model: TelApart) -> pd.DataFrame:
    span = TimeWindow(_JUDGED.start_s - DAY_S - model.history_s, _JUDGED.end_s)
    return plain_read(telemetry.path, span)


@pytest.fixture(scope="module")
def found(telemetry: TelemetryFolder, model: TelApart) -> tuple[NodeDiagnosis, ...]:
    return model.diagnose(telemetry, window=_JUDGED, workers=1).nodes


def test_every_modem_has_the_verdict_of_telapart_as_published(
    rows: pd.DataFrame, model: TelApart, found: tuple[NodeDiagnosis, ...]
) -> None:
    seen: set[Verdict] = set()
    assert len(found) == _JUDGED_DAYS
    for node in found:
        mine = rows[rows["time_s"] < node.window.end_s]
        verdicts = plain_verdicts(mine, node.window, model, model.rhythms[node.fnode])
        told = dict(zip(node.device_ids, map(Verdict, node.verdict.tolist()), strict=True))
        assert verdicts == told
        seen |= set(told.values())
    assert seen >= {Verdict.HEALTHY, Verdict.SERVICE, Verdict.MAINTENANCE}


def test_rows_are_read_as_they_were_written(
    telemetry: TelemetryFolder, rows: pd.DataFrame, tmp_path: Path
) -> None:
    span = TimeWindow(int(rows["time_s"].min()), int(rows["time_s"].max()) + 1)
    (polls,) = telemetry.nodes(span)
    table = polls.to_table()
    assert len(rows) == table.height
    assert rows["snr_db"].sum() == pytest.approx(table["snr_db"].sum(), rel=1e-5)
    assert sorted(set(rows["device_id"])) == list(polls.device_ids)
    inside = plain_read(telemetry.path, _JUDGED)
    assert inside["time_s"].between(_JUDGED.start_s, _JUDGED.end_s, inclusive="left").all()
    assert len(inside) == (rows["time_s"] >= _JUDGED.start_s).sum()


def test_the_sweep_sees_each_window_under_every_threshold(
    rows: pd.DataFrame, model: TelApart, found: tuple[NodeDiagnosis, ...]
) -> None:
    node = found[-1]
    rhythm = model.rhythms[node.fnode]
    few = rows[rows["device_id"].isin(node.device_ids[:10])]
    windows = [one.window for one in found[-2:]]
    apart = [plain_sweep(few, [window], model, rhythm) for window in windows]
    assert plain_sweep(few, windows, model, rhythm) == sum(apart)
    # Where any modem is anomalous, there is a cluster to count under each of them.
    assert sum(apart) >= len(TicketTotals.thresholds)
