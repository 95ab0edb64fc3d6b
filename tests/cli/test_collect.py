"""faultsight collect, as an operator types it; no word of a secret."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight.collectors import DeviceIds
from faultsight.core.telemetry import TelemetryFolder
from faultsight.sim.modem_agent import AgentConfig, ModemAgent, modem_mac

FIXTURES = Path(__file__).parents[1] / "fixtures" / "snmp"
COMMUNITY = "community-secret"


@pytest.fixture
def agent() -> Iterator[ModemAgent]:
    with ModemAgent(AgentConfig(n_modems=12, community=COMMUNITY)) as found:
        yield found


@pytest.fixture
def config(tmp_path: Path, agent: ModemAgent) -> Path:
    path = tmp_path / "collect.toml"
    path.write_text(
        f"""
interval_s = 3
[credentials.lab]
community = "{COMMUNITY}"
[[cmts]]
name = "lab"
address = "127.0.0.1"
credentials = "lab"
port = {agent.port}
modem_port = {agent.port}
[polling]
requests_per_s = 1000
walk_requests_per_s = 1000
timeout_s = 0.2
[privacy]
key_file = "ids.key"
"""
    )
    path.chmod(0o600)
    (tmp_path / "ids.key").write_text("key-secret-key-secret\n")
    return path


def everything_under(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_round(run: Any, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "pnm"
    told = run("collect", "snmp", config, "--out", out)
    assert told.code == 0
    assert "12 polls, 0 without an answer; 36 rows" in told.out
    sink = TelemetryFolder(out)
    assert sum(node.n_devices for node in sink.nodes()) == 12
    names = {device for node in sink.nodes() for device in node.device_ids}
    assert DeviceIds(b"key-secret-key-secret").of(modem_mac(0)) in names


def test_rounds_go_on_where_they_were(run: Any, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "pnm"
    config.write_text(config.read_text().replace("interval_s = 3", "interval_s = 1"))
    start = time.monotonic()
    told = run("collect", "snmp", config, "--out", out, "--rounds", 2, "--json")
    assert time.monotonic() - start >= 1
    first, second = json.loads(told.out)["rounds"]
    assert second["round_id"] > first["round_id"]
    assert first["cmts"][0]["modem_requests"] == 24  # channels are learned in the first round
    assert second["cmts"][0]["modem_requests"] == 12
    third = json.loads(run("collect", "snmp", config, "--out", out, "--json").out)["rounds"][0]
    assert third["cmts"][0]["modem_requests"] == 12


def test_nothing_confidential_is_shown_or_written(
    run: Any,
    config: Path,
    tmp_path: Path,
    agent: ModemAgent,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "pnm"
    said = []
    said.append(run("collect", "snmp", config, "--out", out, "--json", tmp_path / "round.json"))
    agent.silent = {"127.0.0.1"}
    said.append(run("collect", "snmp", config, "--out", out))
    assert said[-1].code == 3
    v3 = config.read_text().replace(
        f'community = "{COMMUNITY}"',
        'user = "reader"\nauth = "sha256"\nauth_key_env = "AUTH"\npriv = "aes128"\n'
        'priv_key = "private-secret"',
    )
    config.write_text(v3)
    said.append(run("collect", "snmp", config, "--out", out))
    assert "AUTH is not set" in said[-1].err
    monkeypatch.setenv("AUTH", "authentic-secret")
    said.append(run("collect", "snmp", config, "--out", out))
    assert said[-1].code == 3
    config.write_text(v3.replace('priv = "aes128"', 'priv = "rot13"'))
    said.append(run("collect", "snmp", config, "--out", out))
    assert said[-1].code == 2
    shown = "".join(one.out + one.err for one in said) + caplog.text
    assert "secret" not in shown
    written = everything_under(out) + (tmp_path / "round.json").read_bytes()
    assert b"secret" not in written
    # Nor are MAC or IP addresses.
    for number in range(12):
        assert modem_mac(number) not in written
        assert modem_mac(number).hex(":").encode() not in written
    assert b"127.1.0." not in written


def test_a_file_of_secrets_that_others_can_read_is_warned_of(run: Any, config: Path) -> None:
    config.chmod(0o644)
    told = run("collect", "snmp", config, "--out", config.parent / "pnm")
    assert f"warning: {config} holds secrets and others can read it: chmod 600" in told.out


def test_a_round_that_is_lost_does_not_end_the_rounds(
    run: Any, config: Path, agent: ModemAgent, tmp_path: Path
) -> None:
    config.write_text(config.read_text().replace("interval_s = 3", "interval_s = 1"))
    agent.silent = {"127.0.0.1"}
    told = run("collect", "snmp", config, "--out", tmp_path / "pnm", "--rounds", 2, "--json",
               tmp_path / "told.json")  # fmt: skip
    assert told.code == 3
    assert told.out.count("this round was lost: no CMTS could be walked") == 2
    rounds = json.loads((tmp_path / "told.json").read_text())["rounds"]
    assert [set(one) for one in rounds] == [{"collector", "problem"}] * 2


def test_answers_of_pypnm(run: Any, tmp_path: Path) -> None:
    (tmp_path / "fnodes.csv").write_text("mac,fnode\n00:11:00:00:00:01,N1\n")
    out = tmp_path / "pnm"
    told = run(
        "collect", "pypnm", FIXTURES / "pypnm-stats.json", FIXTURES / "pypnm-preeq.json",
        "--out", out, "--captured-at", "2026-03-01 12:00", "--fnodes", tmp_path / "fnodes.csv",
        "--plain-mac", "--json",
    )  # fmt: skip
    assert told.code == 0
    assert json.loads(told.out)["rows"] == 2
    (node,) = TelemetryFolder(out).nodes()
    assert (node.fnode, node.device_ids) == ("N1", ("00:11:00:00:00:01",))
    assert node.time_s.tolist() == [1_772_366_400.0]


def test_json_of_an_input_is_never_overwritten(run: Any, tmp_path: Path) -> None:
    answer = tmp_path / "modem.json"
    answer.write_bytes((FIXTURES / "pypnm-stats.json").read_bytes())
    before = answer.read_bytes()
    told = run("collect", "pypnm", "--json", answer, "--out", tmp_path / "pnm", "--fnode", "F",
               "--captured-at", "0")  # fmt: skip
    assert told.code == 0
    assert answer.read_bytes() == before
    target = tmp_path / "told.json"
    run("collect", "pypnm", answer, "--out", tmp_path / "pnm", "--fnode", "F", "--captured-at", "0",
        f"--json={target}")  # fmt: skip
    assert json.loads(target.read_text())["polled"] == 1


def test_an_export(run: Any, tmp_path: Path) -> None:
    export = tmp_path / "export.csv"
    export.write_text("t,m,us,snr\n2026-03-01,a,1,365\n2026-03-01,b,1,x\n")
    told = run(
        "collect", "csv", export, "--out", tmp_path / "pnm", "--map", "timestamp=t", "--map",
        "device_id=m", "--map", "channel=us", "--map", "snr_db=snr", "--unit", "snr_db=tenth",
        "--fnode", "N1",
    )  # fmt: skip
    assert told.code == 0
    assert "2 polls, 0 without an answer; 2 rows" in told.out
    assert "set aside: snr_db: not a number (1, such as export.csv, column 'snr', row 2: 'x')" in (
        told.out
    )
    (node,) = TelemetryFolder(tmp_path / "pnm").nodes()
    assert node.values["snr_db"][0].tolist() == [36.5]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--map", "snr"], "not of the form NAME=VALUE"),
        (["--map", "snr=x"], "telemetry has no 'snr'"),
        (["--unit", "snr_db=inch"], "one of whole"),
        (["--plain-mac", "--key-file", "k"], "either --key-file or --plain-mac"),
    ],
)
def test_wrong_use_is_told(run: Any, tmp_path: Path, words: list[str], reason: str) -> None:
    (tmp_path / "a.csv").write_text("timestamp\n0\n")
    told = run("collect", "csv", tmp_path / "a.csv", "--out", tmp_path / "pnm", *words)
    assert told.code == 2
    assert reason in told.err


def test_tickets_get_the_device_ids_of_telemetry(run: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef")
    tickets = tmp_path / "tickets.csv"
    tickets.write_text("ticket_id,modem\n007,00:11:00:00:00:01\n008,0011.0000.0002\n")
    words = ("--mac", "modem", "--key-file", tmp_path / "key")
    told = run("collect", "ids", tickets, "--out", tmp_path / "ids.csv", *words, "--json")
    assert json.loads(told.out)["rows"] == 2
    table = pl.read_csv(tmp_path / "ids.csv", infer_schema=False)
    ids = DeviceIds(b"0123456789abcdef")
    assert table.columns == ["ticket_id", "device_id"]
    assert table["ticket_id"].to_list() == ["007", "008"]
    assert table["device_id"].to_list() == [ids.of("001100000001"), ids.of("001100000002")]
    run("collect", "ids", tickets, "--out", tmp_path / "ids.parquet", *words)
    assert pl.read_parquet(tmp_path / "ids.parquet").equals(table)
    tickets.write_text("ticket_id,modem\n007,nothing\n")
    told = run("collect", "ids", tickets, "--out", tmp_path / "ids.csv", *words)
    assert told.code == 3
    assert "column 'modem', row 1: not a MAC address" in told.err
    assert run("collect", "ids", tickets, "--out", tmp_path / "ids.txt", *words).code == 2
    assert run("collect", "ids", tickets, "--out", tmp_path / "ids.csv").code == 3
