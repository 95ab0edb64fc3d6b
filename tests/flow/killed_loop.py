"""Runs the loop over a state folder tick by tick, to be killed; prints a line for each tick."""

import json
import sys
from pathlib import Path

from faultsight.flow.config import FeedConfig
from faultsight.flow.loop import Loop
from faultsight.stores.operations import Operations

if __name__ == "__main__":
    folder, config, start_s, end_s, step_s = sys.argv[1:]
    ops = Operations.open(Path(folder) / "operations.sqlite")
    loop = Loop(ops, folder, [FeedConfig.from_dict(json.loads(config))])
    scored_s = ops.feeds.watermark("cells").scored_until_s
    first_s = (int(start_s) if scored_s is None else scored_s) + int(step_s)
    for now_s in range(first_s, int(end_s) + 1, int(step_s)):
        loop.tick("cells", now_s)
        print(now_s, flush=True)  # noqa: T201
