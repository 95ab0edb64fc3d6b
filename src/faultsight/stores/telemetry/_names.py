"""The list of entities, or of a cube's elements: known without reading the rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from faultsight.core.bucketed import read_columns, write_parquet
from faultsight.core.errors import InputError
from faultsight.stores.telemetry._checking import Checked
from faultsight.stores.telemetry._feed import Feed

__all__ = ["KnownNames"]

_SCHEMA = {"attribute": pl.String(), "element": pl.String()}


class KnownNames:
    """Every attribute and element of a feed, sorted; written anew when an append brings a new one.

    Parameters
    ----------
    folder : Path
        The feed's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[int, pl.DataFrame] = (-1, pl.DataFrame(schema=_SCHEMA))

    def path(self, number: int) -> Path:
        """Return the file that an append of a number writes."""
        return self._folder / f"names.{number:06d}.parquet"

    def read(self, feed: Feed) -> pl.DataFrame:
        """Return columns ``attribute`` and ``element``.

        Raises
        ------
        FileNotFoundError
            If a later append has replaced the list meanwhile.
        """
        if feed.names_file < 0:
            return pl.DataFrame(schema=_SCHEMA)
        if self._known[0] != feed.names_file:
            names = read_columns(self.path(feed.names_file), _SCHEMA, needed=_SCHEMA)
            self._known = (feed.names_file, names)
        return self._known[1]

    def elements(self, feed: Feed, attribute: str) -> list[str]:
        """Return the elements of an attribute, sorted."""
        return self.read(feed).filter(pl.col("attribute") == attribute)["element"].to_list()

    def with_new(self, checked: Checked, feed: Feed, source: str) -> pl.DataFrame | None:
        """Return the list with the names of an append; none where it brings no new one.

        Raises
        ------
        InputError
            If there would be too many.
        """
        if not checked.table.height:
            return None
        known = self.read(feed)
        parts = [known]
        for attribute in feed.attributes:
            told = checked.owners.names[attribute].drop_nulls().unique()
            before = known.filter(pl.col("attribute") == attribute)["element"]
            new = told.filter(~told.is_in(before.implode()))
            n_elements = len(before) + len(new)
            if len(new) and n_elements > feed.limits.max_entities:
                raise InputError(
                    f"{n_elements:,} names are more than the {feed.limits.max_entities:,} of "
                    "max_entities",
                    source=source or None, column=attribute,
                )  # fmt: skip
            named = {"attribute": [attribute] * len(new), "element": new}
            parts.append(pl.DataFrame(named, schema=_SCHEMA))
        names = pl.concat(parts)
        return names.sort("attribute", "element") if names.height > known.height else None

    def write(self, number: int, names: pl.DataFrame) -> None:
        """Write the list that an append of a number brings."""
        write_parquet(self.path(number), names)

    def left(self, feed: Feed, files: Iterable[Path]) -> pl.DataFrame | None:
        """Return the list without the names of which no file holds a row; none where all have.

        Parameters
        ----------
        feed : Feed
            Whose list it is.
        files : iterable of Path
            The newest first: most names have rows there, so few files are read.
        """
        known = self.read(feed)
        missing = {name: set(self.elements(feed, name)) for name in feed.attributes}
        for file in files:
            if not any(missing.values()):
                return None
            table = read_columns(file, feed.attributes)
            for name in table.columns:
                missing[name].difference_update(table[name].unique())
        gone = [(name, element) for name, names in missing.items() for element in names]
        if not gone:
            return None
        table = pl.DataFrame(gone, schema=_SCHEMA, orient="row")
        return known.join(table, on=list(_SCHEMA), how="anti", maintain_order="left")

    def forget(self) -> None:
        """Forget what was read of a list that may not count any more."""
        self._known = (-1, pl.DataFrame(schema=_SCHEMA))

    def drop_others(self, feed: Feed) -> None:
        """Remove every list but the one that counts."""
        for path in self._folder.glob("names.*.parquet"):
            if path != self.path(feed.names_file):
                path.unlink(missing_ok=True)
