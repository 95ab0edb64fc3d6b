"""The two peers that look at pre-equalization: groups, verdicts, and what they learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import FrozenInstanceError, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
import pytest

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable, PreEqualization, node_polls
from faultsight.core.seed import random_stream
from faultsight.core.telemetry import TelemetryFolder
from faultsight.core.tickets import Tickets, read_tickets
from faultsight.diagnose.contract import DAY_S, Diagnoser, Diagnosis, Verdict
from faultsight.diagnose.peers.pre_equalization_grouping import (
    PreEqualizationGrouping,
    PreEqualizationGroupingConfig,
)
from faultsight.diagnose.peers.spectrum_dbscan import SpectrumDBSCAN, SpectrumDBSCANConfig
from faultsight.diagnose.pre_equalization import decode

PEERS: list[Callable[[], Diagnoser]] = [PreEqualizationGrouping, SpectrumDBSCAN]
MAIN = 7
N_CHANNELS = 2

TWO_DAYS = TimeWindow(0, 2 * DAY_S)

Echoes = Mapping[int, tuple[float, float]]
"""By modem, the delay in taps and the level in dB of its echo."""


def node(
    fnode: str = "F1",
    *,
    n_modems: int = 30,
    n_days: int = 2,
    echoes: Echoes | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    noise: float = 2e-3,
) -> NodePolls:
    """Make a fiber node that is polled every four hours and sends coefficients at six each day."""
    stream = random_stream(seed, fnode)
    times = np.arange(1800.0, n_days * DAY_S, 14_400.0)
    time_s = np.concatenate([times + 10 * modem for modem in range(n_modems)])
    tap = np.arange(24) - MAIN
    poll, channel, data = [], [], []
    for modem in range(n_modems):
        for at in np.flatnonzero(times % DAY_S // 3600 == 4):
            for c in range(N_CHANNELS):
                taps = noise * (stream.normal(size=24) + 1j * stream.normal(size=24))
                taps[MAIN] = 1.0
                if echoes and modem in echoes:
                    delay, level_db = echoes[modem]
                    taps = taps + 10 ** (level_db / 20) * np.exp(1j * c) * np.sinc(tap - delay)
                scaled = 2000 * taps / taps[MAIN]
                parts = np.stack([scaled.real, scaled.imag], axis=1).round().astype(">i2")
                poll.append(modem * len(times) + int(at))
                channel.append(c)
                data.append(bytes([MAIN + 1, 1, 24, 0]) + parts.tobytes())
    whole = NodePolls(
        fnode,
        tuple(f"{fnode}-{i:03d}" for i in range(n_modems)),
        tuple(str(c + 1) for c in range(N_CHANNELS)),
        np.arange(n_modems + 1) * len(times),
        time_s,
        pre_equalization=PreEqualization(np.array(poll), np.array(channel), tuple(data)),
    )
    if names is None:
        return whole
    table = whole.to_table().with_columns(
        pl.col("device_id").replace_strict(dict(zip(whole.device_ids, names, strict=True)))
    )
    return node_polls(table)[0]


def no_tickets() -> Tickets:
    return read_tickets(
        pl.DataFrame(schema=dict.fromkeys(
            ("ticket_id", "device_id", "opened", "closed", "kind"), pl.String
        ))
    )  # fmt: skip


def calls(told: Sequence[tuple[str, float, str]]) -> Tickets:
    return read_tickets(
        pl.DataFrame(
            [
                (f"t{i}", device, opened, None, kind)
                for i, (device, opened, kind) in enumerate(told)
            ],
            schema=["ticket_id", "device_id", "opened", "closed", "kind"],
            orient="row",
        )
    )


def diagnosed(
    make: Callable[[], Diagnoser], *nodes: NodePolls, tickets: Tickets | None = None, **told: Any
) -> Diagnosis:
    telemetry = PollTable(nodes)
    fitted = make().fit(telemetry, tickets or no_tickets(), window=TWO_DAYS)
    return fitted.diagnose(telemetry, **{"window": TWO_DAYS, **told})


def same(first: Diagnosis, second: Diagnosis) -> bool:
    def bytes_of(diagnosis: Diagnosis) -> list[Any]:
        return [
            (n.fnode, n.window, n.device_ids, n.verdict.tobytes(), n.covered_s.tobytes(),
             [(g.feature, g.verdict, g.members.tobytes(), g.n_anomalous, round(g.similarity, 9),
               g.channel, g.kind) for g in n.groups],
             {f: a.tobytes() for f, a in n.anomalies.items()})
            for n in diagnosis.nodes
        ]  # fmt: skip

    return bytes_of(first) == bytes_of(second)


SHARED = dict.fromkeys(range(10, 18), (5.0, -12.0))
SHARED_AND_OWN: Echoes = {**SHARED, 3: (2.0, -12.0), 25: (9.0, -11.0)}
PAIR: Echoes = {4: (6.0, -12.0), 7: (6.0, -12.0)}


@pytest.mark.parametrize("make", PEERS)
def test_many_homes_with_one_echo_are_maintenance_and_single_ones_service(
    make: Callable[[], Diagnoser],
) -> None:
    for told in diagnosed(make, node(echoes=SHARED_AND_OWN)).nodes:
        expected = np.full(30, Verdict.HEALTHY)
        expected[10:18] = Verdict.MAINTENANCE
        expected[[3, 25]] = Verdict.SERVICE
        np.testing.assert_array_equal(told.verdict, expected)
        assert [group.members.tolist() for group in told.groups] == [[*range(10, 18)], [3], [25]]
        shared, own, _ = told.groups
        assert (shared.verdict, own.verdict) == (Verdict.MAINTENANCE, Verdict.SERVICE)
        assert shared.n_anomalous == 8
        assert 0.9 < shared.similarity <= 1.0
        assert own.similarity == 1.0
        assert shared.channel in ("1", "2")
        (is_anomalous,) = told.anomalies.values()
        np.testing.assert_array_equal(is_anomalous, expected != Verdict.HEALTHY)
        # Twelve polls, of which one falls in the last half hour of the day before.
        assert (told.covered_s > 0.9 * DAY_S).all()
        assert (told.covered_s <= DAY_S).all()


@pytest.mark.parametrize("make", PEERS)
def test_five_are_a_job_for_service_and_six_are_not(make: Callable[[], Diagnoser]) -> None:
    for n, verdict in ((5, Verdict.SERVICE), (6, Verdict.MAINTENANCE)):
        echo = dict.fromkeys(range(n), (4.0, -12.0))
        for told in diagnosed(make, node(echoes=echo)).nodes:
            assert (told.verdict[:n] == verdict).all()
            assert (told.verdict[n:] == Verdict.HEALTHY).all()


@pytest.mark.parametrize("make", PEERS)
def test_modems_without_usable_coefficients_are_insufficient(
    make: Callable[[], Diagnoser],
) -> None:
    whole = node(echoes=SHARED)
    sent = whole.pre_equalization
    assert sent is not None
    for nothing in (
        None,
        PreEqualization(sent.poll[:0], sent.channel[:0], ()),
        replace(sent, data=(b"",) * len(sent.data)),
        replace(sent, data=tuple(d[:-1] for d in sent.data)),
    ):
        for told in diagnosed(make, replace(whole, pre_equalization=nothing)).nodes:
            assert (told.verdict == Verdict.INSUFFICIENT).all()
            assert told.groups == ()
            assert (told.covered_s > 0).all()
    few = sent.poll < 12 * 11
    cut = PreEqualization(sent.poll[few], sent.channel[few], sent.data[: int(few.sum())])
    for told in diagnosed(make, replace(whole, pre_equalization=cut)).nodes:
        assert (told.verdict[11:] == Verdict.INSUFFICIENT).all()
        assert (told.verdict[:10] == Verdict.HEALTHY).all()
        assert told.verdict[10] == Verdict.SERVICE


@pytest.mark.parametrize("make", PEERS)
def test_groups_name_positions_also_where_some_modems_say_nothing(
    make: Callable[[], Diagnoser],
) -> None:
    whole = node(echoes=SHARED_AND_OWN)
    sent = whole.pre_equalization
    assert sent is not None
    data = tuple(
        b"" if whole.device_of_poll[poll] in (0, 12) else one
        for poll, one in zip(sent.poll, sent.data, strict=True)
    )
    for told in diagnosed(make, replace(whole, pre_equalization=replace(sent, data=data))).nodes:
        assert [g.members.tolist() for g in told.groups] == [[10, 11, *range(13, 18)], [3], [25]]
        assert np.flatnonzero(told.verdict == Verdict.INSUFFICIENT).tolist() == [0, 12]


@pytest.mark.parametrize("make", PEERS)
def test_the_scale_of_a_modem_does_not_matter(make: Callable[[], Diagnoser]) -> None:
    whole = node(echoes=SHARED_AND_OWN)
    sent = whole.pre_equalization
    assert sent is not None
    factor = np.array([1.0, 0.52, 16.0])[whole.device_of_poll[sent.poll] % 3]
    taps = np.stack([decode(one).taps for one in sent.data]) * factor[:, None]
    parts = np.stack([taps.real, taps.imag], axis=2).round().astype(">i2")
    data = tuple(one[:4] + part.tobytes() for one, part in zip(sent.data, parts, strict=True))
    scaled = diagnosed(make, replace(whole, pre_equalization=replace(sent, data=data)))
    for told, other in zip(diagnosed(make, whole).nodes, scaled.nodes, strict=True):
        np.testing.assert_array_equal(told.verdict, other.verdict)
        for group, likewise in zip(told.groups, other.groups, strict=True):
            assert group.members.tolist() == likewise.members.tolist()
            assert group.similarity == pytest.approx(likewise.similarity, abs=0.01)


@pytest.mark.parametrize("make", PEERS)
def test_one_modem_and_one_channel_are_enough(make: Callable[[], Diagnoser]) -> None:
    alone = node(n_modems=1, echoes={0: (3.0, -10.0)})
    assert {int(v) for n in diagnosed(make, alone).nodes for v in n.verdict} == {Verdict.SERVICE}
    sent = alone.pre_equalization
    assert sent is not None
    second = sent.channel == 1
    cut = PreEqualization(
        sent.poll[second], sent.channel[second], tuple(np.array(sent.data)[second].tolist())
    )
    (first, *_) = diagnosed(make, replace(alone, pre_equalization=cut)).nodes
    assert first.groups[0].channel == "2"


@pytest.mark.parametrize("make", PEERS)
def test_order_of_modems_and_rows_and_number_of_workers_change_nothing(
    make: Callable[[], Diagnoser],
) -> None:
    nodes = [node(f"F{i}", echoes=SHARED_AND_OWN, seed=i) for i in range(5)]
    tickets = calls(
        [(f"F{i}-{m:03d}", 4000.0 * m, "maintenance") for i in range(5) for m in (12, 3)]
    )
    told = diagnosed(make, *nodes, tickets=tickets, workers=1)
    assert same(told, diagnosed(make, *nodes, tickets=tickets, workers=4))
    tables = [n.to_table().sample(fraction=1.0, shuffle=True, seed=1) for n in nodes]
    shuffled = [n for table in reversed(tables) for n in node_polls(table)]
    assert same(told, diagnosed(make, *shuffled, tickets=tickets))
    names = [f"modem-{(7 * i) % 30:02d}" for i in range(30)]
    (first, *_) = diagnosed(make, nodes[0]).nodes
    (renamed, *_) = diagnosed(make, node("F0", echoes=SHARED_AND_OWN, names=names)).nodes
    here = dict(zip(first.device_ids, first.verdict, strict=True))
    there = dict(zip(renamed.device_ids, renamed.verdict, strict=True))
    assert {names[i]: here[f"F0-{i:03d}"] for i in range(30)} == there


@pytest.mark.parametrize("make", PEERS)
def test_later_polls_change_nothing(make: Callable[[], Diagnoser]) -> None:
    long, short = (node(n_days=n, echoes=SHARED_AND_OWN) for n in (5, 2))
    sent, early = long.pre_equalization, short.pre_equalization
    assert sent is not None
    assert early is not None
    # The same modems say the same on the first two days, and something else later.
    place = {(int(short.time_s[p]), int(short.device_of_poll[p]), int(c)): d
             for p, c, d in zip(early.poll, early.channel, early.data, strict=True)}  # fmt: skip
    data = [
        place.get((int(long.time_s[p]), int(long.device_of_poll[p]), int(c)), b"")
        for p, c in zip(sent.poll, sent.channel, strict=True)
    ]
    later = replace(long, pre_equalization=replace(sent, data=tuple(data)))
    diagnoser = make().fit(PollTable([short]), no_tickets())
    window = TWO_DAYS
    told = diagnoser.diagnose(PollTable([short]), window=window)
    again = diagnoser.diagnose(PollTable([later]), window=window)
    assert same(told, again)
    whole = diagnoser.diagnose(PollTable([later]), window=TimeWindow(0, 5 * DAY_S))
    assert same(told, replace(whole, nodes=whole.nodes[:2]))


@pytest.mark.parametrize("make", PEERS)
def test_modems_that_come_later_are_not_spoken_of(make: Callable[[], Diagnoser]) -> None:
    table = node(n_days=3, echoes=SHARED_AND_OWN).to_table()
    is_new = pl.col("device_id") == "F1-017"
    late = table.filter(~is_new | (pl.col("timestamp").dt.epoch("s") >= 2 * DAY_S))
    told = diagnosed(make, *node_polls(late), window=TimeWindow(0, 3 * DAY_S)).nodes
    assert [len(n.device_ids) for n in told] == [29, 29, 30]
    assert [n.verdict[n.device_ids.index("F1-016")] for n in told] == [Verdict.MAINTENANCE] * 3
    assert told[2].verdict[17] == Verdict.MAINTENANCE
    assert told[2].groups[0].members.tolist() == [*range(10, 18)]
    # Gaps in the positions must not shift the verdicts of those behind.
    assert told[0].groups[0].members.tolist() == [*range(10, 17)]
    assert told[0].verdict[24] == Verdict.SERVICE


@pytest.mark.parametrize("make", PEERS)
def test_a_folder_says_what_memory_says(make: Callable[[], Diagnoser], tmp_path: Any) -> None:
    nodes = [node(f"F{i}", echoes=SHARED_AND_OWN, seed=i) for i in range(3)]
    folder = TelemetryFolder.create(tmp_path / "pnm")
    folder.append(pl.concat([n.to_table() for n in nodes]))
    fitted = make().fit(folder, no_tickets(), window=TWO_DAYS)
    told = fitted.diagnose(folder, window=TWO_DAYS)
    assert same(told, diagnosed(make, *nodes))


def test_the_response_tells_shapes_apart_and_channels_that_only_one_has() -> None:
    echoes = {**dict.fromkeys(range(8), (4.0, -12.0)), **dict.fromkeys(range(8, 16), (7.0, -12.0))}
    for make in PEERS:
        for told in diagnosed(make, node(echoes=echoes)).nodes:
            assert [g.members.tolist() for g in told.groups] == [[*range(8)], [*range(8, 16)]]


def learning_case(anomalous_calls: int = 1) -> tuple[list[NodePolls], Tickets]:
    """Return nodes in which groups of eight call for maintenance, and weak echoes do not count.

    Strong echoes (-14 dB) that eight modems share bring maintenance tickets, strong ones of their
    own service tickets, weak ones (-26 dB) nothing; a few call anyway.
    """
    nodes, told = [], []
    for i in range(8):
        fnode = f"F{i}"
        echoes = {
            **dict.fromkeys(range(8), (4.0, -14.0)),
            **{m: (m - 2.0, -14.0) for m in range(10, 16)},
            **{m: (1.0 + m % 7, -26.0) for m in range(20, 30)},
        }
        nodes.append(node(fnode, n_modems=60, echoes=echoes, seed=i, noise=8e-3))
        told += [
            (f"{fnode}-{m:03d}", 9000.0 + 20 * m, "maintenance") for m in range(2 * anomalous_calls)
        ]
        told += [(f"{fnode}-{m:03d}", 90_000.0, "service") for m in range(10, 10 + anomalous_calls)]
        told += [(f"{fnode}-{25 + i:03d}", 50_000.0, "service")]
        told += [(f"{fnode}-{40 + i:03d}", 60_000.0, "maintenance")]
    return nodes, calls(told)


def test_both_thresholds_come_from_tickets() -> None:
    nodes, tickets = learning_case(anomalous_calls=3)
    diagnoser = PreEqualizationGrouping().fit(PollTable(nodes), tickets, window=TWO_DAYS)
    learned = diagnoser.learned
    # Between the two strengths, and where the shared echo is one group.
    assert -25.0 < learned.nmter_db <= -13.0
    assert 0.3 < learned.similarity < 0.96
    assert learned.anomaly_ratio > 5
    assert learned.maintenance_ratio > 5
    (told, *_) = diagnoser.diagnose(PollTable(nodes), window=TWO_DAYS).nodes
    assert (told.verdict[:8] == Verdict.MAINTENANCE).all()
    assert (told.verdict[10:16] == Verdict.SERVICE).all()
    assert (told.verdict[16:] == Verdict.HEALTHY).all()


def test_what_is_learned_is_the_best_of_the_grid_by_plain_counting() -> None:
    nodes, tickets = learning_case(anomalous_calls=2)
    config = PreEqualizationGroupingConfig(
        nmter_grid_db=(-23.0, -18.0, -12.0), similarity_grid=(0.35, 0.6, 0.95)
    )
    telemetry = PollTable(nodes)
    learned = (
        PreEqualizationGrouping(config=config).fit(telemetry, tickets, window=TWO_DAYS).learned
    )

    def counted(similarity: float, nmter_db: float) -> dict[int, tuple[float, float, float]]:
        """Return maintenance tickets, all tickets and time by verdict, from diagnoses."""
        fixed = PreEqualizationGrouping(
            config=replace(config, nmter_db=nmter_db, similarity=similarity)
        ).fit(telemetry, no_tickets())
        sums: dict[int, list[float]] = {}
        for n in fixed.diagnose(telemetry, window=TWO_DAYS).nodes:
            for i, device in enumerate(n.device_ids):
                cell = sums.setdefault(int(n.verdict[i]), [0.0, 0.0, 0.0])
                cell[2] += round(float(n.covered_s[i]))
                mine = (tickets.device_id == device) & (tickets.opened_s >= n.window.start_s)
                mine &= tickets.opened_s < n.window.end_s
                cell[0] += float((mine & tickets.is_maintenance).sum())
                cell[1] += float(mine.sum())
        return {v: (c[0], c[1], c[2]) for v, c in sums.items()}

    def anomaly_ratio(nmter_db: float) -> float:
        # At a similarity of nearly 1 each modem is a group of its own.
        told = counted(0.999999, nmter_db)
        bad, rest = told[Verdict.SERVICE], told[Verdict.HEALTHY]
        return ((bad[1] + 0.5) / bad[2]) / ((rest[1] + 0.5) / rest[2])

    ratios = {level: anomaly_ratio(level) for level in (-23.0, -18.0)}
    assert learned.nmter_db == max(ratios, key=ratios.__getitem__)
    assert learned.anomaly_ratio == pytest.approx(ratios[learned.nmter_db])

    def maintenance_ratio(similarity: float) -> float:
        told = counted(similarity, learned.nmter_db)
        large, small = told[Verdict.MAINTENANCE], told[Verdict.SERVICE]
        return ((large[0] + 0.5) / large[2]) / ((small[0] + 0.5) / small[2])

    assert learned.maintenance_ratio == pytest.approx(maintenance_ratio(learned.similarity))
    # The third makes no large group, and so leaves maintenance without a share of the time.
    for similarity in (0.35, 0.6):
        assert learned.maintenance_ratio >= maintenance_ratio(similarity) - 1e-9


def test_without_tickets_the_published_levels_stand() -> None:
    learned = PreEqualizationGrouping().fit(PollTable([node()]), no_tickets()).learned
    assert (learned.nmter_db, learned.similarity) == (-25.0, 0.9)
    assert np.isnan([learned.anomaly_ratio, learned.maintenance_ratio]).all()
    with pytest.raises(InputError, match="shorter than the look-back"):
        PreEqualizationGrouping().fit(PollTable([node()]), no_tickets(), window=TimeWindow(0, 9999))


def test_a_strength_that_most_modems_reach_is_no_anomaly() -> None:
    """Two modems without an echo, who never call, must not make all others anomalous."""
    nodes = [node(f"F{i}", echoes=dict.fromkeys(range(28), (4.0, -14.0)), seed=i) for i in range(3)]
    tickets = calls([(f"F{i}-{m:03d}", 9000.0 * m, "service") for i in range(3) for m in range(9)])
    learned = {
        most: PreEqualizationGrouping(
            config=PreEqualizationGroupingConfig(most_anomalous_time=most)
        )
        .fit(PollTable(nodes), tickets, window=TWO_DAYS)
        .learned
        for most in (0.5, 1.0)
    }
    assert np.isnan(learned[0.5].anomaly_ratio)
    assert learned[0.5].nmter_db == -25.0
    assert learned[1.0].anomaly_ratio > 1.5


def test_a_quorum_keeps_one_strong_modem_from_speaking_for_all() -> None:
    echoes = {**dict.fromkeys(range(9), (5.0, -27.0)), 9: (5.0, -12.0)}
    for quorum, expected in ((0.0, Verdict.MAINTENANCE), (0.5, Verdict.HEALTHY)):
        config = PreEqualizationGroupingConfig(quorum=quorum)
        make = partial(PreEqualizationGrouping, config=config)
        for told in diagnosed(make, node(echoes=echoes)).nodes:
            assert (told.verdict[:10] == expected).all()


def test_a_stronger_level_for_spectra_finds_fewer() -> None:
    echoes = {0: (4.0, -16.0), 1: (6.0, -10.0)}
    found = []
    for level_db in (-18.0, -13.0, -5.0):
        config = SpectrumDBSCANConfig(impaired_from_db=level_db)
        told = diagnosed(partial(SpectrumDBSCAN, config=config), node(echoes=echoes))
        found.append(told.count(Verdict.SERVICE))
    assert found == [4, 2, 0]


@pytest.mark.parametrize("make", PEERS)
def test_a_node_day_stays_under_its_limit(make: Callable[[], Diagnoser]) -> None:
    echoes = {m: (1.0 + m % 9, -20.0 + m % 12) for m in range(0, 250, 3)}
    telemetry = PollTable([node(n_modems=250, n_days=4, echoes=echoes)])
    diagnoser = make().fit(telemetry, calls([("F1-003", 9000.0, "maintenance")]))
    window = TimeWindow(0, 4 * DAY_S)
    start = perf_counter()
    n = len(diagnoser.diagnose(telemetry, window=window, workers=1))
    # 20 ms on an idle core; machines that run tests are not idle.
    assert (perf_counter() - start) / n < 0.1


@pytest.mark.parametrize(
    "bad",
    [
        {"look_back_s": 0}, {"largest_service_group": 0}, {"quorum": 1.5}, {"smoothing": 0.0},
        {"similarity_grid": ()}, {"nmter_grid_db": (-20.0, -25.0)}, {"similarity": 1.0},
        {"similarity_grid": (0.5, 1.0)}, {"least_side_share": -0.1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_of_the_grouping_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(bad)).partition("_")[0]):
        PreEqualizationGroupingConfig(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"eps": -0.1}, {"eps": 2.1}, {"min_samples": 0}, {"impaired_from_db": 0.0},
        {"look_back_s": 3599},
    ],
    ids=str,
)  # fmt: skip
def test_settings_of_dbscan_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"eps|min_samples|echo|look_back_s is at least 3600"):
        SpectrumDBSCANConfig(**bad)


def test_configs_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PreEqualizationGrouping().config.quorum = 1.0
    with pytest.raises(FrozenInstanceError):
        SpectrumDBSCAN().config.eps = 1.0
