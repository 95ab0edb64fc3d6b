"""A family: the members of a package, found by file name and loaded on demand.

A new member is one file in the family's package (or an entry point of another distribution).
Nothing else is edited: the file name is the member's name.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from faultsight.core.errors import FaultSightError, UnknownMemberError

__all__ = ["Family"]

T = TypeVar("T")


@dataclass(frozen=True)
class Family(Generic[T]):
    """The members that implement one contract.

    Parameters
    ----------
    kind : str
        What a member is called in messages, such as ``"localizer"``.
    base : type
        The class that every member derives from. A member's module defines exactly one public,
        concrete subclass of it.
    packages : sequence of str
        Packages whose modules are members. Names that start with ``_`` are private pieces.
    modules : sequence of str
        Single modules (or packages) that are members too.
    entry_point_group : str
        Where other distributions announce their members.

    Examples
    --------
    >>> from faultsight.localize import LOCALIZERS
    >>> "rapminer" in LOCALIZERS.names()
    True
    >>> LOCALIZERS.load("rapminer").__name__
    'RAPMiner'
    """

    kind: str
    base: type[T]
    packages: Sequence[str] = ()
    modules: Sequence[str] = ()
    entry_point_group: str = ""

    @cached_property
    def _sources(self) -> dict[str, str | EntryPoint]:
        sources: dict[str, str | EntryPoint] = {}
        if self.entry_point_group:
            sources.update({p.name: p for p in entry_points(group=self.entry_point_group)})
        for package in self.packages:
            path = importlib.import_module(package).__path__
            for module in pkgutil.iter_modules(path):
                if not module.name.startswith("_"):
                    sources[module.name] = f"{package}.{module.name}"
        sources.update({module.rpartition(".")[2]: module for module in self.modules})
        return sources

    def names(self) -> list[str]:
        """Return the names of all members, sorted; none is imported."""
        return sorted(self._sources)

    def load(self, name: str) -> type[T]:
        """Import and return one member.

        Raises
        ------
        UnknownMemberError
            If no member has that name.
        FaultSightError
            If the member does not keep the rule of one public subclass a module.
        """
        source = self._sources.get(name)
        if source is None:
            raise UnknownMemberError(self.kind, name, self.names())
        if not isinstance(source, str):
            member = source.load()
            if not (inspect.isclass(member) and issubclass(member, self.base)):
                raise FaultSightError(f"entry point {name!r} is not a {self.base.__name__}")
            return member
        module = importlib.import_module(source)
        members = [
            value
            for key, value in vars(module).items()
            if inspect.isclass(value)
            and issubclass(value, self.base)
            and not inspect.isabstract(value)
            and not key.startswith("_")
            and (value.__module__ == source or value.__module__.startswith(source + "."))
        ]
        if len(members) != 1:
            raise FaultSightError(
                f"{source} must hold one public {self.base.__name__}; it holds {len(members)}"
            )
        return members[0]
