"""A loop that is killed at any moment loses nothing and does nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from .conftest import END_S, HOUR_S, LIVE_S, Provider

SCRIPT = Path(__file__).with_name("killed_loop.py")
STEP_S = 2 * HOUR_S


def test_killed_again_and_again(provider: Callable[..., Provider], live: pl.DataFrame) -> None:
    made, whole = provider(), provider()
    for each in (made, whole):
        each.send(live, now_s=END_S)
    whole.tick(END_S)
    stream = np.random.default_rng(1000)
    told = [str(made.folder), json.dumps(made.config.to_dict()), str(LIVE_S), str(END_S)]
    command = [sys.executable, str(SCRIPT), *told, str(STEP_S)]
    n_killed = 0
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        time.sleep(float(stream.uniform(0, 0.4)))
        process.kill()
        process.wait()
        process.stdout.close()
        n_killed += bool(line) and process.returncode != 0
    assert n_killed > 0
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert made.ops.feeds.watermark("cells").scored_until_s == END_S
    assert made.standing() == whole.standing()
    assert not made.withdrawn()
    incidents = {i.id for i in made.ops.incidents.find()}
    messages = made.ops.outbox.page(limit=500).items
    assert len({(m.notifier, m.fingerprint) for m in messages}) == len(messages)
    assert {m.payload["fingerprint"] for m in messages} <= incidents
