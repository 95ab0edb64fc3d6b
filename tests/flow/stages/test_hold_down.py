"""Hold-down and flapping, against a plain row-by-row reading of the rules."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faultsight.flow.stages.flapping import collapsed
from faultsight.flow.stages.hold_down import Spell, spells


def plain(rows: list[float | None], raise_rows: int, clear_rows: int) -> list[Spell]:
    """The rules, one row after another."""
    found: list[Spell] = []
    is_raised, run, quiet, start, last = False, 0, 0, -1, -1
    for at, row in enumerate(rows):
        if row is None:
            run = 0
            continue
        if row > 1.0:
            run += 1
            quiet = 0
            if is_raised:
                last = at + 1
            elif run >= raise_rows:
                is_raised, start, last = True, at + 1 - run, at + 1
        else:
            run = 0
            quiet += 1
            if is_raised and quiet >= clear_rows:
                found.append(Spell(start, last, is_open=False))
                is_raised = False
    if is_raised:
        found.append(Spell(start, last, is_open=True))
    return found


ROWS = st.lists(st.sampled_from([None, 0.5, 2.0, 2.0]), max_size=40)


@given(ROWS, st.integers(1, 4), st.integers(1, 4))
def test_spells_are_those_of_the_plain_rules(
    rows: list[float | None], raise_rows: int, clear_rows: int
) -> None:
    ratio = np.array([np.nan if r is None else r for r in rows], np.float32)
    told = spells(ratio, raise_rows=raise_rows, clear_rows=clear_rows)
    assert told == plain(rows, raise_rows, clear_rows)


@given(ROWS, st.integers(1, 3), st.integers(1, 3), st.integers(0, 40))
def test_what_was_raised_stays_when_rows_are_added(
    rows: list[float | None], raise_rows: int, clear_rows: int, seen: int
) -> None:
    """A spell that has begun has the same start ever after; one that is over stays as it is."""
    ratio = np.array([np.nan if r is None else r for r in rows], np.float32)
    early = spells(ratio[:seen], raise_rows=raise_rows, clear_rows=clear_rows)
    late = spells(ratio, raise_rows=raise_rows, clear_rows=clear_rows)
    assert [s for s in early if not s.is_open] == late[: sum(not s.is_open for s in early)]
    assert [s.start for s in early] == [s.start for s in late[: len(early)]]


@given(ROWS, st.integers(0, 6))
def test_flapping_loses_no_row_and_counts_every_return(rows: list[float | None], gap: int) -> None:
    ratio = np.array([np.nan if r is None else r for r in rows], np.float32)
    told = spells(ratio)
    joined = collapsed(told, gap)
    assert len(joined) + sum(s.flaps for s in joined) == len(told)
    assert {(s.start) for s in joined} <= {s.start for s in told}
    for before, after in itertools.pairwise(joined):
        assert after.start - before.stop > gap
    assert [s.is_open for s in joined[-1:]] == [s.is_open for s in told[-1:]]


def test_the_factor_moves_the_level() -> None:
    ratio = np.array([1.5, 3.0, 1.5], np.float32)
    assert [(s.start, s.stop) for s in spells(ratio, factor=2.0)] == [(1, 2)]
