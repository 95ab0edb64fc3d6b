"""What the SNMP collector is told: CMTSs, credentials, politeness, privacy; a strict TOML file."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from faultsight.collectors._device_ids import DeviceIds
from faultsight.collectors._fnodes import read_fnodes
from faultsight.core.errors import InputError, SettingError

__all__ = ["CmtsConfig", "Credentials", "PollingConfig", "SnmpConfig", "read_config"]

AUTHENTICATION = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
PRIVACY = ("des", "aes128", "aes192", "aes256")
_SHORTEST_PASSWORD = 8  # RFC 3414
_SECRETS = ("community", "auth_key", "priv_key")
_MOST_REPETITIONS = 60
_NAME = re.compile(r"[\w.-]{1,64}")


@dataclass(frozen=True)
class Credentials:
    """How to ask an agent: SNMP v2c with a community, or v3 with a user.

    Secrets are never part of the text of this object.

    Parameters
    ----------
    community : str
        Of v2c.
    user : str
        Of v3; with a user, v3 is spoken.
    auth, auth_key : str
        v3: one of md5, sha1, sha224, sha256, sha384, sha512, and the password; none without.
    priv, priv_key : str
        v3: one of des, aes128, aes192, aes256, and the password; needs ``auth``.

    Examples
    --------
    >>> Credentials(community="secret")
    Credentials(user='', auth='', priv='')
    """

    community: str = field(default="", repr=False)
    user: str = ""
    auth: str = ""
    auth_key: str = field(default="", repr=False)
    priv: str = ""
    priv_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if bool(self.community) == bool(self.user):
            raise SettingError("credentials are either a community (v2c) or a user (v3)")
        if not self.user and (self.auth or self.priv or self.auth_key or self.priv_key):
            raise SettingError("auth and priv belong to a user (v3), not to a community")
        if self.priv and not self.auth:
            raise SettingError("priv without auth does not exist in SNMP v3")
        for kind, known in (("auth", AUTHENTICATION), ("priv", PRIVACY)):
            chosen, key = getattr(self, kind), getattr(self, f"{kind}_key")
            if chosen and chosen not in known:
                raise SettingError(f"{kind} must be one of {', '.join(known)}, not {chosen!r}")
            if bool(chosen) != bool(key):
                raise SettingError(f"{kind} and {kind}_key are given together or not at all")
            if chosen and len(key) < _SHORTEST_PASSWORD:
                raise SettingError(f"{kind}_key must have at least {_SHORTEST_PASSWORD} characters")

    @property
    def is_v3(self) -> bool:
        """Whether SNMP v3 is spoken."""
        return bool(self.user)


@dataclass(frozen=True)
class CmtsConfig:
    """One CMTS and its modems.

    Parameters
    ----------
    name : str
        In reports and in the state of the collector.
    address : str
        Its management address.
    credentials, modem_credentials : Credentials
        How to ask the CMTS, and its modems.
    port, modem_port : int
        UDP ports.
    fnode_prefix : str
        Put before each fiber node's name, where two CMTSs use the same names.
    fnodes : mapping of str to str
        The fiber node by ``device_id``; goes before what the CMTS says.
    """

    name: str
    address: str
    credentials: Credentials
    modem_credentials: Credentials
    port: int = 161
    modem_port: int = 161
    fnode_prefix: str = ""
    fnodes: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingError(f"a CMTS is named by letters, digits, . _ -, not {self.name!r}")
        if not self.address or any(c.isspace() for c in self.address):
            raise SettingError(f"CMTS {self.name} has no usable address")
        for name in ("port", "modem_port"):
            if not 1 <= getattr(self, name) <= 65535:
                raise SettingError(f"CMTS {self.name}: {name} must be from 1 to 65535")


@dataclass(frozen=True)
class PollingConfig:
    """How fast and how often is asked; the defaults are polite.

    Parameters
    ----------
    requests_per_s : float
        Most requests a second to the modems of one CMTS. 10,000 modems at 100 take 100 s.
    walk_requests_per_s : float
        Most requests a second to a CMTS itself, whose processor forwards packets, too.
    concurrency : int
        Most modems of one CMTS with a request under way.
    timeout_s : float
        How long an answer is waited for.
    retries : int
        Further requests where there was no answer.
    max_repetitions : int
        Rows in each answer of a CMTS; one of 40 is about 1,400 bytes. It must stay below 4 KB.
    pre_equalization : bool
        Whether coefficients are asked for; they are most of a modem's answer.
    ofdma : bool
        Whether OFDMA channels (DOCSIS 3.1) are asked for besides SC-QAM ones.
    channel_states : bool
        Whether `faultsight.core.polls.CHANNEL_STATES` are asked for: two fifths more requests to a
        CMTS, and two more objects for each channel of a modem.
    remember_days : float
        How long a modem that its CMTS no longer lists is still told of as not answering.
    """

    requests_per_s: float = 100.0
    walk_requests_per_s: float = 25.0
    concurrency: int = 50
    timeout_s: float = 2.0
    retries: int = 1
    max_repetitions: int = 40
    pre_equalization: bool = True
    ofdma: bool = False
    channel_states: bool = False
    remember_days: float = 7.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("requests_per_s", 0.01, 1e9),
            ("walk_requests_per_s", 0.01, 1e9),
            ("concurrency", 1, 10_000),
            ("timeout_s", 0.01, 120.0),
            ("retries", 0, 5),
            ("max_repetitions", 1, _MOST_REPETITIONS),
            ("remember_days", 0.0, 3650.0),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise SettingError(f"{name} must be from {low:g} to {high:g}, not {value:g}")


@dataclass(frozen=True)
class SnmpConfig:
    """Everything the SNMP collector is told.

    Parameters
    ----------
    cmts : tuple of CmtsConfig
        At least one.
    interval_s : int
        From round to round; a round's id is its start in such intervals since 1970.
    polling : PollingConfig
        How fast and how often is asked.
    device_ids : DeviceIds
        How MAC addresses become device ids.
    seed : int
        Of the order in which modems are asked; it differs from round to round.
    holds_secrets : bool
        Whether the file itself holds a secret.

    Examples
    --------
    >>> reader = Credentials(community="secret")
    >>> SnmpConfig((CmtsConfig("east-1", "192.0.2.10", reader, reader),)).interval_s
    14400
    """

    cmts: tuple[CmtsConfig, ...]
    interval_s: int = 14_400
    polling: PollingConfig = field(default_factory=PollingConfig)
    device_ids: DeviceIds = field(default_factory=DeviceIds)
    seed: int = 0
    holds_secrets: bool = False

    def __post_init__(self) -> None:
        if not self.cmts:
            raise SettingError("there is no CMTS to collect from")
        names = [one.name for one in self.cmts]
        for name in names:
            if names.count(name) > 1:
                raise SettingError(f"two CMTSs are named {name!r}")
        if not 1 <= self.interval_s <= 7 * 86_400:
            raise SettingError(f"interval_s must be from 1 to 604800, not {self.interval_s}")
        if self.seed < 0:
            raise SettingError("seed must be at least 0")


def read_config(path: Path | str, environment: Mapping[str, str] | None = None) -> SnmpConfig:
    """Read the TOML file of the collector.

    Parameters
    ----------
    path : path
        The file; files that it names lie relative to it.
    environment : mapping, optional
        Where ``community_env`` and the like are looked up; `os.environ` if not given.

    Raises
    ------
    InputError
        If the file cannot be read as TOML.
    SettingError
        If a key is not known, missing, or has a value that it cannot have; no message holds a
        secret.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "collect.toml"
    >>> _ = file.write_text('''
    ... [credentials.reader]
    ... community_env = "CMTS_COMMUNITY"
    ... [[cmts]]
    ... name = "east-1"
    ... address = "192.0.2.10"
    ... credentials = "reader"
    ... ''')
    >>> read_config(file, {"CMTS_COMMUNITY": "secret"}).cmts[0].name
    'east-1'
    """
    path = Path(path)
    environment = os.environ if environment is None else environment
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", source=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        # Its text tells line and column, and in some cases quotes a character; never a value.
        place = re.search(r"\(at .*\)$", str(error))
        where = place.group() if place else ""
        raise InputError(f"is not TOML {where}".rstrip(), source=str(path)) from None
    try:
        return _config(document, path.parent, environment)
    except SettingError as error:
        raise SettingError(f"{path}: {error}") from error


def _config(document: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> SnmpConfig:
    _known(document, ("interval_s", "seed", "credentials", "cmts", "polling", "privacy"), "")
    told = _table(document, "credentials", "")
    credentials = {
        name: _credentials(_table(told, name, "credentials."), f"credentials.{name}", environment)
        for name in told
    }
    polling = _typed(PollingConfig, _table(document, "polling", ""), "polling")
    device_ids = _privacy(_table(document, "privacy", ""), folder)
    listed = document.get("cmts", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise SettingError("each CMTS is a table of its own: [[cmts]]")
    return SnmpConfig(
        cmts=tuple(_cmts(one, credentials, device_ids, folder) for one in listed),
        interval_s=_as(int, document.get("interval_s", 14_400), "interval_s"),
        polling=polling,
        device_ids=device_ids,
        seed=_as(int, document.get("seed", 0), "seed"),
        holds_secrets=any(name in told[one] for one in told for name in _SECRETS),
    )


def _credentials(told: dict[str, Any], where: str, environment: Mapping[str, str]) -> Credentials:
    names = [item.name for item in fields(Credentials)]
    _known(told, [*names, *(f"{name}_env" for name in _SECRETS)], where)
    values = {name: told[name] for name in names if name in told}
    for name in _SECRETS:
        variable = told.get(f"{name}_env")
        if variable is None:
            continue
        if name in told:
            raise SettingError(f"{where}: {name} and {name}_env are both given")
        variable = _as(str, variable, f"{where}.{name}_env")
        if not environment.get(variable):
            raise SettingError(f"{where}: the environment variable {variable} is not set")
        values[name] = environment[variable]
    for name, value in values.items():
        _as(str, value, f"{where}.{name}", shown=name not in _SECRETS)
    try:
        return Credentials(**values)
    except SettingError as error:
        raise SettingError(f"{where}: {error}") from error


def _cmts(
    told: dict[str, Any], credentials: Mapping[str, Credentials], ids: DeviceIds, folder: Path
) -> CmtsConfig:
    where = f"cmts {told.get('name', '')!r}"
    names = [item.name for item in fields(CmtsConfig)]
    _known(told, names, where)
    values = dict(told)
    for name in ("name", "address", "credentials"):
        if name not in told:
            raise SettingError(f"{where}: {name} is missing")
    values.setdefault("modem_credentials", values["credentials"])
    for name in ("credentials", "modem_credentials"):
        chosen = _as(str, values[name], f"{where}.{name}")
        if chosen not in credentials:
            raise SettingError(f"{where}: there is no [credentials.{chosen}]")
        values[name] = credentials[chosen]
    for name in ("name", "address", "fnode_prefix"):
        _as(str, values.get(name, ""), f"{where}.{name}")
    for name in ("port", "modem_port"):
        _as(int, values.get(name, 161), f"{where}.{name}")
    if "fnodes" in told:
        file = _as(str, told["fnodes"], f"{where}.fnodes")
        values["fnodes"] = read_fnodes(folder / file, ids)
    return CmtsConfig(**values)


def _privacy(told: dict[str, Any], folder: Path) -> DeviceIds:
    _known(told, ("device_id", "key_file"), "privacy")
    kind = told.get("device_id", "hashed")
    if kind not in ("hashed", "mac"):
        raise SettingError(f"privacy: device_id is 'hashed' or 'mac', not {kind!r}")
    if kind == "mac":
        if "key_file" in told:
            raise SettingError("privacy: a key_file is for device_id = 'hashed'")
        return DeviceIds(hashed=False)
    if "key_file" not in told:
        return DeviceIds()
    return DeviceIds.from_key_file(folder / _as(str, told["key_file"], "privacy.key_file"))


def _typed(kind: type[PollingConfig], told: dict[str, Any], where: str) -> PollingConfig:
    defaults = kind()
    _known(told, [item.name for item in fields(kind)], where)
    values = {
        name: _as(type(getattr(defaults, name)), value, f"{where}.{name}")
        for name, value in told.items()
    }
    try:
        return kind(**values)
    except SettingError as error:
        raise SettingError(f"{where}: {error}") from error


def _known(told: Mapping[str, Any], names: Any, where: str) -> None:
    for key in told:
        if key not in names:
            place = f"{where}: " if where else ""
            raise SettingError(f"{place}there is no setting {key!r}; there are {', '.join(names)}")


def _table(told: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    table = told.get(name, {})
    if not isinstance(table, dict):
        raise SettingError(f"{where}{name} is a table: [{where}{name}]")
    return table


def _as(kind: type[Any], value: Any, name: str, *, shown: bool = True) -> Any:
    """Return a value of a type; a whole number will do for a real one, a truth value for none."""
    is_fine = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if is_fine and (kind is bool or not isinstance(value, bool)):
        return kind(value)
    told = f", not {value!r}" if shown else ""
    raise SettingError(f"{name} must be of type {kind.__name__}{told}")
