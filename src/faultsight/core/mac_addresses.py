"""MAC addresses are written in several ways: one modem must not become two for that."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["in_one_notation", "spelled_like"]

_PAIR, _FOUR = "[0-9a-f]{2}", "[0-9a-f]{4}"
_MAC = re.compile(
    rf"{_PAIR}(:{_PAIR}){{5}}|{_PAIR}(-{_PAIR}){{5}}|{_FOUR}(\.{_FOUR}){{2}}|[0-9a-f]{{12}}",
    re.IGNORECASE,
)
_SIGNS = str.maketrans("", "", ":-.")


def in_one_notation(name: str) -> str:
    """Return a MAC address as twelve small hexadecimal digits; any other name as it is.

    Examples
    --------
    >>> [in_one_notation(n) for n in ("00:1A:2b:00:00:FB", "00-1a-2b-00-00-fb", "001a.2b00.00FB")]
    ['001a2b0000fb', '001a2b0000fb', '001a2b0000fb']
    >>> in_one_notation("Modem-7")
    'Modem-7'
    """
    return name.translate(_SIGNS).lower() if _MAC.fullmatch(name) else name


def spelled_like(names: Iterable[str], models: Iterable[str]) -> dict[str, str]:
    """Return how some names are written elsewhere, where that is otherwise than here.

    Parameters
    ----------
    names, models : iterables of str
        Here and elsewhere.

    Returns
    -------
    dict of str to str
        Of names that are a MAC address in another notation: as the other side writes it, the first
        in order where it has several.

    Examples
    --------
    >>> spelled_like(["AA-00-00-00-00-01", "b"], ["aa:00:00:00:00:01", "B"])
    {'AA-00-00-00-00-01': 'aa:00:00:00:00:01'}
    """
    there = set(models)
    strange = [name for name in dict.fromkeys(names) if name not in there and _MAC.fullmatch(name)]
    if not strange:
        return {}
    spelling = {in_one_notation(name): name for name in sorted(there, reverse=True)}
    known = ((name, spelling.get(in_one_notation(name))) for name in strange)
    return {name: found for name, found in known if found is not None}
