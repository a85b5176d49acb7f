"""Oxidation states: taken from the file where it declares them, else inferred from composition.

Every species of an element gets the same state; which crystal they decorate is decided elsewhere.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure

logger = logging.getLogger(__name__)

DECLARED_IMBALANCE = 0.25
"""Declared states are trusted up to this net charge, as a share of the larger side: ICSD files
often leave out the mobile Li, which leaves the other signs right."""

BALANCED = 0.05
"""Integer states count as neutral up to this share; refined occupancies rarely balance exactly."""

RARE_STATE = 0.005
"""States seen on less than this share of an element's ICSD entries are not tried."""

MAX_COMBINATIONS = 50_000

# Costs are in units of -log(share). Beyond a net charge of 15 % an atom must be missing or doubled
# in the file (Li46 in one of OBELiX's argyrodites), and unlikely states would not make it better.
IMBALANCE_COST = 40.0
IMBALANCE_CAP = 0.15
BEYOND_CAP_COST = 3.0
ORDER_COST = 3.0


class OxidationMethod(StrEnum):
    """Where the oxidation states of a structure come from; part of the data record."""

    DECLARED = "declared"
    """The file gives a non-zero state for every species and they nearly balance."""

    GUESSED = "guessed"
    """The likeliest states that balance, one element averaged between states if need be."""

    UNBALANCED = "unbalanced"
    """The likeliest states; the formula in the file cannot be neutral."""

    METALLIC = "metallic"
    """No element of the crystal forms anions: every state is 0."""


def assign_oxidation_states(structure: Structure) -> tuple[Structure, OxidationMethod]:
    """Return the structure with an oxidation state on every species, and where they come from.

    Declared states are kept when no species lacks one or has 0 (pymatgen reads a missing state
    as 0) and the net charge is below `DECLARED_IMBALANCE`. Otherwise `guess_states` decides.
    The input is not changed.
    """
    if _declares_states(structure):
        return structure.copy(), OxidationMethod.DECLARED
    amounts: dict[str, float] = {}
    for species, amount in structure.composition.items():
        symbol = _symbol(species)
        amounts[symbol] = amounts.get(symbol, 0.0) + float(amount)
    states, method = guess_states(amounts)
    return _decorate(structure, states), method


def prepare(
    structures: Mapping[str, Structure],
) -> tuple[dict[str, Structure], dict[str, OxidationMethod]]:
    """Assign oxidation states to many structures; ids keep their order.

    Returns
    -------
    dict of Structure
        The decorated structures, as `sie.features` wants them.
    dict of OxidationMethod
        For the data record.
    """
    decorated, methods = {}, {}
    for entry, structure in structures.items():
        decorated[entry], methods[entry] = assign_oxidation_states(structure)
    if unbalanced := [k for k, v in methods.items() if v is OxidationMethod.UNBALANCED]:
        logger.info("oxidation states do not balance in: %s", ", ".join(unbalanced))
    return decorated, methods


def guess_states(amounts: Mapping[str, float]) -> tuple[dict[str, float], OxidationMethod]:
    """Find one oxidation state per element for a composition with any amounts.

    Every combination of states seen in the ICSD costs the sum of -log(share of the element's
    entries), `ORDER_COST` for each pair of signs against chemical sense (`_order_cost`), and a
    price for net charge; the cheapest is taken. Where it does not balance, the state of one
    element is moved within its sign (P in LiP7 becomes -1/7). Nothing is random, and ties go to
    the states that are more common.

    Parameters
    ----------
    amounts : Mapping[str, float]
        Amount of each element, by symbol; need not be whole numbers.
    """
    symbols = sorted(symbol for symbol, amount in amounts.items() if amount > 0)
    if len(symbols) < 2 or not any(state < 0 for s in symbols for state, _ in _candidates(s)):
        return dict.fromkeys(symbols, 0.0), OxidationMethod.METALLIC
    counts = np.array([amounts[symbol] for symbol in symbols])
    combinations, likelihood = _combinations([_candidates(symbol) for symbol in symbols])
    imbalance = _imbalance(combinations * counts)
    costs = (
        likelihood
        + _order_cost(symbols, combinations)
        + IMBALANCE_COST * np.minimum(imbalance, IMBALANCE_CAP)
        + BEYOND_CAP_COST * np.maximum(imbalance - IMBALANCE_CAP, 0)
    )
    # without both signs the net charge is everything: taken only when there is nothing else
    costs[imbalance > 1 - 1e-9] += 1e6
    best = int(np.argmin(costs))
    states, method = combinations[best], OxidationMethod.GUESSED
    if imbalance[best] > BALANCED:
        states, method = _balance(symbols, states, counts)
    return {s: float(v) for s, v in zip(symbols, states, strict=True)}, method


def _declares_states(structure: Structure) -> bool:
    positive = negative = 0.0
    for species, amount in structure.composition.items():
        state = getattr(species, "oxi_state", None)
        if not state:
            return False
        positive += max(state, 0) * amount
        negative += max(-state, 0) * amount
    larger = max(positive, negative)
    return larger > 0 and abs(positive - negative) <= DECLARED_IMBALANCE * larger


def _symbol(species: Any) -> str:
    """Return the element's symbol; deuterium is hydrogen, dummy species keep their own."""
    from pymatgen.core import DummySpecies, Element

    return species.symbol if isinstance(species, DummySpecies) else Element.from_Z(species.Z).symbol


def _decorate(structure: Structure, states: Mapping[str, float]) -> Structure:
    from pymatgen.core import Composition, DummySpecies, Species, Structure

    species_of: dict[Any, Composition] = {}
    decorated = []
    for site in structure:
        if site.species not in species_of:
            amounts: dict[Any, float] = {}
            for species, amount in site.species.items():
                kind = DummySpecies if isinstance(species, DummySpecies) else Species
                charged = kind(species.symbol, states.get(_symbol(species), 0.0))
                amounts[charged] = amounts.get(charged, 0.0) + float(amount)
            species_of[site.species] = Composition(amounts)
        decorated.append(species_of[site.species])
    return Structure(
        structure.lattice,
        decorated,
        structure.frac_coords,
        site_properties=structure.site_properties,
        labels=structure.labels,
        properties=structure.properties,
    )


@cache
def _icsd_counts() -> dict[str, dict[float, float]]:
    """Return ICSD entries per element and non-zero state, from the table pymatgen ships."""
    from pymatgen.analysis.bond_valence import all_data
    from pymatgen.core import Species

    counts: dict[str, dict[float, float]] = {}
    for name, count in all_data["occurrence"].items():
        species = Species.from_str(name)
        if species.oxi_state:
            counts.setdefault(species.symbol, {})[float(species.oxi_state)] = float(count)
    return counts


@cache
def _candidates(symbol: str) -> tuple[tuple[float, float], ...]:
    """Return (state, cost) of an element, likeliest first; (0, 0) alone where none is known."""
    from pymatgen.core import Element

    if not Element.is_valid_symbol(symbol):
        return ((0.0, 0.0),)
    seen = _icsd_counts().get(symbol, {})
    total = sum(seen.values())
    shares = {state: count / total for state, count in seen.items() if count / total >= RARE_STATE}
    for state in _textbook_states(Element(symbol)):
        shares.setdefault(state, RARE_STATE if seen else 1.0)
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return tuple((state, -math.log(share)) for state, share in ranked) or ((0.0, 0.0),)


def _textbook_states(element: Any) -> tuple[float, ...]:
    """Return common states, with the full shell of groups 15 to 17 (Li3Bi is a bismuthide)."""
    common = element.common_oxidation_states or element.oxidation_states
    shell = (element.group - 18,) if 15 <= element.group <= 17 else ()
    return tuple(float(state) for state in (*common, *shell) if state)


def _combinations(
    candidates: list[tuple[tuple[float, float], ...]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return all combinations, shape (n_combinations, n_elements), and the cost of each."""
    kept = list(candidates)
    while math.prod(len(item) for item in kept) > MAX_COMBINATIONS:
        longest = max(range(len(kept)), key=lambda i: len(kept[i]))
        kept[longest] = kept[longest][:-1]  # the least likely state of the longest list
    table = np.array(list(itertools.product(*kept)))
    return table[..., 0], table[..., 1].sum(axis=1)


def _imbalance(charges: np.ndarray) -> np.ndarray:
    """Return net charge as a share of the larger side, shape (n_combinations,)."""
    positive = charges.clip(min=0).sum(axis=-1)
    negative = (-charges).clip(min=0).sum(axis=-1)
    return np.abs(positive - negative) / np.maximum(np.maximum(positive, negative), 1e-12)


def _order_cost(symbols: list[str], states: np.ndarray) -> np.ndarray:
    """Price signs against chemical sense, shape (n_combinations,).

    A pair counts when its anion is less electronegative than its cation, or when it joins an
    anion that usually is a cation (P) to one that usually is an anion (S): without this, files
    with too much Li would turn the P of PS4 negative.
    """
    scale = np.array([_electronegativity(symbol) for symbol in symbols])
    usual = np.array([_candidates(symbol)[0][0] for symbol in symbols])
    wrong = (scale[:, None] < scale[None, :]).astype(float)
    unusual = ((usual[:, None] > 0) & (usual[None, :] < 0)).astype(float)
    anion, cation = (states < 0).astype(float), (states > 0).astype(float)
    pairs = np.einsum("na,ab,nb->n", anion, wrong, cation)
    return ORDER_COST * (pairs + np.einsum("na,ab,nb->n", anion, unusual, anion))


def _electronegativity(symbol: str) -> float:
    """Return Pauling's value; 0 where there is none (noble gases, dummy species)."""
    from pymatgen.core import Element

    value = Element(symbol).data.get("X") if Element.is_valid_symbol(symbol) else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _balance(
    symbols: list[str], states: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, OxidationMethod]:
    """Move the state of the one element that needs the smallest change and keeps its sign."""
    shifts = -(states @ counts) / counts
    for j in np.argsort(np.abs(shifts), kind="stable"):
        moved = states[j] + shifts[j]
        known = [abs(state) for state, _ in _candidates(symbols[j]) if state * states[j] > 0]
        # cations and halides stay between known states; others may share electrons (P in LiP7)
        shares = states[j] < 0 and max(known, default=0.0) > 1
        lowest = 1e-3 if shares else min(known, default=0.0)
        if moved * states[j] > 0 and lowest <= abs(moved) <= max(known, default=0.0):
            balanced = states.copy()
            balanced[j] = moved
            return balanced, OxidationMethod.GUESSED
    return states, OxidationMethod.UNBALANCED
