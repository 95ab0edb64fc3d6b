"""The option ``--json [FILE]`` that every command has: to standard output, or to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Option
from typer.core import TyperCommand

from faultsight.core.files import write_atomic

__all__ = ["STDOUT", "JsonCommand", "JsonTarget", "write_json"]

STDOUT = "-"

_INPUTS = (".csv", ".parquet")

JsonTarget = Annotated[
    str | None,
    Option(
        "--json",
        metavar="[FILE]",
        help="Write the result as JSON to FILE, or to standard output if no file is named.",
    ),
]
"""The type of a command's parameter; None if no JSON was asked for."""


class JsonCommand(TyperCommand):
    """A command whose ``--json`` may stand without a value.

    Use it as ``@app.command(cls=JsonCommand)``. A table or a folder that follows is an input, never
    the file to write: ``faultsight localize --json case.csv`` must not destroy the case.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare ``--json`` (last, or before another option) the value for stdout."""
        told = []
        for position, arg in enumerate(args):
            following = args[position + 1] if position + 1 < len(args) else "--"
            bare = arg == "--json" and not _is_target(following)
            told.append(f"--json={STDOUT}" if bare else arg)
        return super().parse_args(ctx, told)


def _is_target(arg: str) -> bool:
    if arg == STDOUT:
        return True
    path = Path(arg)
    return not (arg.startswith("-") or path.suffix.lower() in _INPUTS or path.is_dir())


def write_json(text: str, target: str) -> None:
    """Write JSON text to standard output or, complete or not at all, to a file."""
    if target == STDOUT:
        sys.stdout.write(text + "\n")
    else:
        write_atomic(target, text + "\n")
