"""Element mover's distance between compositions on the modified Pettifor scale.

Only compositions enter here; clusters and splits made with the distances live beside this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist, pdist, squareform

from sie.errors import InputError

_SCALE = (
    "He Ne Ar Kr Xe Rn Fr Cs Rb K Na Li Ra Ba Sr Ca Eu Yb Lu Tm Y Er Ho Dy Tb Gd Sm Pm Nd Pr "
    "Ce La Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Sc Zr Hf Ti Ta Nb V Cr Mo W Re Tc Os "
    "Ru Ir Rh Pt Pd Au Ag Cu Ni Co Fe Mn Mg Zn Cd Hg Be Al Ga In Tl Pb Sn Ge Si B C N P As "
    "Sb Bi Po Te Se S O At I Br Cl F H"
)
MODIFIED_PETTIFOR = tuple(_SCALE.split())
"""The 103 elements in the order of Glawe et al. 2016, 10.1088/1367-2630/18/9/093011."""

_POSITION = {symbol: position for position, symbol in enumerate(MODIFIED_PETTIFOR)}


def composition_vectors(
    compositions: Sequence[str | Mapping[Any, float]], names: Sequence[str] | None = None
) -> np.ndarray:
    """Return element fractions in the order of the modified Pettifor scale.

    Parameters
    ----------
    compositions : sequence of length n
        Formulas, amounts by element symbol, or pymatgen compositions; oxidation states are ignored.
    names : sequence of str, optional
        What the errors call each composition; by default its place in the sequence.

    Returns
    -------
    numpy.ndarray
        Float64, shape (n, 103); every row sums to 1.

    Raises
    ------
    InputError
        When a formula cannot be read, is empty, holds an amount that is negative or not finite, or
        an element that is not on the scale (an isotope such as D, elements after Lr).
    """
    if names is None:
        names = [f"composition {i}" for i in range(len(compositions))]
    fractions = np.zeros((len(compositions), len(MODIFIED_PETTIFOR)))
    for row, composition, name in zip(fractions, compositions, names, strict=True):
        for symbol, amount in _amounts(composition, name):
            row[_POSITION[symbol]] += amount
        if not row.any():
            raise InputError(f"{name}: the composition is empty; give at least one element")
        row /= row.sum()
    return fractions


def elmd_matrix(
    compositions: Sequence[str | Mapping[Any, float]], names: Sequence[str] | None = None
) -> np.ndarray:
    """Return the element mover's distance between all pairs of compositions.

    On a one-dimensional scale the cheapest transport of one composition into another costs the
    city-block distance between the cumulative fractions (Hargreaves et al. 2020,
    10.1021/acs.chemmater.0c03381, on the scale of `MODIFIED_PETTIFOR`).

    Parameters
    ----------
    compositions, names
        As in `composition_vectors`, which also says what raises `InputError`.

    Returns
    -------
    numpy.ndarray
        Float64, shape (n, n), in steps of the scale; symmetric, zero on the diagonal.
    """
    return squareform(pdist(_cumulative(composition_vectors(compositions, names)), "cityblock"))


def elmd_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the element mover's distance of every composition of one set to every one of another.

    Parameters
    ----------
    one, other : numpy.ndarray
        Rows of `composition_vectors`, shapes (n, 103) and (m, 103).

    Returns
    -------
    numpy.ndarray
        Float64, shape (n, m), in steps of the scale, as in `elmd_matrix`.
    """
    return cdist(_cumulative(one), _cumulative(other), "cityblock")


def _cumulative(fractions: np.ndarray) -> np.ndarray:
    # the last cumulative fraction is 1 for every composition and would add only rounding noise
    return np.cumsum(fractions, axis=1)[:, :-1]


def _amounts(composition: str | Mapping[Any, float], name: str) -> list[tuple[str, float]]:
    if isinstance(composition, str):
        composition = _parsed(composition, name)
    amounts = []
    for element, value in composition.items():
        symbol, amount = str(getattr(element, "symbol", element)), float(value)
        if symbol not in _POSITION:
            raise InputError(
                f"{name}: element {symbol} is not on the modified Pettifor scale (H to Lr); "
                "write isotopes as their element (D as H) or leave the entry out"
            )
        if not math.isfinite(amount) or amount < 0:
            raise InputError(f"{name}: amount of {symbol} is {amount}; amounts must be >= 0")
        amounts.append((symbol, amount))
    return amounts


def _parsed(formula: str, name: str) -> Mapping[Any, float]:
    from pymatgen.core import Composition

    try:
        return Composition(formula)
    except ValueError as error:
        raise InputError(
            f"{name}: formula {formula!r} cannot be read; write it like Li7La3Zr2O12"
        ) from error
