import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn", "pandas", "scipy", "numba", "polars", "numpy", "typer")


@pytest.mark.parametrize("module", ["faultsight", "faultsight.core"])
def test_the_door_is_light(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout.decode().strip() == "[]"


def test_localizing_needs_neither_torch_nor_sklearn_nor_pandas() -> None:
    heavy = ("torch", "sklearn", "pandas", "statsmodels", "matplotlib")
    code = f"import sys, faultsight.localize; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout.decode().strip() == "[]"
