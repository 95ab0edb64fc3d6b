"""The command line: one file a command; what a command needs is imported when it runs.

Exit codes: 0 done; 2 the command was not used as it can be; 3 input that cannot be used; 4 a
dataset or an optional part is not installed; 5 a file cannot be read or written; 70 a defect of
FaultSight; 130 interrupted. Of several inputs the good ones are always answered.
"""

from __future__ import annotations

import errno
import sys
import traceback
from typing import Annotated, Any

from typer import Exit, Option, Typer
from typer.core import TyperGroup

from faultsight import __version__
from faultsight.cli import bench, collect, data, detect, models, tokens, users
from faultsight.cli._json_option import JsonCommand
from faultsight.cli.demo import demo
from faultsight.cli.diagnose import diagnose
from faultsight.cli.doctor import doctor
from faultsight.cli.localize import localize
from faultsight.cli.serve import serve
from faultsight.cli.simulate import simulate
from faultsight.core.errors import (
    FaultSightError,
    MissingDataError,
    MissingExtraError,
    SettingError,
    UnknownMemberError,
)

__all__ = ["app", "main"]

EXIT_CODES = {
    0: "done",
    2: "the command was not used as it can be: an unknown option, method or setting",
    3: "input that cannot be used; of several inputs the good ones were answered",
    4: "a dataset or an optional part is not installed",
    5: "a file cannot be read or written",
    70: "a defect of FaultSight",
    130: "interrupted",
}


class _Group(TyperGroup):
    """The one place where errors become a line for the operator and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (UnknownMemberError, SettingError) as error:
            raise _told(str(error), 2) from error
        except (MissingDataError, MissingExtraError) as error:
            raise _told(str(error), 4) from error
        except FaultSightError as error:
            raise _told(str(error), 3) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise _told(f"{where}{error.strerror or error}", 5) from error


def _told(message: str, code: int) -> Exit:
    from faultsight.core.printable import printable

    sys.stderr.write(f"faultsight: {printable(message)}\n")
    return Exit(code)


app = Typer(
    name="faultsight",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: "
    + "; ".join(f"{code} {meaning.partition(':')[0]}" for code, meaning in EXIT_CODES.items())
    + ".",
)


def _version(is_asked: bool) -> None:
    if is_asked:
        sys.stdout.write(f"faultsight {__version__}\n")
        raise Exit


@app.callback()
def faultsight(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sees faults in an Internet provider's network."""


app.command(cls=JsonCommand)(demo)
app.add_typer(detect.app, name="detect")
app.command(cls=JsonCommand)(localize)
app.command(cls=JsonCommand)(diagnose)
app.command(cls=JsonCommand)(simulate)
app.add_typer(collect.app, name="collect")
app.command()(serve)
app.add_typer(models.app, name="models")
app.add_typer(users.app, name="users")
app.add_typer(tokens.app, name="tokens")
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")
app.command(cls=JsonCommand)(doctor)


def main() -> None:
    """Run the command line and end the process with a documented exit code."""
    try:
        app()
    except Exception:  # noqa: BLE001 - the top of the program: what is left is a defect
        traceback.print_exc()
        sys.stderr.write("faultsight: this is a defect of FaultSight; please report it\n")
        sys.exit(70)
