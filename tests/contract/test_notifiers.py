"""Every notifier against every contract check; a new member brings its rig."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from faultsight.notifiers import CHECKS, NOTIFIERS, Notifier, Rig
from faultsight.notifiers._checks import Check
from faultsight.notifiers._receiver import HttpReceiver
from faultsight.notifiers.log import Log
from faultsight.notifiers.webhook import Webhook, WebhookConfig


class LogRig(logging.Handler):
    secrets: Sequence[str] = ()
    excused = "a log takes every line"

    def __init__(self) -> None:
        super().__init__()
        self.notifier: Notifier = Log()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def received(self) -> list[Mapping[str, Any]]:
        assert not [line for line in self.lines if len(line.splitlines()) != 1]
        return [json.loads(line) for line in self.lines]

    def fail(self) -> None:
        raise AssertionError(self.excused)


class WebhookRig:
    secrets: Sequence[str] = ("Bearer s3cret", "/hook")
    excused = ""

    def __init__(self, receiver: HttpReceiver) -> None:
        self.receiver = receiver
        self.notifier: Notifier = Webhook(
            WebhookConfig(
                receiver.url, {"Authorization": "Bearer s3cret"}, allowed_networks=("127.0.0.1",)
            )
        )

    def received(self) -> list[Mapping[str, Any]]:
        return list(self.receiver.messages())

    def fail(self) -> None:
        self.receiver.behave = lambda _number: "refuse"


@contextmanager
def log_rig() -> Iterator[Rig]:
    rig = LogRig()
    logger = logging.getLogger("faultsight.notifications")
    logger.addHandler(rig)
    logger.setLevel(logging.INFO)
    try:
        yield rig
    finally:
        logger.removeHandler(rig)
        logger.setLevel(logging.NOTSET)


@contextmanager
def webhook_rig() -> Iterator[Rig]:
    with HttpReceiver() as receiver:
        yield WebhookRig(receiver)


RIGS: dict[str, Callable[[], AbstractContextManager[Rig]]] = {
    "log": log_rig,
    "webhook": webhook_rig,
}


@pytest.mark.parametrize("name", NOTIFIERS.names())
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_notifier(name: str, check: Check) -> None:
    with RIGS[name]() as rig:
        check(rig)
