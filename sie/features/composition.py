"""Descriptors of what a crystal is made of: element fractions, statistics of element properties.

Compositions only; numbers that need the positions of atoms live beside this module.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sie.errors import InputError
from sie.features.descriptors import Descriptors

if TYPE_CHECKING:
    from pymatgen.core import Composition

PROPERTIES = {
    "number": "Z",
    "mass_u": "atomic_mass",
    "electronegativity": "X",
    "row": "row",
    "group": "group",
    "atomic_radius_A": "atomic_radius",
    "van_der_waals_radius_A": "van_der_waals_radius",
    "mendeleev_number": "mendeleev_no",
    "melting_point_K": "melting_point",
    "molar_volume_cm3": "molar_volume",
    "electron_affinity_eV": "electron_affinity",
    "ionization_energy_eV": "ionization_energy",
}
"""What a column calls a property, and what pymatgen's Element calls it.

Ionic radii are left out: pymatgen has none for hydrogen.
"""

STATISTICS = ("mean", "deviation", "min", "max", "range")


def element_fractions(compositions: Mapping[str, Composition]) -> Descriptors:
    """Return the atomic fraction of every element that occurs.

    Parameters
    ----------
    compositions : Mapping
        Composition of every id; oxidation states and isotopes are ignored.

    Returns
    -------
    Descriptors
        One column an element, named by its symbol and sorted by it; every row sums to 1.

    Raises
    ------
    InputError
        When a composition is empty or holds something that is no element.
    """
    fractions = {entry: _fractions(entry, given) for entry, given in compositions.items()}
    symbols = sorted({symbol for amounts in fractions.values() for symbol in amounts})
    values = np.zeros((len(fractions), len(symbols)))
    for row, amounts in zip(values, fractions.values(), strict=True):
        row[:] = [amounts.get(symbol, 0.0) for symbol in symbols]
    return Descriptors(tuple(fractions), tuple(symbols), values)


def composition_statistics(compositions: Mapping[str, Composition]) -> Descriptors:
    """Return statistics of element properties over each composition.

    For every one of `PROPERTIES`: the mean weighted by atomic fraction, the average deviation (the
    weighted mean of the absolute difference from that mean), and minimum, maximum and range over
    the elements; besides, the number of elements. The statistics are those of Ward et al. 2016,
    10.1038/npjcompumats.2016.28, without the mode, on pymatgen's property values.

    Parameters
    ----------
    compositions : Mapping
        Composition of every id; oxidation states and isotopes are ignored.

    Returns
    -------
    Descriptors
        Columns `n_elements` and `<property>_<statistic>`. Where pymatgen has no value for one of
        the elements (electronegativity of He, Ne and Ar; atomic radius of noble gases and beyond
        Am; molar volume of At, Fr and beyond Es; van der Waals radius of Lr), the columns of
        that property are NaN: statistics of the other elements would be those of another compound.

    Raises
    ------
    InputError
        When a composition is empty or holds something that is no element.
    """
    fractions = {entry: _fractions(entry, given) for entry, given in compositions.items()}
    known: dict[str, np.ndarray] = {}
    names = ("n_elements", *(f"{name}_{of}" for name in PROPERTIES for of in STATISTICS))
    values = np.empty((len(fractions), len(names)))
    for row, amounts in zip(values, fractions.values(), strict=True):
        for symbol in amounts.keys() - known.keys():
            known[symbol] = element_properties(symbol)
        table = np.array([known[symbol] for symbol in amounts])
        row[0] = len(amounts)
        row[1:] = _statistics(np.array(list(amounts.values())), table).ravel()
    return Descriptors(tuple(fractions), names, values)


def element_properties(symbol: str) -> np.ndarray:
    """Return the values of `PROPERTIES` for an element, float64; NaN where pymatgen has none."""
    from pymatgen.core import Element

    element = Element(symbol)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of each value it does not have
        found = [getattr(element, attribute) for attribute in PROPERTIES.values()]
    return np.array([np.nan if value is None else float(value) for value in found])


def _statistics(weights: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return (n_properties, 5) for weights (n_elements,) and values (n_elements, n_properties)."""
    low, high = table.min(axis=0), table.max(axis=0)  # NaN where one value is
    # from the minimum: where all elements agree the deviation is then 0 and not the rounding of a
    # sum, 1e-14, which a tree could split on
    mean = low + weights @ (table - low)
    return np.stack([mean, weights @ np.abs(table - mean), low, high, high - low], axis=1)


def _fractions(entry: str, composition: Composition) -> dict[str, float]:
    from pymatgen.core import Element

    if not composition:
        raise InputError(f"{entry}: the composition is empty; leave the entry out")
    fractions: dict[str, float] = composition.fractional_composition.get_el_amt_dict()
    for symbol in fractions:
        if not Element.is_valid_symbol(symbol):
            raise InputError(
                f"{entry}: {symbol} is no element; replace it by one or leave the entry out"
            )
    return fractions
