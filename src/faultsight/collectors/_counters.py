"""Running totals become deltas: what was counted since the poll before, or nothing known."""

from __future__ import annotations

import polars as pl

__all__ = ["delta", "has_restarted"]

_SLACK_S = 120.0
_SLOW_CLOCK = 0.01


def delta(
    now: str, before: str, *, bits: int | pl.Expr = 32, kept_running: pl.Expr, may_wrap: pl.Expr
) -> pl.Expr:
    """Return what a counter counted between two totals; null where that is not known.

    A counter of 32 bits starts again at 0 after 4,294,967,295, and it starts again at 0 when its
    owner restarts: only an uptime tells the two apart. A step of half the counter's range or more
    is believed in neither case.

    Parameters
    ----------
    now, before : str
        Columns of totals; null where unknown.
    bits : int or polars.Expr
        32 or 64.
    kept_running : polars.Expr
        Whether the owner is known to have run all the while.
    may_wrap : polars.Expr
        Whether a smaller total may be taken for a counter that went over its end.

    Examples
    --------
    >>> totals = pl.DataFrame({"now": [7.0, 4.0, 4.0], "before": [5.0, 2.0**32 - 1, 9.0],
    ...                        "runs": [True, True, False]})
    >>> runs = pl.col("runs")
    >>> totals.select(delta("now", "before", kept_running=runs, may_wrap=runs))["now"].to_list()
    [2.0, 5.0, None]
    """
    step = pl.col(now) - pl.col(before)
    size = pl.lit(2.0).pow(bits)
    wrapped, half = step + size, size / 2
    return (
        pl.when(kept_running & (step >= 0) & (step < half))
        .then(step)
        .when(kept_running & may_wrap & (step < 0) & (wrapped < half))
        .then(wrapped)
        .alias(now)
    )


def has_restarted(
    uptime_s: str, uptime_before_s: str, at_s: str, at_before_s: str, *, slack_s: float = _SLACK_S
) -> pl.Expr:
    """Return whether an agent restarted between two polls; null where an uptime is not known.

    Its uptime went back, or it grew by less than the time that passed: a modem that restarted soon
    after the poll before has been up for longer than it had been then. Clocks of modems may be one
    in a hundred slow.

    Examples
    --------
    >>> polls = pl.DataFrame({"up": [14_500.0, 13_000.0, 50.0], "up_before": [100.0, 100.0, 100.0],
    ...                       "at": [14_400.0] * 3, "at_before": [0.0] * 3})
    >>> polls.select(has_restarted("up", "up_before", "at", "at_before")).to_series().to_list()
    [False, True, True]
    """
    passed = pl.col(at_s) - pl.col(at_before_s)
    allowed = pl.max_horizontal(pl.lit(slack_s), passed * _SLOW_CLOCK)
    return pl.col(uptime_s) < pl.col(uptime_before_s) + passed - allowed
