"""The five features and the arrangements by plain loops, to compare the vectorised code with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from pymatgen.core import Element, Structure

Filling = tuple[str | None, ...]

REACH = 3  # images looked at to either side; enough for atoms as far apart as the tests have


def plain_features(structure: Structure, filling: Filling | None = None) -> np.ndarray:
    """Features of one arrangement: every pair of atoms, every image, no list of neighbours."""
    names = filling or tuple(site.specie.symbol for site in structure)
    atoms = [(names[i], structure[i].coords) for i in range(len(names)) if names[i] is not None]
    images = np.array(list(itertools.product(range(-REACH, REACH + 1), repeat=3)))
    shifts = images @ structure.lattice.matrix
    others = {name for name, _ in atoms} - {"Li"}
    anion = max(others, key=lambda name: Element(name).X) if others else None
    li_bonds, ionicity, shell, li_anion, li_li = [], [], [], [], []
    for name, place in atoms:
        seen: list[tuple[str, float]] = []
        for other, there in atoms:
            lengths = np.linalg.norm(there - place + shifts, axis=1)
            seen += [(other, length) for length in lengths.tolist() if length > 1e-9]
        bonded = [other for other, distance in seen if distance <= 4]
        to_li = sorted(distance for other, distance in seen if other == "Li")
        to_anion = sorted(distance for other, distance in seen if other == anion)
        if name == "Li":
            li_bonds.append(bonded.count("Li"))
            li_li.append(to_li[0])
            li_anion += to_anion[:1]
        else:
            ionicity += [abs(Element(name).X - Element(other).X) for other in bonded]
        if name == anion:
            shell.append(sum(distance <= to_anion[0] + 1 for distance in to_anion))
    columns = (li_bonds, ionicity, shell, li_anion, li_li)
    return np.array([np.mean(column) if column else np.nan for column in columns])


def overlap_radius(one: str, other: str) -> float:
    """Distance below which atoms overlap, as the sampler documents it."""
    if one == other:
        return 1.0 if one in "HBCN" else 2.0
    return 2.0 if max(Element(one).X, Element(other).X) <= 2.0 else 0.0


def arrangements(structure: Structure, softness: float) -> dict[Filling, float]:
    """Every arrangement of a disordered cell with its exact probability."""
    kinds: dict[tuple, list[int]] = {}
    empty: list[str | None] = [None] * len(structure)
    for i, site in enumerate(structure):
        content = tuple(sorted((str(s.symbol), x) for s, x in site.species.items()))
        if site.is_ordered:
            empty[i] = content[0][0]
        else:
            kinds.setdefault(content, []).append(i)
    total: dict[Filling, float] = {}
    choices = [list(rations(dict(content), len(sites))) for content, sites in kinds.items()]
    for chosen in itertools.product(*choices):
        chance = math.prod(weight for _, weight in chosen)
        atoms = [
            (name, tuple(sites))
            for (counts, _), sites in zip(chosen, kinds.values(), strict=True)
            for name, number in counts.items()
            for _ in range(number)
        ]
        orders = list(itertools.permutations(atoms))
        for order in orders:
            for filling, weight in placed(structure, tuple(empty), order, softness):
                total[filling] = total.get(filling, 0.0) + chance * weight / len(orders)
    return total


def rations(content: dict[str, float], n_sites: int) -> Iterator[tuple[dict[str, int], float]]:
    """Atoms of each species for n sites of a kind: floor(n * sum of occupancies + one random u)."""
    bounds = n_sites * np.cumsum(list(content.values()))
    steps = sorted({0.0, 1.0, *(1 - bound % 1 for bound in bounds)})
    for low, high in itertools.pairwise(steps):
        if high - low < 1e-9:
            continue
        ends = [0, *(math.floor(bound + (low + high) / 2) for bound in bounds)]
        yield dict(zip(content, np.diff(ends).tolist(), strict=True)), high - low


def placed(
    structure: Structure, filling: Filling, atoms: tuple, softness: float
) -> Iterator[tuple[Filling, float]]:
    """Put the first atom on each free site of its kind, and go on with the others."""
    if not atoms:
        yield filling, 1.0
        return
    name, sites = atoms[0]
    free = [i for i in sites if filling[i] is None]
    weights = []
    for i in free:
        depth = 0.0
        for j, other in enumerate(filling):
            if other is not None:
                gap = structure.get_distance(i, j)  # the nearest image: cells are wide enough
                depth += max(0.0, overlap_radius(name, other) - gap)
        weights.append(math.exp(-depth / softness))
    for i, weight in zip(free, weights, strict=True):
        after = (*filling[:i], name, *filling[i + 1 :])
        for end, chance in placed(structure, after, atoms[1:], softness):
            yield end, chance * weight / sum(weights)
