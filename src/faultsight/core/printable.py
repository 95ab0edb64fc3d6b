"""Names from data as one line that can be shown: on a terminal, in a message, on a page."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

# Controls can steer a terminal, format characters can turn the reading direction of what follows.
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(name: str) -> str:
    r"""Return a name from data as one line of visible characters.

    Examples
    --------
    >>> printable("a\x1b[31m\n"), printable(""), printable("电信")
    ('a\\x1b[31m\\n', '(empty)', '电信')
    """
    if not name.strip():
        return "(empty)" if not name else f"(blank: {name!r})"
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in _INVISIBLE else c
        for c in name
    )
