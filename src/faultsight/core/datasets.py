"""Where datasets come from and where they lie. Nothing is ever downloaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Source", "data_folder"]


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from.

    Attributes
    ----------
    url : str
        The origin; empty for simulations.
    licence : str
        As far as it could be established; says so where it could not.
    obtain : str
        How a user gets the whole set into the data folder.
    """

    url: str
    licence: str
    obtain: str


def data_folder(explicit: Path | str | None = None) -> Path:
    """Return the folder that holds ``detect/<set>`` and ``localize/<set>``.

    The explicit one if given, else the environment's ``FAULTSIGHT_DATA``, else
    ``faultsight/data`` in the user's cache folder.

    Examples
    --------
    >>> data_folder("/srv/sets").name
    'sets'
    """
    named = explicit or os.environ.get("FAULTSIGHT_DATA")
    if named:
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "faultsight" / "data"
