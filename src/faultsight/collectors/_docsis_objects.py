"""The DOCSIS objects that are read over SNMP: where each is, its unit, and what means "unknown".

Taken from DOCS-IF-MIB (RFC 4546), DOCS-IF3-MIB and DOCS-IF31-MIB. Two tables look right and are
not: docsIf3SignalQualityExtRxMER and, at a CMTS, docsIfSigQSignalNoise are averages over all modems
of a channel; they say nothing of one modem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CHANNEL_KINDS",
    "IS_ONLINE",
    "OFDMA",
    "OLDER",
    "SC_QAM",
    "ChannelKind",
    "SnmpObject",
    "readable_pre_equalization",
]

_SYSTEM = "1.3.6.1.2.1.1"
_IF = "1.3.6.1.2.1.10.127.1"
_IF3 = "1.3.6.1.4.1.4491.2.1.20.1"
_IF31 = "1.3.6.1.4.1.4491.2.1.28.1"


@dataclass(frozen=True)
class SnmpObject:
    """One column of a MIB table, or a scalar.

    Attributes
    ----------
    name : str
        As in the MIB.
    oid : str
        Without the instance.
    unit : str
        Of what `levels` returns.
    steps : int
        How many of the agent's steps are one unit: 10 for TenthdB, 100 for HundredthdB, 4 for
        quarter dB.
    bits : int
        Of a counter: 32 or 64; 0 for what is no counter.
    unknown : int, optional
        The value by which an agent says that it does not know.
    page : int
        Most rows of a walk in one answer, so that it stays below 4 KB.
    meanings : tuple of (int, bool or str)
        What the values of an enumeration are called; none for numbers.

    Examples
    --------
    >>> snr = SnmpObject("docsIf3CmtsCmUsStatusSignalNoise", "1.3", "dB", steps=10)
    >>> values, is_wrong = snr.levels([365, None, "36.5"])
    >>> values.tolist(), is_wrong.tolist()
    ([36.5, nan, nan], [False, False, True])
    """

    name: str
    oid: str
    unit: str = ""
    steps: int = 1
    bits: int = 0
    unknown: int | None = None
    page: int = 60
    meanings: tuple[tuple[int, bool | str], ...] = ()

    def at(self, index: int | str) -> str:
        """Return the object id of an instance."""
        return f"{self.oid}.{index}"

    def levels(self, told: Sequence[object]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return values in `unit`, NaN where none was told, and where one was of a wrong type."""
        numbers, is_wrong = _numbers(told)
        if self.unknown is not None:
            numbers[numbers == self.unknown] = np.nan
        return numbers / self.steps, is_wrong

    def totals(self, told: Sequence[object]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return a counter's totals, NaN where none was told, and where it was no counter's."""
        numbers, is_wrong = _numbers(told)
        is_wrong |= (numbers < 0) | (numbers >= 2.0**self.bits)
        numbers[is_wrong] = np.nan
        return numbers, is_wrong

    def states(self, told: Sequence[object]) -> tuple[list[bool | str | None], NDArray[np.bool_]]:
        """Return what values of an enumeration are called, and where one was none of them.

        Examples
        --------
        >>> muted = SnmpObject("docsIf3CmtsCmUsStatusIsMuted", "1.3", meanings=_TRUTH)
        >>> muted.states([1, 2, None])[0], muted.states([3])[1].tolist()
        ([True, False, None], [True])
        """
        called = dict(self.meanings)
        found = [called.get(value) if type(value) is int else None for value in told]
        is_wrong = [v is not None and one is None for v, one in zip(told, found, strict=True)]
        return found, np.array(is_wrong, dtype=np.bool_)


@dataclass(frozen=True)
class ChannelKind:
    """The objects of one kind of upstream channel.

    Attributes
    ----------
    name : str
        What it is called in messages.
    cmts_channel_id, modem_channel_id : SnmpObject
        By ifIndex, the channel id that both sides know the channel by. A modem and its CMTS number
        their interfaces independently, so only this id joins them.
    snr, rx_power : SnmpObject
        At the CMTS, by modem and channel.
    codewords : mapping of str to SnmpObject
        At the CMTS, by modem and channel; by the column of telemetry.
    tx_power : SnmpObject
        At the modem, by channel.
    timeouts : mapping of str to SnmpObject
        At the modem, by channel; by the column of telemetry.
    states : mapping of str to SnmpObject
        At the CMTS, by modem and channel; by the column of telemetry. Asked for if wanted.
    failures : mapping of str to SnmpObject
        Counters at the modem, by channel; by the column of telemetry. Asked for if wanted.
    pre_equalization : SnmpObject, optional
        At the modem, by channel.
    pre_equalization_enabled : SnmpObject, optional
        At the CMTS, by channel: whether the coefficients mean anything.
    """

    name: str
    cmts_channel_id: SnmpObject
    modem_channel_id: SnmpObject
    snr: SnmpObject
    rx_power: SnmpObject
    codewords: dict[str, SnmpObject]
    tx_power: SnmpObject
    timeouts: dict[str, SnmpObject]
    states: dict[str, SnmpObject] = field(default_factory=dict)
    failures: dict[str, SnmpObject] = field(default_factory=dict)
    pre_equalization: SnmpObject | None = None
    pre_equalization_enabled: SnmpObject | None = None


def _counter(name: str, oid: str, bits: int = 32) -> SnmpObject:
    return SnmpObject(name, oid, "", bits=bits)


SYS_UP_TIME = SnmpObject("sysUpTime", f"{_SYSTEM}.3", "s", steps=100)

# The registry of a CMTS; the instance is the modem's number there, which SHOULD stay.
REG_MAC = SnmpObject("docsIf3CmtsCmRegStatusMacAddr", f"{_IF3}.3.1.2")
REG_IPV6 = SnmpObject("docsIf3CmtsCmRegStatusIPv6Addr", f"{_IF3}.3.1.3")
REG_IPV4 = SnmpObject("docsIf3CmtsCmRegStatusIPv4Addr", f"{_IF3}.3.1.5")
REG_STATE = SnmpObject("docsIf3CmtsCmRegStatusValue", f"{_IF3}.3.1.6")
REG_MAC_DOMAIN = SnmpObject("docsIf3CmtsCmRegStatusMdIfIndex", f"{_IF3}.3.1.7", unknown=0)
REG_SERVICE_GROUP = SnmpObject("docsIf3CmtsCmRegStatusMdCmSgId", f"{_IF3}.3.1.8", unknown=0)

# Which fiber nodes a service group reaches; names stand in the instance:
# ifIndex of the MAC domain, length of the name, its bytes, id of the service group.
NODE_GROUP = SnmpObject("docsIf3MdNodeStatusMdUsSgId", f"{_IF3}.12.1.4", page=20)

IS_ONLINE = {6: "registrationComplete", 8: "operational", 9: "bpiInit", 17: "forwardingDisabled"}
"""States of `REG_STATE` in which a modem is registered, so that it can be asked."""

# TruthValue of SNMPv2-TC, and RangingState of DOCS-IF3-MIB.
_TRUTH = ((1, True), (2, False))
_RANGING = (
    (1, "other"),
    (2, "aborted"),
    (3, "retries exceeded"),
    (4, "success"),
    (5, "continue"),
    (6, "T4 timeout"),
)


def _reflections(name: str, oid: str) -> SnmpObject:
    """Return an object that tells dB below the signal, and whose 0 is no measurement.

    An echo as strong as the signal would leave nothing to measure.
    """
    return SnmpObject(name, oid, "dBc", steps=-1, unknown=0)


SC_QAM = ChannelKind(
    name="SC-QAM",
    cmts_channel_id=SnmpObject("docsIfUpChannelId", f"{_IF}.1.2.1.1", unknown=0),
    modem_channel_id=SnmpObject("docsIfUpChannelId", f"{_IF}.1.2.1.1", unknown=0),
    snr=SnmpObject("docsIf3CmtsCmUsStatusSignalNoise", f"{_IF3}.4.1.4", "dB", steps=10),
    rx_power=SnmpObject("docsIf3CmtsCmUsStatusRxPower", f"{_IF3}.4.1.3", "dBmV", steps=10),
    codewords={
        "codewords_unerrored": _counter("docsIf3CmtsCmUsStatusUnerroreds", f"{_IF3}.4.1.7"),
        "codewords_corrected": _counter("docsIf3CmtsCmUsStatusCorrecteds", f"{_IF3}.4.1.8"),
        "codewords_uncorrectable": _counter("docsIf3CmtsCmUsStatusUncorrectables", f"{_IF3}.4.1.9"),
    },
    tx_power=SnmpObject("docsIf3CmStatusUsTxPower", f"{_IF3}.2.1.1", "dBmV", steps=10),
    timeouts={
        "t3_timeouts": _counter("docsIf3CmStatusUsT3Timeouts", f"{_IF3}.2.1.2"),
        "t4_timeouts": _counter("docsIf3CmStatusUsT4Timeouts", f"{_IF3}.2.1.3"),
    },
    states={
        "is_muted": SnmpObject("docsIf3CmtsCmUsStatusIsMuted", f"{_IF3}.4.1.11", meanings=_TRUTH),
        "ranging": SnmpObject(
            "docsIf3CmtsCmUsStatusRangingStatus", f"{_IF3}.4.1.12", meanings=_RANGING
        ),
        "micro_reflections_dbc": _reflections(
            "docsIf3CmtsCmUsStatusMicroreflections", f"{_IF3}.4.1.5"
        ),
    },
    failures={
        "ranging_aborts": _counter("docsIf3CmStatusUsRangingAborteds", f"{_IF3}.2.1.4"),
        "t3_exceeded": _counter("docsIf3CmStatusUsT3Exceededs", f"{_IF3}.2.1.7"),
    },
    pre_equalization=SnmpObject("docsIf3CmStatusUsEqData", f"{_IF3}.2.1.6"),
    pre_equalization_enabled=SnmpObject("docsIfUpChannelPreEqEnable", f"{_IF}.1.2.1.19"),
)

# Power is that in 1.6 MHz (P1.6), SNR the mean of the subcarriers' RxMER. Pre-equalization is a
# file that a modem uploads, not a value that SNMP could read.
OFDMA = ChannelKind(
    name="OFDMA",
    cmts_channel_id=SnmpObject("docsIf31CmtsUsOfdmaChanId", f"{_IF31}.23.1.23", unknown=0),
    modem_channel_id=SnmpObject("docsIf31CmUsOfdmaChanChannelId", f"{_IF31}.13.1.12", unknown=0),
    snr=SnmpObject("docsIf31CmtsCmUsOfdmaChannelMeanRxMer", f"{_IF31}.4.1.2", "dB", steps=100),
    rx_power=SnmpObject("docsIf31CmtsCmUsOfdmaChannelRxPower", f"{_IF31}.4.1.1", "dBmV", steps=10),
    codewords={},
    tx_power=SnmpObject("docsIf31CmUsOfdmaChanTxPower", f"{_IF31}.13.1.10", "dBmV", steps=4),
    timeouts={},
    states={
        "is_muted": SnmpObject(
            "docsIf31CmtsCmUsOfdmaChannelIsMuted", f"{_IF31}.4.1.9", meanings=_TRUTH
        ),
        "ranging": SnmpObject(
            "docsIf31CmtsCmUsOfdmaChannelRangingStatus", f"{_IF31}.4.1.10", meanings=_RANGING
        ),
        "snr_std_db": SnmpObject(
            "docsIf31CmtsCmUsOfdmaChannelStdDevRxMer", f"{_IF31}.4.1.3", "dB", steps=100
        ),
    },
)

# The one channel of a modem of DOCSIS 1.x or 2.0 (RFC 4546). At the CMTS a row is a modem, under a
# number that need not be the registry's; at the modem it is its MAC layer, not the channel. SNR and
# Rx power of 0 are "unknown": an Rx power of exactly 0 dBmV, which is what a CMTS aims at, cannot
# be told from it.
OLDER = ChannelKind(
    name="DOCSIS 2.0",
    cmts_channel_id=SC_QAM.cmts_channel_id,
    modem_channel_id=SC_QAM.modem_channel_id,
    snr=SnmpObject("docsIfCmtsCmStatusSignalNoise", f"{_IF}.3.3.1.13", "dB", steps=10, unknown=0),
    rx_power=SnmpObject("docsIfCmtsCmStatusRxPower", f"{_IF}.3.3.1.6", "dBmV", steps=10, unknown=0),
    codewords={
        "codewords_unerrored": _counter("docsIfCmtsCmStatusExtUnerroreds", f"{_IF}.3.3.1.15", 64),
        "codewords_corrected": _counter("docsIfCmtsCmStatusExtCorrecteds", f"{_IF}.3.3.1.16", 64),
        "codewords_uncorrectable": _counter(
            "docsIfCmtsCmStatusExtUncorrectables", f"{_IF}.3.3.1.17", 64
        ),
    },
    tx_power=SnmpObject("docsIfCmStatusTxPower", f"{_IF}.2.2.1.3", "dBmV", steps=10),
    timeouts={
        "t3_timeouts": _counter("docsIfCmStatusT3Timeouts", f"{_IF}.2.2.1.12"),
        "t4_timeouts": _counter("docsIfCmStatusT4Timeouts", f"{_IF}.2.2.1.13"),
    },
    states={
        "micro_reflections_dbc": _reflections(
            "docsIfCmtsCmStatusMicroreflections", f"{_IF}.3.3.1.14"
        ),
    },
    failures={
        "ranging_aborts": _counter("docsIfCmStatusRangingAborteds", f"{_IF}.2.2.1.14"),
    },
    pre_equalization=SnmpObject("docsIfCmStatusEqualizationData", f"{_IF}.2.2.1.17"),
    pre_equalization_enabled=SC_QAM.pre_equalization_enabled,
)

# Whose a row of a CMTS's older table is, and by which of its interfaces it hears the modem.
OLDER_MAC = SnmpObject("docsIfCmtsCmStatusMacAddress", f"{_IF}.3.3.1.2")
OLDER_CHANNEL = SnmpObject("docsIfCmtsCmStatusUpChannelIfIndex", f"{_IF}.3.3.1.5", unknown=0)

CHANNEL_KINDS = (SC_QAM, OFDMA, OLDER)


def readable_pre_equalization(told: Sequence[object]) -> tuple[list[bytes | None], list[bool]]:
    """Return coefficients as DocsEqualizerData (RFC 4546), and where something else was told.

    Four bytes (main tap, taps a symbol, forward taps, reverse taps), then four bytes a tap. An
    empty answer means that the modem has none.

    Examples
    --------
    >>> readable_pre_equalization([bytes([8, 1, 8, 0]) + bytes(32), b"", b"noise"])[1]
    [False, False, True]
    """
    data = [value if isinstance(value, bytes) and _is_taps(value) else None for value in told]
    is_wrong = [
        value is not None and value != b"" and kept is None
        for value, kept in zip(told, data, strict=True)
    ]
    return data, is_wrong


def _is_taps(value: bytes) -> bool:
    # Some firmware pads the answer, none may cut it.
    return 36 <= len(value) <= 260 and len(value) >= 4 + 4 * (value[2] + value[3])


def _numbers(told: Sequence[object]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    kinds = set(map(type, told))
    if kinds <= {int, type(None)}:
        numbers = np.array(told, dtype=np.float64)
        return numbers, np.zeros(len(numbers), np.bool_)
    # A float or a text of digits is of a wrong type, too: who knows in which unit.
    kept = [value if type(value) is int else None for value in told]
    is_wrong = np.array([v is not None and type(v) is not int for v in told], dtype=np.bool_)
    return np.array(kept, dtype=np.float64), is_wrong
