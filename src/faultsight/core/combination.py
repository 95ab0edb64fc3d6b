"""AttributeCombination: a place in a KPI cube, such as ``(L1, *, *, Site1)``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from urllib.parse import quote, unquote

from faultsight.core.errors import InputError

__all__ = ["AttributeCombination"]

# Only what would make the text ambiguous is escaped, so that names stay readable.
_RESERVED = "%&=;"


class AttributeCombination(Mapping[str, str]):
    """A place in a KPI cube: some attributes fixed to an element, the others free.

    Equal combinations are equal whatever the order in which their elements were given.

    Parameters
    ----------
    elements : mapping or iterable of pairs
        Attribute name to element name; what is not named is free (``*``).

    Raises
    ------
    InputError
        If an attribute is given twice.

    References
    ----------
    RAPMiner (DSN 2022), sections II.B and III.B.

    Examples
    --------
    >>> place = AttributeCombination({"site": "Site1", "location": "L1"})
    >>> str(place), place.layer
    ('location=L1&site=Site1', 2)
    >>> place.display(["location", "access", "os", "site"])
    '(L1, *, *, Site1)'
    >>> AttributeCombination.parse("site=Site1&location=L1") == place
    True
    >>> sorted(map(str, place.parents()))
    ['location=L1', 'site=Site1']
    """

    __slots__ = ("_hash", "_items")

    def __init__(self, elements: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        pairs = elements.items() if isinstance(elements, Mapping) else elements
        items = tuple(sorted((str(attribute), str(element)) for attribute, element in pairs))
        if len({attribute for attribute, _ in items}) < len(items):
            raise InputError(f"an attribute is given twice in {items!r}")
        self._items = items
        self._hash = hash(items)

    @classmethod
    def parse(cls, text: str) -> AttributeCombination:
        """Read the text form, ``attribute=element&...``, with ``%``-escapes for ``% & = ;``.

        Raises
        ------
        InputError
            If a part of the text has no ``=``.
        """
        pairs = []
        for part in text.split("&"):
            attribute, equals, element = part.partition("=")
            if not equals:
                raise InputError(f"{text!r} is not of the form attribute=element&...")
            pairs.append((unquote(attribute.strip()), unquote(element.strip())))
        return cls(pairs)

    @property
    def layer(self) -> int:
        """How many attributes are fixed."""
        return len(self._items)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The fixed attributes: the cuboid that the combination lies in."""
        return tuple(attribute for attribute, _ in self._items)

    def is_ancestor_of(self, other: AttributeCombination) -> bool:
        """Whether the other lies properly inside this one."""
        return self.layer < other.layer and set(self._items) < set(other._items)

    def parents(self) -> Iterator[AttributeCombination]:
        """Yield the combinations with one attribute set free; none in layer 1."""
        if self.layer > 1:
            for kept in combinations(self._items, self.layer - 1):
                yield AttributeCombination(kept)

    def display(self, attributes: Sequence[str]) -> str:
        """Return the paper's form: one place for each attribute of the cube, ``*`` where free."""
        fixed = dict(self._items)
        return "(" + ", ".join(fixed.get(attribute, "*") for attribute in attributes) + ")"

    def __getitem__(self, attribute: str) -> str:
        for name, element in self._items:
            if name == attribute:
                return element
        raise KeyError(attribute)

    def __iter__(self) -> Iterator[str]:
        return (attribute for attribute, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AttributeCombination):
            return NotImplemented
        return self._items == other._items

    def __lt__(self, other: AttributeCombination) -> bool:
        return (self.layer, self._items) < (other.layer, other._items)

    def __str__(self) -> str:
        return "&".join(f"{_escape(a)}={_escape(e)}" for a, e in self._items)

    def __repr__(self) -> str:
        return f"AttributeCombination({str(self)!r})"


def _escape(name: str) -> str:
    return "".join(quote(c, safe="") if c in _RESERVED else c for c in name)
