"""Server-sent events: what changed comes, and a client that comes back misses nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from faultsight.app.application import Application
from faultsight.app.build import open_application
from faultsight.app.passwords import digest
from faultsight.app.roles import Role
from faultsight.app.settings import Settings, load_settings
from faultsight.console.api import events
from faultsight.core.alarm import AlarmKind, AlarmRecord
from faultsight.core.kpi_frame import TimeWindow

from ._serving import HOST, serving


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return load_settings(tmp_path / "state", server={"port": 0}, limits={"event_streams": 2})


def raise_alarm(application: Application, number: int, feed: str = "cells") -> str:
    alarm = AlarmRecord(
        feed=feed, entity=f"cell-{number}", kind=AlarmKind.KPI, start_s=60 * number, peak=2.0
    )
    window = TimeWindow(60 * number, 60 * number + 60)
    application.ops.alarms.reconcile(feed, window, [alarm.entity], [alarm])
    return alarm.id


class Stream:
    def __init__(self, port: int, query: str = "", **headers: str) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=30)
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(
            f"GET /api/v1/events{query} HTTP/1.1\r\nHost: localhost\r\n{told}\r\n".encode()
        )
        self.file = self.socket.makefile("r", encoding="utf-8", newline="")

    def status(self) -> int:
        status = int(self.file.readline().split()[1])
        while self.file.readline().strip():
            pass
        return status

    def alarms(self, n: int) -> list[tuple[int, str]]:
        """Return number and id of the next alarms."""
        found: list[tuple[int, str]] = []
        number = 0
        while len(found) < n:
            line = self.file.readline().strip()
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                found.append((number, json.loads(line[6:])["alarm"]["id"]))
        return found

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_new_alarms_come_and_none_is_missed(application: Application) -> None:
    application.ops.feeds.add("cells", "kpi", 60)
    old = raise_alarm(application, 1)
    with serving(application) as port:
        first = Stream(port)
        assert first.status() == 200
        assert first.file.readline()  # it listens from here on
        second = raise_alarm(application, 2)
        ((number, told),) = first.alarms(1)
        assert told == second
        first.close()
        third, fourth = raise_alarm(application, 3), raise_alarm(application, 4)
        again = Stream(port, last_event_id=str(number))
        assert again.status() == 200
        assert [told for _, told in again.alarms(2)] == [third, fourth]
        again.close()
        everything = Stream(port, last_event_id="0")
        assert everything.status() == 200
        assert [told for _, told in everything.alarms(4)] == [old, second, third, fourth]
        everything.close()


def test_of_one_feed(application: Application) -> None:
    application.ops.feeds.add("cells", "kpi", 60)
    application.ops.feeds.add("others", "kpi", 60)
    raise_alarm(application, 1)
    other = raise_alarm(application, 1, "others")
    with serving(application) as port:
        stream = Stream(port, "?feed=others", last_event_id="0")
        assert stream.status() == 200
        assert [told for _, told in stream.alarms(1)] == [other]
        stream.close()


def test_a_stream_lives_while_only_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every look finds something, and all of it is of other feeds, heartbeats still come."""
    monkeypatch.setattr(events, "_HEARTBEAT_S", -1.0)
    monkeypatch.setattr(events, "_POLL_S", 0.01)
    monkeypatch.setattr(events, "still_may", lambda _: True)

    async def connected() -> bool:
        return False

    state = SimpleNamespace(streams=0, stopping=threading.Event())
    request: Any = SimpleNamespace(app=SimpleNamespace(state=state), is_disconnected=connected)
    looks = SimpleNamespace(events=lambda after, _feed, _most: [(after + 1, "raised", None)])

    async def first_heartbeat() -> str:
        app: Any = SimpleNamespace(alarms=looks)
        stream = events._events(request, app, "mine", 7)
        assert "id: 7" in await anext(stream)
        return await asyncio.wait_for(anext(stream), timeout=30)

    assert asyncio.run(first_heartbeat()).startswith(": heartbeat\nid: 8")


def test_whoever_is_shut_out_is_told_nothing_more(application: Application) -> None:
    """At once, not only when a quiet stream is looked at: on a busy one it never is."""
    application.ops.feeds.add("cells", "kpi", 60)
    users = application.ops.users
    for name, role in (("ana", Role.ADMIN), ("bo", Role.VIEWER)):
        users.add(name, "$argon2id$nobody", role)
    secret = "fs_secret"
    users.add_token("bo", "console", digest(secret), role=Role.VIEWER)
    with serving(application) as port:
        stream = Stream(port, authorization=f"Bearer {secret}")
        assert stream.status() == 200
        assert stream.file.readline()
        first = raise_alarm(application, 1)
        assert [told for _, told in stream.alarms(1)] == [first]
        users.set_disabled("bo", True)
        raise_alarm(application, 2)
        assert "data:" not in stream.file.read()  # and the server has ended it
        stream.close()


def test_so_many_and_no_more(application: Application) -> None:
    with serving(application) as port:
        streams = [Stream(port) for _ in range(2)]
        for stream in streams:
            assert stream.status() == 200
            assert stream.file.readline()
        third = Stream(port)
        assert third.status() == 503
        for stream in (*streams, third):
            stream.close()


def test_open_streams_do_not_hold_up_the_end(settings: Settings) -> None:
    with open_application(settings) as application:
        with serving(application) as port:
            stream = Stream(port)
            assert stream.status() == 200
        assert stream.file.read() is not None  # ended by the server
        stream.close()


@pytest.mark.parametrize("bad", ["x", "-1", "1" * 30, "1e3"])
def test_an_event_that_is_none(application: Application, bad: str) -> None:
    with serving(application) as port:
        stream = Stream(port, last_event_id=bad)
        assert stream.status() == 422
        stream.close()
