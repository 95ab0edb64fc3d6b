"""What every notifier must satisfy, ours and anybody's.

Build a `Rig`, the notifier together with a receiver, and run them::

    import pytest
    from faultsight.notifiers import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
    def test_my_notifier(check):
        with my_rig() as rig:
            check(rig)
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from faultsight.core.errors import DeliveryError, InputError
from faultsight.notifiers._contract import Notification, Notifier

__all__ = ["CHECKS", "Rig"]

_HOSTILE = (
    'a"; DROP TABLE alarms;--', "{{7*7}}", "=cmd()", "%s%n", "line\nbreak\r\nX-Header: 1",
    "<script>alert(1)</script>", "\x1b[31mred", "../../etc/passwd", "电信 ✓", "a\u202eb", "",
)  # fmt: skip


class Rig(Protocol):
    """A notifier and what stands at its other end.

    Attributes
    ----------
    notifier : Notifier
        The member.
    secrets : sequence of str
        What its settings hold and nobody may see.
    excused : str
        Why the receiver cannot fail; empty if it can.
    """

    notifier: Notifier
    secrets: Sequence[str]
    excused: str

    def received(self) -> list[Mapping[str, Any]]:
        """Return what has arrived: objects with ``fingerprint`` and ``payload``, in order."""

    def fail(self) -> None:
        """Let the receiver refuse from now on."""


Check = Callable[[Rig], None]


def check_delivers_what_it_is_given(rig: Rig) -> None:
    """What arrives is what was sent, in order, with the fingerprint."""
    payload = {"title": "cell-1 drops calls", "peak": 2.5, "alarms": ["a", "b"], "end_s": None}
    rig.notifier.send(Notification("00ff", payload))
    rig.notifier.send(Notification("01ff", {}))
    assert rig.received() == [
        {"fingerprint": "00ff", "payload": payload},
        {"fingerprint": "01ff", "payload": {}},
    ]


def check_a_second_delivery_is_the_same(rig: Rig) -> None:
    """The same message arrives the same, so that receivers can tell duplicates."""
    for _ in range(2):
        rig.notifier.send(Notification("00ff", {"b": 1, "a": 2}))
    first, second = rig.received()
    assert json.dumps(first) == json.dumps(second)


def check_names_arrive_unchanged(rig: Rig) -> None:
    """Names from data are text and nothing else."""
    for i, name in enumerate(_HOSTILE):
        rig.notifier.send(Notification(f"{i:04x}", {name: name}))
    assert [one["payload"] for one in rig.received()] == [{name: name} for name in _HOSTILE]


def check_a_refusal_is_told(rig: Rig) -> None:
    """What the receiver does not take raises DeliveryError, without a secret in the message."""
    if rig.excused:
        return
    rig.fail()
    told = ""
    try:
        rig.notifier.send(Notification("00ff", {}))
    except DeliveryError as error:
        told = str(error)
    assert told, "the receiver failed and nobody was told"
    assert not [secret for secret in rig.secrets if secret in told]


def check_what_is_not_json_is_refused(rig: Rig) -> None:
    """Neither NaN, nor an object, nor an empty fingerprint goes out."""
    for fingerprint, payload in (("00ff", {"a": float("nan")}), ("00ff", {"a": rig}), ("", {})):
        try:
            rig.notifier.send(Notification(fingerprint, payload))
        except InputError:
            continue
        raise AssertionError(f"{fingerprint!r}, {payload!r} went out")
    assert rig.received() == []


def check_settings_are_frozen_and_keep_secrets(rig: Rig) -> None:
    """The settings are a frozen dataclass, and no secret of them is shown."""
    config = rig.notifier.config
    first = dataclasses.fields(config)[0].name
    is_frozen = False
    try:
        setattr(config, first, getattr(config, first))
    except dataclasses.FrozenInstanceError:
        is_frozen = True
    assert is_frozen
    assert not [secret for secret in rig.secrets if secret in repr(rig.notifier)]


CHECKS: Sequence[Check] = (
    check_delivers_what_it_is_given,
    check_a_second_delivery_is_the_same,
    check_names_arrive_unchanged,
    check_a_refusal_is_told,
    check_what_is_not_json_is_refused,
    check_settings_are_frozen_and_keep_secrets,
)
"""All checks."""
