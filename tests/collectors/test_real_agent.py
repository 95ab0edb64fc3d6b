"""The collector against snmpsim, an agent that is not ours, over SNMP v2c and v3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from faultsight.collectors.snmp import Credentials, PollingConfig, SnmpCollector
from faultsight.core.errors import InputError
from faultsight.core.telemetry import TelemetryFolder

V3 = {"user": "reader", "auth": "sha256", "auth_key": "authentication",
      "priv": "aes128", "priv_key": "privacy-of-it"}  # fmt: skip
CREDENTIALS = {
    "v2c": (Credentials(community="cmts"), Credentials(community="cm")),
    "v3": (Credentials(**V3), Credentials(**V3)),
}


def ports(agent: Any, version: str) -> dict[str, Any]:
    cmts, modem = CREDENTIALS[version]
    return {"credentials": cmts, "modem_credentials": modem, "modem_port": agent.modem_port}


@pytest.mark.parametrize("version", ["v2c", "v3"])
def test_a_round(
    version: str,
    real_agent: Any,
    collector_of: Callable[..., SnmpCollector],
    sink: TelemetryFolder,
    rows_of: Callable[[TelemetryFolder], pl.DataFrame],
) -> None:
    collector = collector_of(real_agent.cmts_port, cmts=ports(real_agent, version))
    done = collector.collect(sink)
    assert (done.polled, done.answered, done.rows, done.notes) == (20, 20, 60, ())
    rows = rows_of(sink).sort("device_id", "channel")
    # Group 1 reaches one fiber node; group 2 two, which nobody can tell apart.
    counts = dict(rows.group_by("fnode").len().iter_rows())
    assert counts == {"FN-A": 36, "FN-B+FN-C": 24}
    first = rows.filter(pl.col("device_id") == "00:11:00:00:00:01")
    # As the records have it: 348 and 328 tenth dB, -20 and 13 and 384, 495 and 366 tenth dBmV.
    assert first["snr_db"].to_list()[:2] == pytest.approx([34.8, 32.8])
    assert first["rx_power_dbmv"].to_list()[:2] == pytest.approx([-2.0, 1.3])
    assert first["tx_power_dbmv"].to_list() == pytest.approx([38.4, 49.5, 36.6])
    data = first["pre_equalization"][0]
    assert len(data) == 100
    assert data[:4].hex() == "08011800"
    # The agent's counters stand still and its uptime does not count either.
    again = collector.collect(sink)
    assert again.answered == 20
    second = rows_of(sink)[60:]
    assert set(second["t3_timeouts"]) == {0.0}
    assert set(second["codewords_unerrored"]) == {0.0}


def test_states_of_channels_are_read_where_they_are_wanted(
    real_agent: Any,
    collector_of: Callable[..., SnmpCollector],
    sink: TelemetryFolder,
    rows_of: Callable[[TelemetryFolder], pl.DataFrame],
) -> None:
    polling = PollingConfig(
        requests_per_s=1e6, walk_requests_per_s=1e6, channel_states=True, ofdma=True
    )
    settings = ports(real_agent, "v2c")
    collector = collector_of(real_agent.cmts_port, cmts=settings, polling=polling)
    for _ in range(2):
        done = collector.collect(sink)
        assert (done.answered, done.set_aside, done.notes) == (20, (), ())
    rows = rows_of(sink)
    first, second = (part.sort("device_id", "channel") for part in (rows[:60], rows[60:]))
    assert first["is_muted"].to_list() == [False, True, False, *[False] * 57]
    assert first["ranging"].to_list() == ["success", "success", "T4 timeout", *["success"] * 57]
    assert first["micro_reflections_dbc"].to_list() == [-27.0, *[None] * 59]
    assert first["snr_std_db"].to_list() == [None] * 60  # none of its channels is OFDMA
    for counter in ("ranging_aborts", "t3_exceeded"):
        assert first[counter].to_list() == [None] * 60
        assert second[counter].to_list() == [0.0] * 60


@pytest.mark.parametrize("version", ["v2c", "v3"])
def test_modems_of_docsis_2_are_read_from_the_older_tables(
    version: str,
    real_agent: Any,
    collector_of: Callable[..., SnmpCollector],
    sink: TelemetryFolder,
    rows_of: Callable[[TelemetryFolder], pl.DataFrame],
) -> None:
    collector = collector_of(real_agent.older_cmts_port, cmts=ports(real_agent, version))
    done = collector.collect(sink)
    assert (done.polled, done.answered, done.notes, done.set_aside) == (3, 3, (), ())
    rows = rows_of(sink).sort("device_id", "channel")
    told = rows.select("device_id", "channel", "snr_db", "rx_power_dbmv", "tx_power_dbmv").rows()
    assert [(device[-2:], channel) for device, channel, *_ in told] == [
        ("01", "1"), ("01", "2"), ("01", "3"), ("02", "1"), ("03", "1"),
    ]  # fmt: skip
    # Of modem 1 the older table says 35.5 dB; it is in the newer one, and that counts.
    assert told[0][2:] == pytest.approx((36.1, 0.5, 38.4))
    assert told[3][2:] == pytest.approx((31.2, -0.7, 44.7))
    assert told[4][2:4] == (None, None)  # 0 is "unknown", not 0 dB
    assert told[4][4] == pytest.approx(44.7)
    assert {len(data) for data in rows["pre_equalization"][3:]} == {100}
    assert collector.collect(sink).answered == 3
    again = rows_of(sink)[rows.height :].sort("device_id", "channel")
    for counter in ("codewords_unerrored", "codewords_corrected", "t3_timeouts", "t4_timeouts"):
        assert again[counter][3:].to_list() == [0.0, 0.0]


def test_a_wrong_community_is_no_answer(
    real_agent: Any, collector_of: Callable[..., SnmpCollector], sink: TelemetryFolder
) -> None:
    wrong = Credentials(community="nobody-knows")
    settings = ports(real_agent, "v2c")
    polling = PollingConfig(timeout_s=0.2)
    collector = collector_of(
        real_agent.cmts_port, cmts={**settings, "credentials": wrong}, polling=polling
    )
    with pytest.raises(InputError, match="no answer") as told:
        collector.collect(sink)
    assert "nobody-knows" not in str(told.value)


def test_a_wrong_key_is_no_answer(
    real_agent: Any, collector_of: Callable[..., SnmpCollector], sink: TelemetryFolder
) -> None:
    wrong = Credentials(**{**V3, "auth_key": "not-the-password"})
    settings = {**ports(real_agent, "v3"), "modem_credentials": wrong}
    done = collector_of(real_agent.cmts_port, cmts=settings).collect(sink)
    assert (done.polled, done.answered) == (20, 0)
    assert "not-the-password" not in repr(done)


@pytest.mark.parametrize(
    "changes",
    [
        {"auth": "md5", "auth_key": "authentication", "priv": "", "priv_key": ""},
        {"auth": "", "auth_key": "", "priv": "", "priv_key": ""},
    ],
)
def test_other_levels_of_v3_are_spoken_and_refused_by_this_agent(
    changes: dict[str, str],
    real_agent: Any,
    collector_of: Callable[..., SnmpCollector],
    sink: TelemetryFolder,
) -> None:
    settings = {**ports(real_agent, "v3"), "credentials": Credentials(**{**V3, **changes})}
    with pytest.raises(InputError, match="no CMTS could be walked"):
        collector_of(real_agent.cmts_port, cmts=settings).collect(sink)
