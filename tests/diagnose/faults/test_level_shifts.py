"""How far members and others moved."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.polls import NodePolls
from faultsight.diagnose.faults.level_shifts import level_shift, padded

HOUR_S = 3600.0


def polls(acting: np.ndarray | None = None) -> NodePolls:
    """Ten modems, 40 hourly polls before and 10 during; the first five move while it acts."""
    acting = np.ones(10, np.bool_) if acting is None else acting
    snr_db = np.full((10, 50, 2), 36.0)
    snr_db[:5, 40:, 0][:, acting] -= 5.0
    snr_db[:, 40:, 1] -= 1.0
    return NodePolls(
        "F", tuple("abcdefghij"), ("1", "2"), np.arange(11) * 50,
        np.tile(np.arange(50) * HOUR_S, 10), {"snr_db": snr_db.reshape(-1, 2).astype(np.float32)},
    )  # fmt: skip


MEMBERS = np.arange(10) < 5


def test_members_against_others() -> None:
    shift = level_shift(polls(), MEMBERS, "snr_db", 40 * HOUR_S, 50 * HOUR_S)
    assert shift is not None
    assert shift.member_db.tolist() == [-5.0, -1.0]
    assert shift.other_db.tolist() == [0.0, -1.0]
    assert shift.own_db.tolist() == [-5.0, 0.0]


def test_a_fault_that_acts_on_a_fifth_of_the_polls_is_seen() -> None:
    acting = np.arange(10) < 2
    shift = level_shift(polls(acting), MEMBERS, "snr_db", 40 * HOUR_S, 50 * HOUR_S)
    assert shift is not None
    assert shift.member_db[0] == -5.0


def test_what_is_not_known_is_nan() -> None:
    early = level_shift(polls(), MEMBERS, "snr_db", 5 * HOUR_S, 10 * HOUR_S)
    assert early is not None
    assert np.isnan(early.member_db).all(), "five polls are no usual level"
    few = level_shift(polls(), np.arange(10) < 8, "snr_db", 40 * HOUR_S, 50 * HOUR_S)
    assert few is not None
    assert np.isnan(few.other_db).all()
    assert few.own_db.tolist() == few.member_db.tolist()
    assert level_shift(polls(), MEMBERS, "rx_power_dbmv", 0, 1) is None


@pytest.mark.parametrize("span", [(0.0, 3.0), (2.0, 2.0), (48.0, 99.0)])
def test_padding_is_what_a_loop_says(span: tuple[float, float]) -> None:
    told, start_s, end_s = polls(), span[0] * HOUR_S, span[1] * HOUR_S
    keep = np.concatenate([np.arange(50) % (i + 2) > 0 for i in range(10)])
    told = told.take(keep)
    found = padded(told, np.arange(10), "snr_db", start_s, end_s)
    for device in range(10):
        rows = slice(told.device_start[device], told.device_start[device + 1])
        inside = (told.time_s[rows] >= start_s) & (told.time_s[rows] < end_s)
        wanted = told.values["snr_db"][rows][inside]
        assert found[device, : len(wanted)].tolist() == wanted.tolist()
        assert np.isnan(found[device, len(wanted) :]).all()
