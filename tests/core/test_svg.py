"""Pieces of pages that pillars share."""

import pytest

from faultsight.core import svg


def test_a_very_long_name_is_cut_without_measuring_every_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[int] = []

    def text_width(text: str, size: float = 12.0) -> float:
        measured.append(len(text))
        return size * 0.56 * len(text)

    monkeypatch.setattr(svg, "text_width", text_width)
    name = "x" * 50_000 + "end"
    # 20 letters of 0.56 x 12 pixels: ten from the start, the sign, nine from the end.
    assert svg.shorten(name, 20 * 0.56 * 12 + 0.1) == "x" * 10 + "…" + "x" * 6 + "end"
    assert sum(measured) < 2 * len(name)
