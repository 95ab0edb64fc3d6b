"""The contract checks themselves: an honest diagnoser passes all, and each finds its sinner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable, Telemetry, node_polls
from faultsight.core.tickets import Tickets
from faultsight.diagnose import checks
from faultsight.diagnose.checks import CHECKS, run_check, small_plant
from faultsight.diagnose.contract import (
    DAY_S,
    Diagnoser,
    Group,
    NodeDiagnosis,
    Progress,
    Verdict,
)


@dataclass(frozen=True)
class NoSettings:
    """There is nothing to set."""


def medians(polls: NodePolls) -> NDArray[np.float64]:
    """Return the median SNR of each modem, NaN where it has none."""
    out = np.full(polls.n_devices, np.nan)
    if "snr_db" in polls.values:
        for device in range(polls.n_devices):
            values = polls.values["snr_db"][slice(*polls.device_start[device : device + 2])]
            if np.isfinite(values).any():
                out[device] = np.nanmedian(values)
    return out


class Honest(Diagnoser):
    """A modem whose SNR fell by 4 dB within a week has a fault; six at a time are the plant's."""

    metrics: tuple[str, ...] = ("snr_db",)
    history_s = 7 * DAY_S

    def __init__(self) -> None:
        self.config = NoSettings()

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        pass

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        return [self.in_window(polls, window) for window in windows]

    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        now, usual = medians(polls.in_window(window)), self.usual(polls, window)
        fallen = usual - now >= 4.0
        kind = Verdict.MAINTENANCE if fallen.sum() > 5 else Verdict.SERVICE
        verdict = np.where(fallen, kind, Verdict.HEALTHY).astype(np.int8)
        verdict[np.isnan(now) | np.isnan(usual)] = Verdict.INSUFFICIENT
        n_polls = np.diff(polls.in_window(window).device_start)
        covered_s = np.minimum(4 * 3600.0 * n_polls, window.end_s - window.start_s)
        groups = [Group("snr", kind, np.flatnonzero(fallen), int(fallen.sum()))]
        return NodeDiagnosis(
            polls.fnode, window, polls.device_ids, verdict, covered_s,
            tuple(group for group in groups if len(group.members)),
        )  # fmt: skip

    def usual(self, polls: NodePolls, window: TimeWindow) -> NDArray[np.float64]:
        week = TimeWindow(window.start_s - 7 * DAY_S, window.start_s)
        return medians(polls.in_window(week))


class CoversMoreThanThereIs(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        return replace(found, covered_s=found.covered_s + DAY_S)


class ForgetsAModem(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        return replace(
            found, device_ids=found.device_ids[1:], verdict=found.verdict[1:],
            covered_s=found.covered_s[1:], groups=(),
        )  # fmt: skip


class SupportsNothing(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        everybody = Group("snr", Verdict.MAINTENANCE, np.arange(polls.n_devices), 1)
        return replace(found, groups=(everybody,))


class ThrowsDice(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        drawn = np.random.default_rng().integers(0, 4, len(found.verdict))
        return replace(found, verdict=drawn.astype(np.int8))


class LooksAtItsThread(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        is_main = threading.current_thread() is threading.main_thread()
        return found if is_main else replace(found, verdict=found.verdict * 0)


class LooksAtNames(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        first = np.array([ord(name[-1]) % 2 for name in found.device_ids], np.int8)
        return replace(found, verdict=np.where(first, np.int8(Verdict.SERVICE), found.verdict))


class LooksAhead(Honest):
    def usual(self, polls: NodePolls, window: TimeWindow) -> NDArray[np.float64]:
        return medians(polls)


class LooksAheadAtStrangers(Honest):
    def _fit(self, telemetry: Telemetry, *rest: Any) -> None:
        self.known = set(telemetry.fnodes)

    def usual(self, polls: NodePolls, window: TimeWindow) -> NDArray[np.float64]:
        if polls.fnode in self.known:
            return super().usual(polls, window)
        return medians(polls)


class LooksAheadByDuplicates(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        again = np.diff(polls.time_s, append=np.inf) < 600
        lost = (polls.time_s < window.end_s) & (polls.time_s > window.end_s - 600) & again
        verdict = found.verdict.copy()
        verdict[polls.device_of_poll[lost]] = Verdict.SERVICE
        return replace(found, verdict=verdict)


class WritesIntoItsInput(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        polls.values["snr_db"][:1] = 0.0
        return super().in_window(polls, window)


class RemembersTheNodeBefore(Honest):
    def __init__(self) -> None:
        super().__init__()
        self.before: set[str] = set()

    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        self.before = {*self.before, polls.fnode} if polls.fnode != "FN000" else {polls.fnode}
        return replace(found, covered_s=found.covered_s / len(self.before))


class LooksAtTheStore(Honest):
    def _fit(self, telemetry: Telemetry, *rest: Any) -> None:
        self.share = 1.0 if isinstance(telemetry, PollTable) else 0.5

    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        return replace(found, covered_s=found.covered_s * self.share)


class CallsOneModemAPlant(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        if not len(found.verdict):
            return found
        whole = Group("snr", Verdict.MAINTENANCE, np.arange(1), 1)
        return replace(found, verdict=found.verdict * 0 + 3, groups=(whole,))


class CallsSilenceHealthy(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        unknown = found.verdict == Verdict.INSUFFICIENT
        return replace(found, verdict=np.where(unknown, np.int8(Verdict.HEALTHY), found.verdict))


class GivesUpOnHoles(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        holes = np.isnan(polls.in_window(window).values["snr_db"]).any()
        return replace(found, verdict=found.verdict * 0 + 1, groups=()) if holes else found


class TakesMetricsForGranted(Honest):
    metrics = ("snr_db", "tx_power_dbmv")

    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        assert polls.values["tx_power_dbmv"].shape
        return super().in_window(polls, window)


class CountsAllTickets(Honest):
    def _fit(self, telemetry: Telemetry, tickets: Tickets, *rest: Any) -> None:
        self.n_tickets = len(tickets)

    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        return replace(found, covered_s=found.covered_s / (1 + self.n_tickets))


class SeesNothing(Honest):
    def in_window(self, polls: NodePolls, window: TimeWindow) -> NodeDiagnosis:
        found = super().in_window(polls, window)
        ill = found.verdict > Verdict.INSUFFICIENT
        return replace(found, verdict=np.where(ill, np.int8(0), found.verdict), groups=())


class AcceptsAnything(Honest):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        self.is_fitted = True
        return self


SINNERS: Mapping[str, Sequence[Callable[[], Diagnoser]]] = {
    "check_one_verdict_a_modem": [CoversMoreThanThereIs, ForgetsAModem, SupportsNothing],
    "check_same_input_same_bytes": [ThrowsDice],
    "check_workers_change_nothing": [LooksAtItsThread],
    "check_names_change_nothing": [LooksAtNames],
    "check_later_polls_change_nothing": [LooksAhead],
    "check_later_polls_of_strangers_change_nothing": [
        LooksAheadAtStrangers,
        LooksAheadByDuplicates,
    ],
    "check_input_is_left_alone": [WritesIntoItsInput],
    "check_a_node_alone_or_among_others": [RemembersTheNodeBefore],
    "check_the_store_changes_nothing": [LooksAtTheStore],
    "check_one_modem": [CallsOneModemAPlant],
    "check_nobody_answers": [CallsSilenceHealthy],
    "check_missing_values": [GivesUpOnHoles],
    "check_constant_and_empty_channels": [TakesMetricsForGranted],
    "check_modems_that_come_and_go": [CallsSilenceHealthy],
    "check_tickets_of_strangers": [CountsAllTickets],
    "check_a_gross_fault_is_not_healthy": [SeesNothing],
    "check_clear_error": [AcceptsAnything],
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_honest_diagnoser_passes(check: checks.Check) -> None:
    check(Honest)


@pytest.mark.parametrize(
    ("name", "sinner"), [(name, sinner) for name, all_ in SINNERS.items() for sinner in all_]
)
def test_each_sinner_is_found(name: str, sinner: Callable[[], Diagnoser]) -> None:
    check = next(check for check in CHECKS if check.__name__ == name)
    try:
        with pytest.raises((AssertionError, KeyError)):
            check(sinner)
    finally:
        small_plant.cache_clear()  # one of them writes into it


def test_every_check_has_a_sinner() -> None:
    # What order rows come in, no member can see: the table's reader must not.
    assert {check.__name__ for check in CHECKS} - set(SINNERS) == {
        "check_row_order_changes_nothing"
    }


def test_a_reader_that_sees_the_order_of_rows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_but_the_first(table: Any) -> list[NodePolls]:
        first = table["device_id"][0]
        return [
            node.take(node.device_of_poll != (node.device_ids.index(first)))
            if first in node.device_ids
            else node
            for node in node_polls(table)
        ]

    monkeypatch.setattr(checks, "node_polls", all_but_the_first)
    with pytest.raises(AssertionError):
        checks.check_row_order_changes_nothing(Honest)


def test_an_excuse_needs_a_reason() -> None:
    class Excused(SeesNothing):
        excused: ClassVar[Mapping[str, str]] = {"check_a_gross_fault_is_not_healthy": "it is blind"}

    class Speechless(SeesNothing):
        excused: ClassVar[Mapping[str, str]] = {"check_a_gross_fault_is_not_healthy": " "}

    run_check(checks.check_a_gross_fault_is_not_healthy, Excused)
    with pytest.raises(AssertionError, match="excused without a reason"):
        run_check(checks.check_a_gross_fault_is_not_healthy, Speechless)
