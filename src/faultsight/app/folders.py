"""Where each thing lies in the state folder; the one place that knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["StateFolder"]


@dataclass(frozen=True)
class StateFolder:
    """Paths of a state folder; names of feeds have been checked before they get here.

    Parameters
    ----------
    path : pathlib.Path
        The folder.

    Examples
    --------
    >>> StateFolder(Path("state")).telemetry("cells").as_posix()
    'state/telemetry/cells'
    """

    path: Path

    @property
    def database(self) -> Path:
        """The operations store."""
        return self.path / "operations.sqlite"

    @property
    def incoming(self) -> Path:
        """Uploads on their way in; what lies here after a start is left from a crash."""
        return self.path / "incoming"

    def telemetry(self, feed: str) -> Path:
        """Telemetry of a feed."""
        return self.path / "telemetry" / feed

    def scores(self, feed: str) -> Path:
        """Scores of a feed."""
        return self.path / "scores" / feed

    def faults(self, feed: str) -> Path:
        """The faults of a feed of polls after each window."""
        return self.path / "faults" / feed

    def quarantine(self, feed: str) -> Path:
        """Rows of a feed that were set aside."""
        return self.path / "quarantine" / feed

    def topology(self, feed: str) -> Path:
        """The plant of a feed of polls, where it is known."""
        return self.telemetry(feed) / "topology.csv"

    def tickets(self, feed: str) -> Path:
        """Trouble tickets of a feed of polls, where they are known."""
        return self.telemetry(feed) / "tickets.csv"
