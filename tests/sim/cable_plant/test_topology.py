"""The tree, and the names of modems."""

import numpy as np

from faultsight.core.plant import Plant
from faultsight.sim.cable_plant import CablePlantConfig
from faultsight.sim.cable_plant.topology import node_topology


def test_the_tree_has_the_shape_of_the_specification() -> None:
    config = CablePlantConfig()
    sizes = []
    for index in range(60):
        tree = node_topology(config, index)
        sizes.append(tree.n_devices)
        assert tree.depths.min() == 1
        assert tree.depths.max() <= 5
        assert np.unique(tree.parents, return_counts=True)[1].max() <= 3
        homes = tree.amplifier_of_device * 1000 + tree.tap_of_device
        assert np.unique(homes, return_counts=True)[1].max() <= 4
        assert set(tree.amplifier_of_device.tolist()) == set(range(20))
        # Names next to each other are no neighbours.
        assert np.mean(np.diff(homes) == 0) < 0.1
    assert min(sizes) >= 180
    assert max(sizes) <= 320
    assert abs(np.mean(sizes) - 250) < 20


def test_the_table_tells_the_tree() -> None:
    tree = node_topology(CablePlantConfig(), 3)
    plant = Plant.from_table(tree.to_table())
    for amplifier in range(20):
        told = plant.downstream("FN003", "amplifier", f"A{amplifier + 1:02d}")
        below = np.flatnonzero(tree.below[amplifier])
        assert told == [tree.device_ids[i] for i in below]
    place = plant.places[tree.device_ids[0]]
    on_tap = plant.downstream("FN003", "tap", place.tap)
    assert 1 <= len(on_tap) <= 4
    # Neighbours stand near each other.
    latitude = tree.latitude[[tree.device_ids.index(d) for d in on_tap]]
    assert np.ptp(latitude) < 0.1 * max(np.ptp(tree.latitude), 0.01)


def test_no_two_modems_of_a_plant_have_one_name() -> None:
    config = CablePlantConfig()
    names = [d for index in range(100) for d in node_topology(config, index).device_ids]
    assert len(set(names)) == len(names)
    assert all(len(name) == 12 and int(name, 16) >= 0 for name in names)
    assert names[:200] != sorted(names)[:200]
    assert node_topology(config, 0, seed=1).device_ids != node_topology(config, 0).device_ids
