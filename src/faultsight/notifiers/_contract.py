"""What a notifier is: `send(notification)` returns when the receiver has it, else raises."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from faultsight.core.errors import InputError

__all__ = ["Notification", "Notifier"]


@dataclass(frozen=True)
class Notification:
    """What the shift is told.

    Parameters
    ----------
    fingerprint : str
        The same at every delivery of the same message: receivers tell duplicates by it.
    payload : mapping
        What is told, as JSON values.

    Examples
    --------
    >>> Notification("00ff", {"title": "cell-1 drops calls"}).text
    '{"fingerprint": "00ff", "payload": {"title": "cell-1 drops calls"}}'
    """

    fingerprint: str
    payload: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The message as one line of ASCII JSON, the same at every delivery.

        Raises
        ------
        InputError
            If the payload is not JSON.
        """
        message = {"fingerprint": self.fingerprint, "payload": dict(self.payload)}
        try:
            return json.dumps(message, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"notification {self.fingerprint}: {error}") from None


class Notifier(ABC):
    """The base of every notifier: settings in `__init__`, one verb.

    A member keeps its settings in a frozen dataclass `config`, shows no secret in its repr, and
    implements `_send`. A receiver may get a message more than once, never less.

    Examples
    --------
    >>> from faultsight.notifiers import NOTIFIERS
    >>> NOTIFIERS.load("log")().name
    'log'
    """

    config: Any
    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]

    def send(self, notification: Notification) -> None:
        """Deliver a notification; it is delivered when this returns.

        Raises
        ------
        DeliveryError
            If the receiver has not taken it.
        InputError
            If it has no fingerprint or its payload is not JSON.
        """
        if not notification.fingerprint:
            raise InputError("a notification needs a fingerprint")
        self._send(notification, notification.text)

    @abstractmethod
    def _send(self, notification: Notification, text: str) -> None:
        """Deliver the text, one line of JSON."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config!r})"
