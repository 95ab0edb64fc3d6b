"""Every detector against every contract check; a new member is tested without an edit here."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from faultsight.detect import DETECTORS
from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig
from faultsight.detect.checks import CHECKS, Check, run_check
from faultsight.detect.contract import Detector, Storable
from faultsight.detect.deployed import DeployedConfig, DeployedDetector

# A short training says as much about the contract as a long one.
_QUICK = {"epochs": 2, "window": 24, "n_hidden": 16, "n_filters": 8, "n_latent": 4}
_MAKERS: dict[str, Callable[[], Detector]] = {
    "anotuner": partial(AnoTuner, AnoTunerConfig(**_QUICK)),  # type: ignore[arg-type]
    "anotuner-paper": partial(AnoTuner, AnoTunerConfig.paper(**_QUICK)),
}


def _maker(name: str) -> Callable[[], Detector]:
    member = DETECTORS.load(name)
    config = member().config
    if not hasattr(config, "epochs"):
        return member
    return partial(member, replace(config, epochs=2))  # type: ignore[call-arg]


_MAKERS |= {name: _maker(name) for name in DETECTORS.names() if name not in _MAKERS}
_MAKERS |= {
    f"deployed-{name}": partial(DeployedDetector, DeployedConfig(name))
    for name in DETECTORS.names()
    if name != "anotuner"
    and issubclass(DETECTORS.load(name), Storable)
    # Nothing in the wrapper asks what it wraps; one that trains would take long to say the same.
    and not hasattr(DETECTORS.load(name)().config, "epochs")
}


@pytest.mark.parametrize("name", sorted(_MAKERS))
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_detector(name: str, check: Check) -> None:
    run_check(check, _MAKERS[name])


@pytest.mark.parametrize("name", DETECTORS.names())
def test_every_excuse_names_a_check(name: str) -> None:
    known = {check.__name__ for check in CHECKS}
    assert set(DETECTORS.load(name).excused) <= known
