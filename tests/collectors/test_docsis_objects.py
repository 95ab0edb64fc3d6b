"""Object ids, units, and what means "unknown"."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.collectors._docsis_objects import (
    OFDMA,
    OLDER,
    OLDER_CHANNEL,
    OLDER_MAC,
    SC_QAM,
    SYS_UP_TIME,
    ChannelKind,
    SnmpObject,
    readable_pre_equalization,
)
from faultsight.core.polls import CHANNEL_STATES

REAL_TAPS = bytes.fromhex(
    "080118000004fffdfffbfffafffdfffd00070004fff800000017ffffffd6ffe807f7fff9ff8aff94fff700280011ffec"
    "fff700190006fff5fffcffff000dfffb0001000100040004fff600070007fffb00000008fffffffe00000004fffcffff"
    "00080000"
)


@pytest.mark.parametrize(
    ("one", "oid", "raw", "value"),
    [
        # DOCS-IF3-MIB: TenthdB and TenthdBmV.
        (SC_QAM.snr, "1.3.6.1.4.1.4491.2.1.20.1.4.1.4", 365, 36.5),
        (SC_QAM.rx_power, "1.3.6.1.4.1.4491.2.1.20.1.4.1.3", -13, -1.3),
        (SC_QAM.rx_power, "1.3.6.1.4.1.4491.2.1.20.1.4.1.3", 0, 0.0),
        (SC_QAM.tx_power, "1.3.6.1.4.1.4491.2.1.20.1.2.1.1", 495, 49.5),
        # DOCS-IF31-MIB: HundredthdB, TenthdBmV in 1.6 MHz, quarter dBmV.
        (OFDMA.snr, "1.3.6.1.4.1.4491.2.1.28.1.4.1.2", 4017, 40.17),
        (OFDMA.rx_power, "1.3.6.1.4.1.4491.2.1.28.1.4.1.1", 5, 0.5),
        (OFDMA.tx_power, "1.3.6.1.4.1.4491.2.1.28.1.13.1.10", 163, 40.75),
        # RFC 4546: one channel; 0 is "unknown", also where 0 dBmV would be meant.
        (OLDER.tx_power, "1.3.6.1.2.1.10.127.1.2.2.1.3", 450, 45.0),
        (OLDER.rx_power, "1.3.6.1.2.1.10.127.1.3.3.1.6", 0, math.nan),
        (OLDER.rx_power, "1.3.6.1.2.1.10.127.1.3.3.1.6", -7, -0.7),
        (OLDER.snr, "1.3.6.1.2.1.10.127.1.3.3.1.13", 0, math.nan),
        (OLDER.snr, "1.3.6.1.2.1.10.127.1.3.3.1.13", 312, 31.2),
        (SC_QAM.states["micro_reflections_dbc"], "1.3.6.1.4.1.4491.2.1.20.1.4.1.5", 25, -25.0),
        (OFDMA.states["snr_std_db"], "1.3.6.1.4.1.4491.2.1.28.1.4.1.3", 163, 1.63),
        (SYS_UP_TIME, "1.3.6.1.2.1.1.3", 1_440_000, 14_400.0),
    ],
)
def test_levels_are_in_the_unit_that_columns_name(
    one: SnmpObject, oid: str, raw: int, value: float
) -> None:
    assert one.oid == oid
    values, is_wrong = one.levels([raw, None])
    np.testing.assert_allclose(values, [value, math.nan])
    assert not is_wrong.any()


@pytest.mark.parametrize(
    ("kind", "column", "oid"),
    [
        (SC_QAM, "micro_reflections_dbc", "1.3.6.1.4.1.4491.2.1.20.1.4.1.5"),
        (SC_QAM, "is_muted", "1.3.6.1.4.1.4491.2.1.20.1.4.1.11"),
        (SC_QAM, "ranging", "1.3.6.1.4.1.4491.2.1.20.1.4.1.12"),
        (OFDMA, "snr_std_db", "1.3.6.1.4.1.4491.2.1.28.1.4.1.3"),
        (OFDMA, "is_muted", "1.3.6.1.4.1.4491.2.1.28.1.4.1.9"),
        (OFDMA, "ranging", "1.3.6.1.4.1.4491.2.1.28.1.4.1.10"),
        (OLDER, "micro_reflections_dbc", "1.3.6.1.2.1.10.127.1.3.3.1.14"),
    ],
)
def test_states_are_where_their_mib_says(kind: ChannelKind, column: str, oid: str) -> None:
    assert kind.states[column].oid == oid
    assert column in CHANNEL_STATES


@pytest.mark.parametrize(
    ("column", "objects", "oid", "bits"),
    [
        ("ranging_aborts", SC_QAM.failures, "1.3.6.1.4.1.4491.2.1.20.1.2.1.4", 32),
        ("t3_exceeded", SC_QAM.failures, "1.3.6.1.4.1.4491.2.1.20.1.2.1.7", 32),
        ("ranging_aborts", OLDER.failures, "1.3.6.1.2.1.10.127.1.2.2.1.14", 32),
        ("t3_timeouts", SC_QAM.timeouts, "1.3.6.1.4.1.4491.2.1.20.1.2.1.2", 32),
        ("t4_timeouts", SC_QAM.timeouts, "1.3.6.1.4.1.4491.2.1.20.1.2.1.3", 32),
        ("codewords_unerrored", SC_QAM.codewords, "1.3.6.1.4.1.4491.2.1.20.1.4.1.7", 32),
        ("codewords_corrected", SC_QAM.codewords, "1.3.6.1.4.1.4491.2.1.20.1.4.1.8", 32),
        ("codewords_uncorrectable", SC_QAM.codewords, "1.3.6.1.4.1.4491.2.1.20.1.4.1.9", 32),
        ("t3_timeouts", OLDER.timeouts, "1.3.6.1.2.1.10.127.1.2.2.1.12", 32),
        ("t4_timeouts", OLDER.timeouts, "1.3.6.1.2.1.10.127.1.2.2.1.13", 32),
        ("codewords_unerrored", OLDER.codewords, "1.3.6.1.2.1.10.127.1.3.3.1.15", 64),
        ("codewords_corrected", OLDER.codewords, "1.3.6.1.2.1.10.127.1.3.3.1.16", 64),
        ("codewords_uncorrectable", OLDER.codewords, "1.3.6.1.2.1.10.127.1.3.3.1.17", 64),
    ],
)
def test_counters_have_the_size_that_their_mib_says(
    column: str, objects: dict[str, SnmpObject], oid: str, bits: int
) -> None:
    one = objects[column]
    assert (one.oid, one.bits) == (oid, bits)
    values, is_wrong = one.totals([0, 2**bits, -1, None, "7"])
    np.testing.assert_array_equal(values, [0, math.nan, math.nan, math.nan, math.nan])
    assert is_wrong.tolist() == [False, True, True, False, True]


def test_rows_of_the_older_table_are_found_by_address_and_interface() -> None:
    assert OLDER_MAC.oid == "1.3.6.1.2.1.10.127.1.3.3.1.2"
    assert (OLDER_CHANNEL.oid, OLDER_CHANNEL.unknown) == ("1.3.6.1.2.1.10.127.1.3.3.1.5", 0)
    assert OLDER.pre_equalization is not None
    assert OLDER.pre_equalization.oid == "1.3.6.1.2.1.10.127.1.2.2.1.17"


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**63), 2**64),
            st.text(max_size=5),
            st.binary(max_size=5),
            st.floats(),
            st.booleans(),
        )
    )
)
def test_only_whole_numbers_are_values(told: list[object]) -> None:
    values, is_wrong = SC_QAM.snr.levels(told)
    for raw, value, wrong in zip(told, values, is_wrong, strict=True):
        if type(raw) is int:
            assert not wrong
            assert value == pytest.approx(raw / 10)
        else:
            assert math.isnan(value)
            assert bool(wrong) == (raw is not None)


@pytest.mark.parametrize(
    ("told", "is_kept", "is_wrong"),
    [
        (REAL_TAPS, True, False),
        (REAL_TAPS + b"\0\0", True, False),  # padded
        (b"", False, False),  # the modem has none
        (None, False, False),
        (REAL_TAPS[:-1], False, True),
        (b"\x08\x01\x18\x00", False, True),
        (b"x" * 300, False, True),
        ("080118", False, True),
        (7, False, True),
    ],
)
def test_coefficients_are_whole_or_not_there(told: object, is_kept: bool, is_wrong: bool) -> None:
    (kept,), (wrong,) = readable_pre_equalization([told])
    assert (kept == told if is_kept else kept is None, wrong) == (True, is_wrong)
