"""Faults over windows: what is one fault, what is two, and that ids last."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.contract import DAY_S, Diagnosis, Verdict
from faultsight.diagnose.faults import Fault, faults_from_json, faults_to_json, track_faults

MakeDiagnosis = Callable[..., Diagnosis]
Days = Sequence[Sequence[tuple[str, str]]]


def told(faults: Sequence[Fault]) -> list[tuple[str, int]]:
    return sorted(("".join(f.device_ids), len(f.windows)) for f in faults)


def test_a_run_of_windows_is_one_fault_and_a_gap_ends_it(diagnosis_of: MakeDiagnosis) -> None:
    days: Days = [[("snr", "ab")], [("snr", "ab")], [], [("snr", "ab")]]
    first, second = track_faults(diagnosis_of(days))
    assert (first.start_s, first.end_s) == (0, 2 * DAY_S)
    assert [w.start_s for w in first.windows] == [0, DAY_S]
    assert not first.is_ongoing
    assert second.is_ongoing
    assert first.fault_id != second.fault_id


def test_missed_windows_are_bridged_as_far_as_asked(diagnosis_of: MakeDiagnosis) -> None:
    days: Days = [[("snr", "ab")], [], [("snr", "ab")], [], [], [("snr", "ab")]]
    assert [len(f.windows) for f in track_faults(diagnosis_of(days))] == [1, 1, 1]
    assert [len(f.windows) for f in track_faults(diagnosis_of(days), bridged_windows=1)] == [2, 1]
    assert [len(f.windows) for f in track_faults(diagnosis_of(days), bridged_windows=2)] == [3]


def test_half_of_the_members_in_common_is_the_same_fault(diagnosis_of: MakeDiagnosis) -> None:
    half: Days = [[("snr", "abcd")], [("snr", "abce")], [("snr", "ab")]]
    assert told(track_faults(diagnosis_of(half))) == [("abcde", 3)]  # 3/5, then 2/4
    less: Days = [[("snr", "abcd")], [("snr", "cdef")]]
    assert told(track_faults(diagnosis_of(less))) == [("abcd", 1), ("cdef", 1)]  # 2/6


def test_members_are_followed_from_first_to_last(diagnosis_of: MakeDiagnosis) -> None:
    days: Days = [[("snr", "ab")], [("snr", "abc")], [("snr", "abc")]]
    (fault,) = track_faults(diagnosis_of(days))
    assert [(m.device_id, m.first_seen_s // DAY_S, m.last_seen_s // DAY_S, m.n_windows)
            for m in fault.members] == [("a", 0, 3, 3), ("b", 0, 3, 3), ("c", 1, 3, 2)]  # fmt: skip
    assert fault.latest_members == {"a", "b", "c"}
    days = [[("snr", "abcd")], [("snr", "abcd")], [("snr", "abcde")]]
    (fault,) = track_faults(diagnosis_of(days))
    assert fault.lasting_members == {"a", "b", "c", "d"}, "e came by for a third of the time"


def test_what_several_features_say_of_the_same_modems_is_one_fault(
    diagnosis_of: MakeDiagnosis,
) -> None:
    days: Days = [[("tx_power", "abcdefgh"), ("snr", "abcd"), ("missing", "z")]]
    plant, home = sorted(track_faults(diagnosis_of(days)), key=lambda f: -len(f.members))
    assert plant.features == ("tx_power", "snr")
    assert (plant.verdict, home.verdict) == (Verdict.MAINTENANCE, Verdict.SERVICE)
    assert home.device_ids == ("z",)


def test_the_stronger_verdict_of_a_window_wins_and_most_windows_decide(
    diagnosis_of: MakeDiagnosis,
) -> None:
    days: Days = [[("snr", "abcdef"), ("tx_power", "abc")]]
    assert track_faults(diagnosis_of(days))[0].verdict == Verdict.MAINTENANCE
    five, six = [("snr", "abcde")], [("snr", "abcdef")]
    assert track_faults(diagnosis_of([five, five, six]))[0].verdict == Verdict.SERVICE
    assert track_faults(diagnosis_of([five, six]))[0].verdict == Verdict.MAINTENANCE


def test_noise_in_the_node_does_not_swallow_a_home_that_sends_louder(
    diagnosis_of: MakeDiagnosis,
) -> None:
    days: Days = [[("snr", "abcdefghij"), ("tx_power", "a"), ("missing", "b")]]
    assert told(track_faults(diagnosis_of(days))) == [("a", 1), ("abcdefghij", 1)]
    # Attenuation costs SNR and polls, so there both are by-products.
    days = [[("tx_power", "abcdefghij"), ("snr", "a"), ("missing", "b")]]
    assert told(track_faults(diagnosis_of(days))) == [("abcdefghij", 1)]


def test_a_home_fault_goes_on_while_the_plant_around_it_fails(diagnosis_of: MakeDiagnosis) -> None:
    home = [("snr", "a")]
    both = [("tx_power", "abcdefgh"), ("snr", "a")]
    assert told(track_faults(diagnosis_of([home, both, home]))) == [("a", 3), ("abcdefgh", 1)]


def test_of_two_that_fit_the_more_alike_goes_on(diagnosis_of: MakeDiagnosis) -> None:
    days: Days = [[("snr", "abcd"), ("tx_power", "efgh")],
                  [("snr", "abc"), ("tx_power", "efghd")]]  # fmt: skip
    assert told(track_faults(diagnosis_of(days))) == [("abcd", 2), ("defgh", 2)]
    split: Days = [[("snr", "abcdef")], [("snr", "abcd"), ("tx_power", "ef")]]
    assert told(track_faults(diagnosis_of(split))) == [("abcdef", 2), ("ef", 1)]


def test_a_second_run_goes_on_under_the_first_ones_ids(diagnosis_of: MakeDiagnosis) -> None:
    days: Days = [[("snr", "ab")], [("snr", "abc")], [("snr", "abcd")], [("snr", "bcd")]]
    whole = track_faults(diagnosis_of(days))
    first = faults_from_json(faults_to_json(track_faults(diagnosis_of(days[:2]))))
    later = track_faults(diagnosis_of(days[2:], first=2), known=first)
    assert str(later) == str(whole)
    alone = track_faults(diagnosis_of(days[2:], first=2))
    assert alone[0].fault_id != whole[0].fault_id


def test_a_window_that_is_looked_at_again_is_not_counted_twice(diagnosis_of: MakeDiagnosis) -> None:
    days: Days = [[("snr", "ab")], [("snr", "ab")], [("snr", "ab")]]
    known = track_faults(diagnosis_of(days[:2]))
    again = track_faults(diagnosis_of(days), known=known)
    assert str(again) == str(track_faults(diagnosis_of(days)))


def test_known_faults_end_or_stay_as_they_were(diagnosis_of: MakeDiagnosis) -> None:
    (known,) = track_faults(diagnosis_of([[("snr", "ab")]]))
    (ended,) = track_faults(diagnosis_of([[], []], first=1), known=[known])
    assert ended == replace(known, is_ongoing=False)
    elsewhere = track_faults(diagnosis_of([[("snr", "ab")]], first=1, fnode="G"), known=[known])
    assert elsewhere[0] == known, "its fiber node was not looked at"


def test_ids_do_not_hang_on_the_silence_or_on_verdicts(diagnosis_of: MakeDiagnosis) -> None:
    (plain,) = track_faults(diagnosis_of([[("snr", "ab")]]))
    (moved,) = track_faults(diagnosis_of([[("snr", "ab")]], late_s=3000))
    (other,) = track_faults(diagnosis_of([[("missing", "ab")]]))
    assert plain.fault_id == moved.fault_id == other.fault_id
    assert moved.start_s == -3000
    ids = {
        track_faults(diagnosis_of([[("snr", m)]], first=f, fnode=n))[0].fault_id
        for m in ("a", "ab") for f in (0, 1) for n in ("F", "G")
    }  # fmt: skip
    assert len(ids) == 8


def test_windows_in_smaller_steps_than_polls_are_seen_once(diagnosis_of: MakeDiagnosis) -> None:
    days = diagnosis_of([[("snr", "ab")], [("snr", "ab")]])
    # Four windows asked for, of which two at a time look at the same polls.
    nodes = tuple(node for node in days.nodes for _ in range(2))
    asked = tuple(TimeWindow(i * DAY_S // 2, DAY_S + i * DAY_S // 2) for i in range(4))
    (fault,) = track_faults(Diagnosis("by hand", nodes, asked))
    assert len(fault.windows) == 2
    assert fault.is_ongoing


def test_settings_are_checked(diagnosis_of: MakeDiagnosis) -> None:
    with pytest.raises(SettingError):
        track_faults(diagnosis_of([[]]), same_from=0.0)
    with pytest.raises(SettingError):
        track_faults(diagnosis_of([[]]), bridged_windows=-1)


@st.composite
def many_days(draw: st.DrawFn) -> list[list[tuple[str, str]]]:
    """Days of disjoint groups by feature, as a diagnoser gives them."""
    days = []
    for _ in range(draw(st.integers(2, 5))):
        groups = []
        for feature in ("snr", "tx_power", "missing"):
            letters = draw(st.permutations("abcdefgh"))
            cuts = sorted(draw(st.lists(st.integers(0, 8), max_size=4)))
            for start, end in zip([0, *cuts], cuts, strict=False):
                if end > start and draw(st.booleans()):
                    groups.append((feature, "".join(letters[start:end])))
        days.append(groups)
    return days


@settings(max_examples=150, deadline=None)
@given(many_days(), st.integers(1, 4), st.integers(0, 1))
def test_two_runs_say_what_one_says(
    diagnosis_of: MakeDiagnosis, days: list[list[tuple[str, str]]], cut: int, bridged: int
) -> None:
    cut = min(cut, len(days) - 1)
    whole = track_faults(diagnosis_of(days), bridged_windows=bridged)
    first = track_faults(diagnosis_of(days[:cut]), bridged_windows=bridged)
    both = track_faults(diagnosis_of(days[cut:], first=cut), known=first, bridged_windows=bridged)
    assert str(both) == str(whole)
    seen = {(f, m.device_id) for f in whole for m in f.members}
    assert len({f.fault_id for f in whole}) == len(whole)
    for number, groups in enumerate(days):
        for feature, letters in groups:
            for letter in letters:
                assert any(
                    fault.start_s <= number * DAY_S < fault.end_s and feature in fault.features
                    for fault, device in seen if device == letter
                )  # fmt: skip
    for fault in whole:
        starts = [window.start_s // DAY_S for window in fault.windows]
        assert all(0 < b - a <= 1 + bridged for a, b in itertools.pairwise(starts))
