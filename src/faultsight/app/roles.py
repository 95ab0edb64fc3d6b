"""Who is asking, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

from faultsight.stores.operations import Role

__all__ = ["COMMAND_LINE", "Principal", "Role"]


@dataclass(frozen=True)
class Principal:
    """Who is asking.

    Attributes
    ----------
    name : str
        The user's name; every decision is recorded under it.
    role : Role
        What they may do: a viewer reads; an operator also decides; an admin also arranges.
    via : str
        How they showed who they are: ``session``, ``token``, ``local`` or ``command line``.

    Examples
    --------
    >>> COMMAND_LINE.role.may_act_as(Role.OPERATOR)
    True
    """

    name: str
    role: Role
    via: str


COMMAND_LINE = Principal("command line", Role.ADMIN, "command line")
"""Whoever may read and write the state folder may do everything."""
