"""Reads answers of PyPNM (pypnm-docsis 1.6): JSON files, or JSON lines with an answer a line.

Two answers are read: ``/docs/if30/us/atdma/chan/stats`` (transmit power, timeouts, coefficients)
and ``.../chan/preEqualization`` (coefficients). They tell neither when they were taken nor on which
fiber node the modem hangs, so both are given beside them. SNR and receive power are a CMTS's to
tell; PyPNM asks modems.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from faultsight.collectors._contract import Batch, Collector, Progress
from faultsight.collectors._device_ids import DeviceIds
from faultsight.collectors._docsis_objects import readable_pre_equalization
from faultsight.collectors._exports import deltas_within, with_fnodes
from faultsight.collectors._set_aside import SetAside, tally
from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import epoch_seconds

__all__ = ["PypnmJson", "PypnmJsonConfig"]

_LARGEST_BYTES = 256 << 20
_NOT_JSON = object()
_SCHEMA: dict[str, pl.DataType] = {
    "device_id": pl.String(),
    "timestamp": pl.Datetime("ms", "UTC"),
    "channel": pl.String(),
    "tx_power_dbmv": pl.Float64(),
    "t3_timeouts": pl.Float64(),
    "t4_timeouts": pl.Float64(),
    "answered": pl.Boolean(),
    "pre_equalization": pl.Binary(),
}
_FIELDS = {
    "tx_power_dbmv": "docsIf3CmStatusUsTxPower",
    "t3_timeouts": "docsIf3CmStatusUsT3Timeouts",
    "t4_timeouts": "docsIf3CmStatusUsT4Timeouts",
}


@dataclass(frozen=True)
class PypnmJsonConfig:
    """What PyPNM's answers do not tell.

    Parameters
    ----------
    captured_at : float, optional
        Seconds since 1970, of answers that have no ``captured_at`` or ``timestamp`` of their own.
    fnode : str
        Of all modems that the mapping does not name.
    fnodes : mapping of str to str
        By ``device_id``.
    device_ids : DeviceIds
        How a MAC address becomes a device id.
    """

    captured_at: float | None = None
    fnode: str = ""
    fnodes: Mapping[str, str] = field(default_factory=dict, repr=False)
    device_ids: DeviceIds = field(default_factory=DeviceIds)


class PypnmJson(Collector):
    """Reads files of PyPNM's answers.

    Parameters
    ----------
    files : sequence of path
        Each one answer, a list of answers, or an answer a line.
    config : PypnmJsonConfig, optional
        What the answers do not tell.

    Examples
    --------
    >>> import tempfile
    >>> from faultsight.core.telemetry import TelemetryFolder
    >>> folder = Path(tempfile.mkdtemp())
    >>> answer = {"mac_address": "00:11:00:00:00:01", "status": 0, "data": [
    ...     {"index": 80, "channel_id": 1, "entry": {"docsIf3CmStatusUsTxPower": 43.5}}]}
    >>> _ = (folder / "modem.json").write_text(json.dumps(answer))
    >>> sink = TelemetryFolder.create(folder / "pnm")
    >>> config = PypnmJsonConfig(captured_at=1.7e9, fnode="FN1")
    >>> PypnmJson([folder / "modem.json"], config).collect(sink).rows
    1
    >>> next(sink.nodes()).values["tx_power_dbmv"].tolist()
    [[43.5]]
    """

    def __init__(self, files: Sequence[Path | str], config: PypnmJsonConfig | None = None) -> None:
        self.files = [Path(file) for file in files]
        self.config = config or PypnmJsonConfig()
        if not self.files:
            raise SettingError("no file is named")

    def _collect(self, progress: Progress) -> Batch:
        reading = _Reading(self.config)
        for file in self.files:
            progress(f"reading {file.name}")
            for place, document in _documents(file):
                reading.take(document, f"{file.name}, {place}")
        reading.join_coefficients()
        table = pl.DataFrame(reading.rows, schema=_SCHEMA, orient="row")
        # What stats and preEqualization say of one channel and moment is one row.
        table = table.group_by("device_id", "timestamp", "channel", maintain_order=True).agg(
            pl.col(column).drop_nulls().first() for column in _SCHEMA
            if column not in ("device_id", "timestamp", "channel")
        )  # fmt: skip
        table, aside = with_fnodes(deltas_within(table), self.config.fnodes, self.config.fnode)
        aside = [*reading.aside(), *aside]
        if not table.height:
            reasons = "; ".join(f"{one.reason} ({one.example})" for one in aside)
            raise InputError(f"no answer can be used: {reasons or 'there is none'}",
                             source=str(self.files[0]))  # fmt: skip
        polls = table.group_by("device_id", "timestamp").agg(pl.col("answered").any())
        answered = int(polls["answered"].sum())
        return Batch(table, polled=polls.height, answered=answered, set_aside=aside)


class _Reading:
    """Collects rows from answers, one after the other."""

    def __init__(self, config: PypnmJsonConfig) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._config = config
        self._problems: dict[tuple[str, str], list[str]] = defaultdict(list)
        # Coefficients come by SNMP index alone; an answer of stats tells which channel that is.
        self._channel_of: dict[tuple[str, str], str] = {}
        self._coefficients: list[tuple[str, int, str, bytes, str]] = []

    def aside(self) -> list[SetAside]:
        return [
            one
            for (reason, column), examples in self._problems.items()
            for one in tally(reason, len(examples), column, examples[0])
        ]

    def take(self, document: Any, place: str) -> None:
        """Take one answer; what it lacks is noted."""
        if document is _NOT_JSON:
            self._note("not JSON", place)
            return
        if not isinstance(document, dict) or "mac_address" not in document:
            self._note("not an answer of PyPNM", place)
            return
        try:
            device = self._config.device_ids.of(str(document["mac_address"]))
        except ValueError:
            self._note("not a MAC address", place, "device_id")
            return
        moment_ms = self._moment_ms(document)
        if moment_ms is None:
            self._note("no capture time, neither in it nor given", place, "timestamp")
            return
        # PyPNM's documentation names the payload data, its code of some versions results.
        payload = document.get("data")
        payload = document.get("results") if payload is None else payload
        if document.get("status") not in (0, "0") or not payload:
            self.rows.append((device, moment_ms, None, None, None, None, False, None))
        elif isinstance(payload, list):
            self._take_stats(device, moment_ms, payload, place)
        elif isinstance(payload, dict):
            self._take_coefficients(device, moment_ms, payload, place)
        else:
            self._note("neither stats nor preEqualization", place)

    def _take_stats(self, device: str, moment_ms: int, payload: list[Any], place: str) -> None:
        for item in payload:
            entry = item.get("entry") if isinstance(item, dict) else None
            channel = item.get("channel_id") if isinstance(item, dict) else None
            if not isinstance(entry, dict) or not isinstance(channel, int) or channel <= 0:
                self._note("a channel without its id", place, "channel")
                continue
            self._channel_of[device, str(item.get("index"))] = str(channel)
            power, t3, t4 = (self._number(entry, column, place) for column in _FIELDS)
            data = None
            if entry.get("docsIfUpChannelPreEqEnable") is not False:
                data = self._bytes(entry.get("docsIf3CmStatusUsEqData"), place)
            self.rows.append((device, moment_ms, str(channel), power, t3, t4, True, data))

    def _take_coefficients(
        self, device: str, moment_ms: int, payload: dict[str, Any], place: str
    ) -> None:
        for index, told in payload.items():
            try:
                data = _equalizer_data(told)
            except (KeyError, TypeError, ValueError, struct.error):
                self._note("not coefficients", place, "pre_equalization")
                continue
            self._coefficients.append((device, moment_ms, str(index), data, place))

    def join_coefficients(self) -> None:
        """Give each set of coefficients its channel, now that every answer was read."""
        for device, moment_ms, index, data, place in self._coefficients:
            channel = self._channel_of.get((device, index))
            if channel is None:
                self._note("coefficients of a channel that no answer of stats names", place,
                           "pre_equalization")  # fmt: skip
            else:
                row = (device, moment_ms, channel, None, None, None, True, data)
                self.rows.append(row)

    def _moment_ms(self, document: dict[str, Any]) -> int | None:
        told = document.get("captured_at", document.get("timestamp"))
        if told is None:
            told = self._config.captured_at
        try:
            seconds = float(epoch_seconds(pl.Series([told]))[0])
        except (InputError, TypeError):
            return None
        return round(seconds * 1000) if abs(seconds) < 1e11 else None

    def _number(self, entry: dict[str, Any], column: str, place: str) -> float | None:
        told = entry.get(_FIELDS[column])
        if told is None:
            return None
        if isinstance(told, bool) or not isinstance(told, int | float):
            self._note("not a number", place, column)
            return None
        return float(told)

    def _bytes(self, told: Any, place: str) -> bytes | None:
        if not told:
            return None
        try:
            data = bytes.fromhex(str(told).removeprefix("0x"))
        except ValueError:
            data = b"?"
        (kept,), (is_wrong,) = readable_pre_equalization([data])
        if is_wrong:
            self._note("not DocsEqualizerData", place, "pre_equalization")
        return kept

    def _note(self, reason: str, place: str, column: str = "") -> None:
        self._problems[reason, column].append(place)


def _equalizer_data(told: dict[str, Any]) -> bytes:
    """Return decoded coefficients as the modem had sent them (RFC 4546)."""
    forward, reverse = told["forward_coefficients"], told.get("reverse_coefficients", [])
    taps = [part for tap in (*forward, *reverse) for part in (tap["real"], tap["imag"])]
    head = (told["main_tap_location"], told.get("forward_taps_per_symbol", 1),
            len(forward), len(reverse))  # fmt: skip
    data = struct.pack(f">4B{len(taps)}h", *head, *taps)
    if readable_pre_equalization([data])[1][0]:
        raise ValueError("too few or too many taps")
    return data


def _documents(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield the answers of a file and where each stands.

    Raises
    ------
    InputError
        If the file cannot be read, or is too large to be answers of modems.
    """
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"is larger than {_LARGEST_BYTES >> 20} MB", source=str(file))
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(file)) from error
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", source=str(file)) from error
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        items = whole if isinstance(whole, list) else [whole]
        yield from ((f"answer {number}", item) for number, item in enumerate(items, start=1))
        return
    for row, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield f"line {row}", json.loads(line)
            except (ValueError, RecursionError):
                yield f"line {row}", _NOT_JSON  # such as the last line of a file being written
