"""Classification power: how well one attribute alone tells anomalous leaves from normal ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["classification_power", "information"]

Array = NDArray[np.float64]

# Entropies summed over elements in another order differ in the last bits; attributes whose power
# is equal must stay equal.
_DECIMALS = 12


def information(normal: Array, anomalous: Array) -> Array:
    """Return the Shannon entropy, in bits, of sets of labelled leaves.

    Parameters
    ----------
    normal, anomalous : ndarray of float64, one shape
        How many leaves of each label each set holds.

    Returns
    -------
    ndarray of float64, of that shape
        0 for a set of one label and for an empty set, 1 for an even split.

    Examples
    --------
    >>> information(np.array([4.0, 2.0, 0.0]), np.array([0.0, 2.0, 0.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    counts = np.stack([normal, anomalous])
    share = counts / np.maximum(counts.sum(axis=0), 1.0)
    logarithm = np.log2(share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(0.0 - (share * logarithm).sum(axis=0))


def classification_power(
    codes: NDArray[np.int32],
    cardinalities: Sequence[int],
    is_active: NDArray[np.bool_],
    is_anomalous: NDArray[np.bool_],
) -> Array:
    r"""Return the classification power of every attribute.

    .. math:: CP_{attr} = \frac{Info(D) - Info_{attr}(D)}{Info(D)}

    where Info(D) is the entropy of the labels of all active leaves and Info_attr(D) the mean of the
    entropies of the parts into which the attribute divides them, weighted by their size: the
    information gain of decision trees, as a share of what there is to gain.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leaves, n_attributes)
        Element codes.
    cardinalities : sequence of int
        How many elements each attribute has.
    is_active, is_anomalous : ndarray of bool, shape (n_leaves,)
        Which leaves count, and which of them are anomalous.

    Returns
    -------
    ndarray of float64, shape (n_attributes,)
        In [0, 1]; 1 where the attribute alone decides, 0 where it tells nothing, and 0 for every
        attribute where all labels are the same: there is nothing to tell.

    References
    ----------
    RAPMiner (DSN 2022), Table II (Info, Info_attr, CP_attr) and Insight 1. Table II names the
    ingredients; how they are put together is our reconstruction.

    Examples
    --------
    >>> codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.int32)
    >>> anomalous = np.array([True, True, False, False])
    >>> classification_power(codes, (2, 2), np.ones(4, dtype=bool), anomalous).tolist()
    [1.0, 0.0]
    """
    # One label per leaf (0 inactive, 1 normal, 2 anomalous) and one count per element and label,
    # the elements of all attributes in a row.
    label = is_active.astype(np.intp) + is_anomalous
    counts = np.concatenate(
        [
            np.bincount(codes[:, attribute] * 3 + label, minlength=3 * size)
            for attribute, size in enumerate(cardinalities)
        ]
    )
    normal, anomalous = counts.reshape(-1, 3).T[1:].astype(np.float64)
    n_normal, n_anomalous = np.bincount(label, minlength=3)[1:].astype(np.float64)
    whole = float(information(np.array(n_normal), np.array(n_anomalous)))
    if whole == 0.0:
        return np.zeros(len(cardinalities))
    weighted = (normal + anomalous) * information(normal, anomalous)
    starts = np.cumsum([0, *cardinalities[:-1]])
    remaining = np.add.reduceat(weighted, starts) / (n_normal + n_anomalous)
    power: Array = np.clip(((whole - remaining) / whole).round(_DECIMALS), 0.0, 1.0)
    return power
