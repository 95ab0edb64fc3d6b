"""The worker of the outbox: what the shift is to be told is delivered, at least once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from faultsight.app.application import Application
from faultsight.app.settings import NotifierSettings
from faultsight.core.errors import SettingError
from faultsight.notifiers import NOTIFIERS, Notifier, Pump

__all__ = ["OutboxWorker", "make_notifier"]


class OutboxWorker:
    """Delivers what waits in the outbox.

    Parameters
    ----------
    application : Application
        Whose outbox.
    owner : str
        Under which name messages are leased.

    Raises
    ------
    SettingError, UnknownMemberError
        If a notifier of the settings is not known or cannot be made.
    """

    def __init__(self, application: Application, owner: str) -> None:
        self._application = application
        self._owner = owner
        self._pump = self._made()

    def reload(self) -> None:
        """Take up changed settings."""
        self._pump = self._made()

    def drain(self, stop: Callable[[], bool]) -> bool:
        """Deliver what is due; returns whether anything was."""
        done = self._pump.drain(stop)
        return bool(done.delivered)

    def _made(self) -> Pump:
        notifiers = {"log": make_notifier(NotifierSettings(name="log", kind="log"))}
        for told in self._application.settings.notifiers:
            notifiers[told.name] = make_notifier(told)
        return Pump(self._application.ops.outbox, notifiers, owner=f"{self._owner}:outbox")


def make_notifier(told: NotifierSettings) -> Notifier:
    """Return a notifier as the settings say.

    Raises
    ------
    SettingError
        If an option is not known or not possible; names the notifier.

    Examples
    --------
    >>> make_notifier(NotifierSettings(name="shift", kind="log")).name
    'log'
    """
    member: Any = NOTIFIERS.load(told.kind)
    config = getattr(inspect.getmodule(member), f"{member.__name__}Config", None)
    if config is None:
        raise SettingError(f"notifier {told.name}: {told.kind} takes no options")
    known = {field.name for field in fields(config)}
    for name in told.options:
        if name not in known:
            raise SettingError(
                f"notifier {told.name}: {told.kind} has no option {name!r}; it has "
                f"{', '.join(sorted(known))}"
            )
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in told.options.items()
    }
    try:
        notifier: Notifier = member(config(**options))
    except TypeError as error:
        raise SettingError(f"notifier {told.name}: {error}") from error
    return notifier
