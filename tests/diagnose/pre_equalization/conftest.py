"""The published test vector: coefficients, and what a third-party system says of them."""

from __future__ import annotations

import pytest

VECTOR = (
    "080118000004fffdfffbfffafffdfffd00070004fff800000017ffffffd6ffe807f7fff9ff8aff94fff700280011"
    "ffecfff700190006fff5fffcffff000dfffb0001000100040004fff600070007fffb00000008fffffffe00000004"
    "fffcffff00080000"
)


@pytest.fixture(scope="session")
def vector() -> bytes:
    return bytes.fromhex(VECTOR)
