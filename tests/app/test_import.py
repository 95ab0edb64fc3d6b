"""Opening a state is quick: it loads neither the loop nor what learns."""

from __future__ import annotations

import subprocess
import sys


def test_opening_a_state_loads_no_heavy_library() -> None:
    code = (
        "import sys, faultsight.app.build; "
        "print([m for m in ('scipy', 'numba', 'torch', 'sklearn', 'pandas', 'fastapi') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
