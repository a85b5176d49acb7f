"""Why this candidate: where the network looks in a crystal, and which measured compounds are near.

Numbers and a Markdown text for a chemist; the terminal's tables are in `sie.cli.explain`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.ensemble.predictor import SuperionicEnsemble
from sie.ensemble.reading import Crystals, read_structures
from sie.ensemble.record import KnownCompounds
from sie.errors import InputError
from sie.features.graph import graphs_and_orbits
from sie.features.pooled import pooled
from sie.features.record import OrbitFeatures
from sie.features.views import parse_view
from sie.screening.distance import TrainingDistance
from sie.splits.elmd import composition_vectors, elmd_between
from sie.structures.orbits import Orbits, wyckoff_letters
from sie.structures.oxidation import assign_oxidation_states
from sie.structures.representations import represent, seen_sites

if TYPE_CHECKING:
    from pymatgen.core import Structure

NEIGHBOURS = 5


@dataclass(frozen=True)
class OrbitShare:
    """One orbit of the crystal and how much the readout attends to it.

    Attributes
    ----------
    species : str
        What its sites hold, with occupancies below 1: "Li0.5"; kinds of sites that are one to
        the network are joined by " | ".
    wyckoff : str
        Letter in the crystal's own space group; empty where no symmetry was found.
    position : tuple of float
        Fractional coordinates of one of its sites.
    multiplicity : int
        Sites of the cell.
    share_of_sites : float
        The same over all sites that the network sees: what a mean over atoms would give.
    attention, sd : float
        Share of the last readout round, all its sites together: mean and standard deviation over
        the members.
    """

    species: str
    wyckoff: str
    position: tuple[float, float, float]
    multiplicity: int
    share_of_sites: float
    attention: float
    sd: float


@dataclass(frozen=True)
class Neighbour:
    """A compound that the members were trained on; log10 sigma (S/cm) may be NaN."""

    id: str
    formula: str
    label: int
    log10_sigma: float
    distance: float


@dataclass(frozen=True)
class Explanation:
    """What a crystal's P_SI rests on.

    Attributes
    ----------
    id, formula : str
        Of the crystal.
    p_si : float
        The ensemble's answer.
    raw, sd : float
        Mean and standard deviation over the members, before any calibration.
    sets : Mapping[str, str]
        Conformal set by its coverage in per cent, in words; empty without a calibration.
    orbits : tuple of OrbitShare
        Most attended first.
    by_vectors : tuple of Neighbour
        Nearest by mean atom vectors, in units of d_training (10.1039/d5dd00052a).
    by_composition : tuple of Neighbour
        Nearest by the element mover's distance of compositions, in steps of the modified
        Pettifor scale.
    """

    id: str
    formula: str
    p_si: float
    raw: float
    sd: float
    sets: Mapping[str, str]
    orbits: tuple[OrbitShare, ...]
    by_vectors: tuple[Neighbour, ...]
    by_composition: tuple[Neighbour, ...]

    @property
    def headline(self) -> str:
        """Formula and P_SI in one line."""
        start = f"{self.formula} ({self.id}): P_SI = {self.p_si:.3f}"
        if not self.sets:
            return f"{start} ± {self.sd:.3f}"
        sets = ", ".join(f"{percent} % set: {words}" for percent, words in self.sets.items())
        return f"{start} calibrated (raw {self.raw:.3f} ± {self.sd:.3f}); {sets}"

    def to_markdown(self) -> str:
        """Return headline and tables as Markdown."""
        parts = [f"## {self.headline}", _markdown(ORBIT_COLUMNS, orbit_rows(self.orbits))]
        for title, found in self.neighbour_tables():
            parts += [f"### {title}", _markdown(NEIGHBOUR_COLUMNS, neighbour_rows(found))]
        return "\n\n".join(parts) + "\n"

    def neighbour_tables(self) -> tuple[tuple[str, tuple[Neighbour, ...]], ...]:
        """Return both lists of neighbours with their titles."""
        return (
            ("Nearest training compounds by atom vectors (d_training)", self.by_vectors),
            ("Nearest training compounds by composition (ElMD)", self.by_composition),
        )


ORBIT_COLUMNS = ("species", "sites", "Wyckoff", "x, y, z", "share of sites", "attention")
NEIGHBOUR_COLUMNS = ("distance", "formula", "id", "log10 sigma (S/cm)", "superionic")


def explain(
    ensemble: SuperionicEnsemble, structure: Crystals, neighbours: int = NEIGHBOURS
) -> Explanation:
    """Explain the score of one crystal.

    Parameters
    ----------
    ensemble : SuperionicEnsemble
        What scores it.
    structure : Crystals
        One pymatgen Structure, CIF path or CIF text.
    neighbours : int
        Training compounds to name in each list.

    Raises
    ------
    InputError
        When it is not exactly one crystal, or it cannot be scored.
    """
    reading = read_structures(structure)
    if len(reading.ids) != 1:
        raise InputError(f"{len(reading.ids)} structures given; explain them one by one")
    ((entry, crystal),) = reading.structures.items()
    features = ensemble.features({entry: crystal})
    scores = ensemble.score_features(features, [crystal.composition])
    order = _nearest_vectors(ensemble.known, _mean_vector(features))
    return Explanation(
        entry,
        crystal.composition.reduced_formula,
        float(scores.p_si[0]),
        float(scores.raw[0]),
        float(scores.sd[0]),
        _sets(ensemble, scores.raw),
        _orbit_shares(ensemble, crystal, features),
        _neighbours(ensemble.known, order, neighbours),
        _neighbours(ensemble.known, _compositions(ensemble.known, crystal), neighbours),
    )


def orbit_rows(orbits: Sequence[OrbitShare]) -> list[tuple[str, ...]]:
    """Return the cells of `ORBIT_COLUMNS`."""
    return [
        (
            orbit.species,
            str(orbit.multiplicity),
            orbit.wyckoff,
            ", ".join(f"{x:.3f}" for x in orbit.position),
            f"{orbit.share_of_sites:.1%}",
            f"{orbit.attention:.1%} ± {orbit.sd:.1%}",
        )
        for orbit in orbits
    ]


def neighbour_rows(found: Sequence[Neighbour]) -> list[tuple[str, ...]]:
    """Return the cells of `NEIGHBOUR_COLUMNS`."""
    return [
        (
            f"{item.distance:.3f}",
            item.formula,
            item.id,
            "-" if math.isnan(item.log10_sigma) else f"{item.log10_sigma:.2f}",
            "yes" if item.label else "no",
        )
        for item in found
    ]


def _sets(ensemble: SuperionicEnsemble, raw: np.ndarray) -> dict[str, str]:
    if ensemble.calibration is None:
        return {}
    words = ensemble.calibration.set_words(raw)
    return {name.removeprefix("set_"): found[0] for name, found in words.items()}


def _orbit_shares(
    ensemble: SuperionicEnsemble, crystal: Structure, features: OrbitFeatures
) -> tuple[OrbitShare, ...]:
    shares = ensemble.attention(features)
    sites, grouping = _seen_orbits(ensemble, crystal)
    letters = wyckoff_letters(crystal)
    found = []
    for row in range(len(grouping)):
        members = sites[grouping.site_to_orbit == row]
        first = int(sites[grouping.representatives[row]])
        kinds = dict.fromkeys(_content(crystal[int(i)].species) for i in members)
        x, y, z = (float(value) for value in crystal[first].frac_coords)
        found.append(
            OrbitShare(
                " | ".join(kinds),
                letters[first],
                (x, y, z),
                len(members),
                len(members) / len(sites),
                float(shares[:, row].mean()),
                float(shares[:, row].std()),
            )
        )
    return tuple(sorted(found, key=lambda orbit: -orbit.attention))


def _seen_orbits(ensemble: SuperionicEnsemble, crystal: Structure) -> tuple[np.ndarray, Orbits]:
    """Return the sites that the network sees, as indices of the crystal, and their orbits.

    Orbits are those of the represented crystal: its rows of features, in their order.
    """
    representations = parse_view(ensemble.recipe.seen_as).representations
    decorated, _ = assign_oxidation_states(crystal)
    shown = [represent(decorated, representation) for representation in representations]
    _, grouping = graphs_and_orbits(shown, ensemble.megnet)
    seen = seen_sites(decorated, representations[0])
    if len(seen) != len(grouping.site_to_orbit):
        raise ValueError("sites and orbits do not fit")
    return np.array(seen), grouping


def _content(species: Any) -> str:
    """Return "Li" or "Li0.5 Na0.2": symbols, with occupancies below 1."""
    amounts = sorted(species.get_el_amt_dict().items())
    return " ".join(
        symbol if amount > 1 - 1e-4 else f"{symbol}{amount:.3g}" for symbol, amount in amounts
    )


def _mean_vector(features: OrbitFeatures) -> np.ndarray:
    return pooled(features).values[:, : features.dimension]


def _nearest_vectors(known: KnownCompounds, vector: np.ndarray) -> np.ndarray:
    return TrainingDistance.fit(known.mean_vectors).to_each(vector)[0]


def _compositions(known: KnownCompounds, crystal: Structure) -> np.ndarray:
    """Return ElMD to every known compound, float64, shape (n,)."""
    amounts = [
        dict(zip(known.elements, (float(x) for x in row), strict=True)) for row in known.fractions
    ]
    own = composition_vectors([crystal.composition.get_el_amt_dict()])
    return elmd_between(own, composition_vectors(amounts, known.ids))[0]


def _neighbours(known: KnownCompounds, distance: np.ndarray, n: int) -> tuple[Neighbour, ...]:
    return tuple(
        Neighbour(
            known.ids[i],
            known.formulas[i],
            int(known.labels[i]),
            float(known.log10_sigma[i]),
            float(distance[i]),
        )
        for i in np.argsort(distance, kind="stable")[:n]
    )


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # a bar inside a cell would end it
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
