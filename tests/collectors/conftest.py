"""A real SNMP agent on loopback, and collectors that ask agents on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight.collectors._device_ids import DeviceIds
from faultsight.collectors._many_sockets import run_all
from faultsight.collectors._snmp_session import opener
from faultsight.collectors.snmp import (
    CmtsConfig,
    Credentials,
    PollingConfig,
    SnmpCollector,
    SnmpConfig,
)
from faultsight.core.telemetry import TelemetryFolder

FIXTURES = Path(__file__).parents[1] / "fixtures" / "snmp"
FAST = PollingConfig(
    requests_per_s=1e6, walk_requests_per_s=1e6, concurrency=100, timeout_s=1.0, max_repetitions=40
)
READER = Credentials(community="public")
V3_READER = Credentials(
    user="reader",
    auth="sha256",
    auth_key="authentication",
    priv="aes128",
    priv_key="privacy-of-it",
)

_ADDRESS = {"older-cm": "127.0.0.2"}

Collect = Callable[..., SnmpCollector]


@dataclass(frozen=True)
class RealAgent:
    """Ports of snmpsim: a CMTS, its modems, and a CMTS that has modems of DOCSIS 2.0, too."""

    cmts_port: int
    modem_port: int
    older_cmts_port: int


@pytest.fixture(scope="session")
def real_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAgent]:
    """Run snmpsim: v2c by community cmts and cm, v3 by the user reader."""
    folder = tmp_path_factory.mktemp("snmpsim")
    command = [str(Path(sys.executable).parent / "snmpsim-command-responder")]
    if os.geteuid() == 0:  # it refuses to stay root unless it is told to
        command += ["--process-user=root", "--process-group=root"]
    command += [f"--cache-dir={folder / 'cache'}", f"--logging-method=file:{folder / 'log'}"]
    ports = {"cmts": _free_port(), "cm": _free_port(), "older-cmts": _free_port()}
    ports["older-cm"] = ports["cm"]  # of other modems, at another address
    for name, port in ports.items():
        community, address = name.removeprefix("older-"), _ADDRESS.get(name, "127.0.0.1")
        data = folder / name
        data.mkdir()
        # By community; and under the name that is the empty context of SNMP v3.
        for record in (f"{community}.snmprec", "self.snmprec"):
            shutil.copyfile(FIXTURES / f"{name}.snmprec", data / record)
        command += [
            "--v3-engine-id=auto",
            f"--data-dir={data}",
            f"--v3-user={V3_READER.user}",
            f"--v3-auth-key={V3_READER.auth_key}",
            "--v3-auth-proto=SHA256",
            f"--v3-priv-key={V3_READER.priv_key}",
            "--v3-priv-proto=AES",
            f"--agent-udpv4-endpoint={address}:{port}",
        ]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        for name, port in ports.items():
            place = _ADDRESS.get(name, "127.0.0.1"), port
            _await(place, name.removeprefix("older-"), process, folder)
        yield RealAgent(ports["cmts"], ports["cm"], ports["older-cmts"])
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _await(
    place: tuple[str, int], community: str, process: subprocess.Popen[bytes], folder: Path
) -> None:
    address, port = place
    ask = opener(Credentials(community=community), port, 0.5)
    for _ in range(60):
        assert process.poll() is None, (folder / "output").read_text()
        try:
            if run_all([ask(address).get(["1.3.6.1.2.1.1.3.0"])])[0]:
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"snmpsim does not answer: {(folder / 'output').read_text()}")


@pytest.fixture
def collector_of(tmp_path: Path) -> Collect:
    """Return a maker of collectors for an agent on one port, all with one state."""

    def make(port: int, **changes: Any) -> SnmpCollector:
        polling = changes.pop("polling", FAST)
        cmts = replace(
            CmtsConfig("lab", "127.0.0.1", READER, READER, port, port), **changes.pop("cmts", {})
        )
        config = SnmpConfig(
            (cmts,), interval_s=600, polling=polling, device_ids=DeviceIds(hashed=False)
        )
        return SnmpCollector(replace(config, **changes), state=tmp_path / "state")

    return make


@pytest.fixture
def sink(tmp_path: Path) -> TelemetryFolder:
    return TelemetryFolder.create(tmp_path / "pnm", n_buckets=4)


@pytest.fixture
def rows_of() -> Callable[[TelemetryFolder], pl.DataFrame]:
    """Return a reader of every row that was written: files as they came, then their own order."""

    def read(sink: TelemetryFolder) -> pl.DataFrame:
        files = sorted(sink.path.glob("bucket=*/*.parquet"), key=lambda f: f.stat().st_mtime_ns)
        return pl.concat([pl.read_parquet(file) for file in files], how="diagonal")

    return read
