"""The option ``--json [FILE]`` that every command has: to standard output, or to a file."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from typer import Option
from typer.core import TyperCommand

from faultsight.core.files import write_atomic

__all__ = ["STDOUT", "JsonCommand", "JsonTarget", "write_json"]

STDOUT = "-"

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

    Use it as ``@app.command(cls=JsonCommand)``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare ``--json`` (last, or before another option) the value for stdout."""
        told = []
        for position, arg in enumerate(args):
            following = args[position + 1] if position + 1 < len(args) else "--"
            bare = arg == "--json" and following != STDOUT and following.startswith("-")
            told.append(f"--json={STDOUT}" if bare else arg)
        return super().parse_args(ctx, told)


def write_json(text: str, target: str) -> None:
    """Write JSON text to standard output or, complete or not at all, to a file."""
    if target == STDOUT:
        sys.stdout.write(text + "\n")
    else:
        write_atomic(target, text + "\n")
