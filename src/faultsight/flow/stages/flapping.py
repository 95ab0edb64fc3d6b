"""Flapping: an alarm that is over and soon comes back is one alarm, with a count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from faultsight.flow.stages.hold_down import Spell

__all__ = ["collapsed"]


def collapsed(spells: Sequence[Spell], gap_rows: int) -> list[Spell]:
    """Return spells with those that follow each other within a gap joined into one.

    Parameters
    ----------
    spells : sequence of Spell
        Of one entity, in order of time.
    gap_rows : int
        So many rows or fewer from the end of one to the start of the next are no real end.

    Examples
    --------
    >>> told = [Spell(0, 2, False), Spell(5, 6, False), Spell(20, 22, True)]
    >>> [(s.start, s.stop, s.flaps) for s in collapsed(told, 6)]
    [(0, 6, 1), (20, 22, 0)]
    """
    joined: list[Spell] = []
    for spell in spells:
        if joined and spell.start - joined[-1].stop <= gap_rows:
            joined[-1] = replace(
                joined[-1], stop=spell.stop, is_open=spell.is_open, flaps=joined[-1].flaps + 1
            )
        else:
            joined.append(spell)
    return joined
