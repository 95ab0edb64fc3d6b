"""Progress on standard error: one line that changes on a terminal, a line a step elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["progress"]


@contextmanager
def progress(first: str, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show what happens while a block runs.

    Parameters
    ----------
    first : str
        What happens at the start; shown on a terminal only.
    console : rich.console.Console, optional
        Where to; standard error if not given, so that results stay alone on standard output.

    Yields
    ------
    callable
        Told in a short line what happens.
    """
    from rich.console import Console as RichConsole
    from rich.text import Text

    from faultsight.core.printable import printable

    console = console or RichConsole(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda line: console.print(Text(printable(line)), soft_wrap=True)
        return
    with console.status(Text(first)) as status:
        yield lambda line: status.update(Text(printable(line), no_wrap=True, overflow="ellipsis"))
