"""Which modems a CMTS lists, and what it measured of each: its tables, interpreted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
import polars as pl

from faultsight.collectors import _docsis_objects as docsis
from faultsight.collectors._cmts_walk import CmtsTables
from faultsight.collectors._device_ids import DeviceIds
from faultsight.collectors._docsis_objects import ChannelKind, SnmpObject
from faultsight.collectors._set_aside import SetAside, tally
from faultsight.collectors._snmp_config import CmtsConfig

__all__ = [
    "ListedModem",
    "listed_modems",
    "measured_at_cmts",
    "measured_of_older",
    "wrong_types",
]

WRONG_TYPE = "not of the type that the MIB says"
_NO_ID = "a channel without an id at the CMTS"


@dataclass(frozen=True, slots=True)
class ListedModem:
    """One modem as its CMTS knows it.

    Attributes
    ----------
    cm : str
        Its number in the CMTS's tables.
    device_id, fnode : str
        As in telemetry.
    address : str
        Empty where it has none.
    is_online : bool
        Whether it is registered, so that it can be asked.
    """

    cm: str
    device_id: str
    fnode: str
    address: str
    is_online: bool


def listed_modems(
    tables: CmtsTables, config: CmtsConfig, ids: DeviceIds, known_fnodes: Mapping[str, str]
) -> tuple[list[ListedModem], list[SetAside]]:
    """Return the modems that a CMTS lists, each once, and what was set aside.

    Parameters
    ----------
    tables : CmtsTables
        What the CMTS said.
    config : CmtsConfig
        Whose tables they are.
    ids : DeviceIds
        How MAC addresses become device ids.
    known_fnodes : mapping of str to str
        Fiber nodes of earlier rounds by device: a CMTS does not know the service group of a modem
        that is offline.
    """
    fnodes = _fnodes_of_groups(tables)
    states = tables.column(docsis.REG_STATE)
    domains = tables.column(docsis.REG_MAC_DOMAIN)
    groups = tables.column(docsis.REG_SERVICE_GROUP)
    found: dict[str, ListedModem] = {}
    problems: dict[str, list[str]] = defaultdict(list)
    for cm, mac in tables.column(docsis.REG_MAC).items():
        if not isinstance(mac, bytes) or len(mac) != 6:
            problems["its MAC address cannot be read"].append(f"modem {cm} of {config.name}")
            continue
        device_id = ids.of(mac)
        # A group or domain of 0 is none, and is in no fiber node.
        told = fnodes.get((domains.get(cm), groups.get(cm)), "")
        fnode = (
            config.fnodes.get(device_id)
            or (told and config.fnode_prefix + told)
            or known_fnodes.get(device_id, "")
        )
        if not fnode:
            problems["its fiber node is not known"].append(device_id)
            continue
        address = _address(tables, cm)
        is_online = states.get(cm) in docsis.IS_ONLINE and bool(address)
        before = found.get(device_id)
        if before is not None:
            # A modem that moved may be listed in its old place, too, until that entry is dropped.
            problems["listed twice; the entry that is online counts"].append(device_id)
            if before.is_online:
                continue
        found[device_id] = ListedModem(cm, device_id, fnode, address, is_online)
    aside = [
        one
        for reason, examples in problems.items()
        for one in tally(reason, len(examples), example=examples[0])
    ]
    return list(found.values()), aside


def measured_at_cmts(
    tables: CmtsTables, kinds: Sequence[ChannelKind], device_of_cm: Mapping[str, str]
) -> tuple[pl.DataFrame, list[SetAside]]:
    """Return what a CMTS measured, a row for each modem and channel, and what was set aside.

    Counters are totals, ``codewords_corrected_total`` and the like, of ``codeword_bits``;
    ``has_pre_equalization`` is False where the channel does not use it. Of `ChannelKind.states`
    there are those columns that were walked.
    """
    parts, aside, n_unjoined = [], [], 0
    for kind in kinds:
        ids = _channel_ids(tables, kind)
        measured = _Measured(kind, tables)
        for instance in measured.instances():
            cm, _, index = instance.partition(".")
            device = device_of_cm.get(cm)
            if device is None:
                continue  # of a modem that was set aside, or is offline
            if index not in ids:
                n_unjoined += 1
                continue
            measured.add(instance, device, ids[index], index)
        table, wrong = measured.table(tables)
        parts.append(table)
        aside += wrong
    aside += tally(_NO_ID, n_unjoined)
    table = pl.concat(parts, how="diagonal")
    return table.unique(["device_id", "channel"], keep="first", maintain_order=True), aside


def measured_of_older(
    tables: CmtsTables, rows: CmtsTables, device_of_mac: Mapping[object, str]
) -> tuple[pl.DataFrame, list[SetAside]]:
    """Return what a CMTS measured of modems with one channel; columns as of `measured_at_cmts`.

    Parameters
    ----------
    tables : CmtsTables
        The walk, which has the channels' ids.
    rows : CmtsTables
        The modems' rows of the older table, from `faultsight.collectors._cmts_walk.look_up`.
    device_of_mac : mapping
        Devices by the address that stands in the table.
    """
    ids = _channel_ids(tables, docsis.OLDER)
    measured = _Measured(docsis.OLDER, rows)
    n_unjoined = 0
    for instance, told in rows.column(docsis.OLDER_CHANNEL).items():
        index = str(told)
        device = device_of_mac.get(rows.column(docsis.OLDER_MAC)[instance])
        if device is None or told == docsis.OLDER_CHANNEL.unknown:
            continue
        if index not in ids:
            n_unjoined += 1
            continue
        measured.add(instance, device, ids[index], index)
    table, aside = measured.table(tables)
    aside += tally(_NO_ID, n_unjoined)
    return table.unique(["device_id", "channel"], keep="first", maintain_order=True), aside


class _Measured:
    """Rows of one kind of channel, chosen one by one and converted together."""

    def __init__(self, kind: ChannelKind, tables: CmtsTables) -> None:
        self._kind = kind
        self._columns: dict[str, SnmpObject] = {
            "snr_db": kind.snr,
            "rx_power_dbmv": kind.rx_power,
            **{f"{column}_total": one for column, one in kind.codewords.items()},
        }
        self._columns |= {c: one for c, one in kind.states.items() if one.name in tables.columns}
        self._told = {column: tables.column(one) for column, one in self._columns.items()}
        self._instances: list[str] = []
        self._devices: list[str] = []
        self._channels: list[str] = []
        self._indices: list[str] = []

    def instances(self) -> list[str]:
        """Return those of which anything was told."""
        return list(dict.fromkeys(key for values in self._told.values() for key in values))

    def add(self, instance: str, device: str, channel: str, index: str) -> None:
        self._instances.append(instance)
        self._devices.append(device)
        self._channels.append(channel)
        self._indices.append(index)

    def table(self, channels: CmtsTables) -> tuple[pl.DataFrame, list[SetAside]]:
        """Return the rows in their units; ``channels`` tells which of them use coefficients."""
        is_enabled = _pre_equalization_by_index(channels, self._kind)
        aside: list[SetAside] = []
        n_bits = max((one.bits for one in self._kind.codewords.values()), default=None)
        data: dict[str, pl.Series] = {
            "device_id": pl.Series(self._devices, dtype=pl.String),
            "channel": pl.Series(self._channels, dtype=pl.String),
            "has_pre_equalization": pl.Series(
                [is_enabled.get(index) for index in self._indices], dtype=pl.Boolean
            ),
            "codeword_bits": pl.repeat(n_bits, len(self._devices), dtype=pl.Int64, eager=True),
        }
        for column, one in self._columns.items():
            raw = [self._told[column].get(instance) for instance in self._instances]
            if one.meanings:
                named, is_wrong = one.states(raw)
                kind = pl.Boolean if isinstance(one.meanings[0][1], bool) else pl.String
                data[column] = pl.Series(named, dtype=kind)
            else:
                values, is_wrong = one.totals(raw) if one.bits else one.levels(raw)
                data[column] = pl.Series(values).fill_nan(None)
            aside += wrong_types(column.removesuffix("_total"), raw, is_wrong, self._devices)
        return pl.DataFrame(data), aside


def wrong_types(
    column: str, told: Sequence[object], is_wrong: np.ndarray, devices: Sequence[str] | pl.Series
) -> list[SetAside]:
    """Return what was told in a wrong type, with one example."""
    if not is_wrong.any():
        return []
    first = int(np.argmax(is_wrong))
    kind = type(told[first]).__name__
    return tally(WRONG_TYPE, int(is_wrong.sum()), column, f"{kind} of {devices[first]}")


def _channel_ids(tables: CmtsTables, kind: ChannelKind) -> dict[str, str]:
    known = kind.cmts_channel_id
    return {
        index: str(told)
        for index, told in tables.column(known).items()
        if isinstance(told, int) and told != known.unknown
    }


def _pre_equalization_by_index(tables: CmtsTables, kind: ChannelKind) -> dict[str, bool]:
    if kind.pre_equalization_enabled is None:
        return {}
    truth = {1: True, 2: False}  # TruthValue of SNMPv2-TC
    return {
        index: truth[told]
        for index, told in tables.column(kind.pre_equalization_enabled).items()
        if isinstance(told, int) and told in truth
    }


def _fnodes_of_groups(tables: CmtsTables) -> dict[tuple[object, object], str]:
    """Return the fiber nodes that each MAC domain's service group reaches.

    Nodes that share a group share its receiver, and cannot be told apart over SNMP: they are one
    RF domain, named after all of them.
    """
    names: dict[tuple[object, object], set[str]] = defaultdict(set)
    for instance in tables.column(docsis.NODE_GROUP):
        try:
            domain, size, *rest = map(int, instance.split("."))
            name = bytes(rest[:size]).decode("utf-8", "replace").strip()
            (group,) = rest[size:]
        except ValueError:
            continue
        printable = "".join(c if c.isprintable() else "?" for c in name)
        if printable and group:
            names[domain, group].add(printable)
    return {key: "+".join(sorted(found)) for key, found in names.items()}


def _address(tables: CmtsTables, cm: str) -> str:
    for one, kind in ((docsis.REG_IPV4, IPv4Address), (docsis.REG_IPV6, IPv6Address)):
        told = tables.column(one).get(cm)
        try:
            address = kind(told) if isinstance(told, bytes) else ip_address(str(told))
        except ValueError:
            continue
        if isinstance(address, kind) and not address.is_unspecified:
            return str(address)
    return ""
