"""The collector's file: strict, and silent about secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faultsight.collectors._snmp_config import (
    Credentials,
    PollingConfig,
    SnmpConfig,
    read_config,
)
from faultsight.core.errors import FaultSightError, InputError, SettingError

WHOLE = """
interval_s = 3600
seed = 7

[credentials.cmts]
community = "cmts-secret"

[credentials.modems]
user = "reader"
auth = "sha256"
auth_key_env = "AUTH"
priv = "aes128"
priv_key = "private-secret"

[[cmts]]
name = "east-1"
address = "192.0.2.10"
credentials = "cmts"
modem_credentials = "modems"
fnode_prefix = "e-"
fnodes = "fnodes.csv"

[[cmts]]
name = "east-2"
address = "2001:db8::1"
credentials = "cmts"
modem_port = 1161

[polling]
requests_per_s = 20
concurrency = 5
ofdma = true

[privacy]
key_file = "key"
"""
ENVIRONMENT = {"AUTH": "authentic-secret"}
MINIMAL = """
[credentials.c]
community = "hidden-secret"
[[cmts]]
name = "a"
address = "192.0.2.1"
credentials = "c"
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    (tmp_path / "fnodes.csv").write_text("mac,fnode\n00:11:00:00:00:01,N1\n")
    (tmp_path / "key").write_text("0123456789abcdef\n")

    def _read(text: str, environment: dict[str, str] = ENVIRONMENT) -> SnmpConfig:
        (tmp_path / "collect.toml").write_text(text)
        return read_config(tmp_path / "collect.toml", environment)

    return _read


def test_a_whole_file(read: Any) -> None:
    config = read(WHOLE)
    first, second = config.cmts
    assert (config.interval_s, config.seed, config.holds_secrets) == (3600, 7, True)
    assert first.credentials.community == "cmts-secret"
    assert first.modem_credentials.auth_key == "authentic-secret"
    assert first.modem_credentials.is_v3
    assert (first.fnode_prefix, second.modem_port, second.port) == ("e-", 1161, 161)
    assert second.modem_credentials is second.credentials
    assert first.fnodes == {config.device_ids.of("001100000001"): "N1"}
    assert config.polling == PollingConfig(requests_per_s=20.0, concurrency=5, ofdma=True)


def test_what_is_not_told_is_polite(read: Any) -> None:
    config = read(MINIMAL)
    assert (config.interval_s, config.polling) == (14_400, PollingConfig())
    assert config.polling.requests_per_s <= 100
    assert config.device_ids.hashed


def test_no_text_of_a_config_holds_a_secret(read: Any) -> None:
    config = read(WHOLE)
    for shown in (repr(config), str(config), repr(config.cmts[0].modem_credentials)):
        assert "-secret" not in shown
        assert "0123456789abcdef" not in shown
        assert "00:11" not in shown


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('community = "hidden-secret"', "", "either a community"),
        ('community = "hidden-secret"', 'community = "hidden-secret"\nuser = "u"', "either a"),
        ('community = "hidden-secret"', "community = 5", "must be of type str"),
        ('community = "hidden-secret"', 'community_env = "NOT_SET"', "NOT_SET is not set"),
        ('community = "hidden-secret"', 'comunity = "hidden-secret"', "no setting 'comunity'"),
        ('community = "hidden-secret"', 'community = "hidden-secret"\npriv = "des"', "belong to"),
        ('community = "hidden-secret"', 'user = "u"\nauth = "sha256"', "given together"),
        ('community = "hidden-secret"', 'user = "u"\nauth_key = "hidden-secret"', "together"),
        (
            'community = "hidden-secret"',
            'user = "u"\npriv = "des"\npriv_key = "hidden-secret"',
            "priv without auth",
        ),
        (
            'community = "hidden-secret"',
            'user = "u"\nauth = "sha3"\nauth_key = "hidden-secret"',
            "auth must be one of",
        ),
        (
            'community = "hidden-secret"',
            'user = "u"\nauth = "md5"\nauth_key = "secret"',
            "at least 8",
        ),
        ('credentials = "c"', 'credentials = "d"', r"no \[credentials.d\]"),
        ('credentials = "c"', "", "credentials is missing"),
        ('address = "192.0.2.1"', 'address = "192.0.2. 1"', "no usable address"),
        ('name = "a"', 'name = "a b"', "named by letters"),
        ('name = "a"', 'name = "a"\nport = 0', "port must be"),
        ('name = "a"', 'name = "a"\nport = "161"', "must be of type int"),
        ('name = "a"', 'name = "a"\nport = true', "must be of type int"),
        ('name = "a"', 'name = "a"\nfnodes = "none.csv"', "no such file"),
        ("[[cmts]]", "[cmts]", r"\[\[cmts\]\]"),
        ("[[cmts]]", "[polling]\nconcurrency = 0\n[[cmts]]", "concurrency must be from 1"),
        ("[[cmts]]", "[polling]\ntimeout_s = nan\n[[cmts]]", "timeout_s must be"),
        ("[[cmts]]", "[polling]\nofdma = 1\n[[cmts]]", "must be of type bool"),
        ("[[cmts]]", "[polling]\nspeed = 1\n[[cmts]]", "no setting 'speed'"),
        ("[[cmts]]", "[privacy]\ndevice_id = 'none'\n[[cmts]]", "'hashed' or 'mac'"),
        ("[[cmts]]", "[privacy]\ndevice_id = 'mac'\nkey_file = 'k'\n[[cmts]]", "key_file is for"),
        ("[[cmts]]", "[privacy]\nkey_file = 'none'\n[[cmts]]", "openssl rand"),
        ("\n[credentials.c]", "interval_s = 0\n[credentials.c]", "interval_s must be"),
        ("\n[credentials.c]", "seed = -1\n[credentials.c]", "seed must be"),
        ("\n[credentials.c]", "surprise = 1\n[credentials.c]", "no setting 'surprise'"),
        ("\n[credentials.c]", "polling = 3\n[credentials.c]", "polling is a table"),
        ("[credentials.c]", "[credentials.c", "is not TOML"),
    ],
)
def test_what_cannot_be_is_refused_without_telling_secrets(
    read: Any, old: str, new: str, reason: str
) -> None:
    assert old in MINIMAL
    with pytest.raises(FaultSightError, match=reason) as told:
        read(MINIMAL.replace(old, new))
    chain: BaseException | None = told.value
    while chain is not None:
        assert "secret" not in str(chain)
        chain = chain.__cause__


def test_no_cmts_and_two_of_one_name(read: Any) -> None:
    with pytest.raises(SettingError, match="no CMTS"):
        read("interval_s = 60\n")
    cmts = MINIMAL[MINIMAL.index("[[cmts]]") :]
    with pytest.raises(SettingError, match="two CMTSs are named 'a'"):
        read(MINIMAL + cmts)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_config(tmp_path / "binary.toml")


def test_a_short_key_is_refused(read: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    with pytest.raises(InputError, match="at least 16 bytes"):
        read(WHOLE)


def test_levels_of_v3() -> None:
    assert Credentials(user="u").is_v3
    assert Credentials(user="u", auth="sha512", auth_key="12345678").auth == "sha512"
