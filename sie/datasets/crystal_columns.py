"""Crystals as columns of numbers and text that any reader of Parquet understands.

Lattice, positions and what fills the sites, exactly; site properties and labels are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sie.errors import SieError

if TYPE_CHECKING:
    import pyarrow as pa
    from pymatgen.core import Structure

PREFIX = "crystal."
LATTICE = PREFIX + "lattice_A"
"""Row vectors in Å, 9 numbers."""
COORDS = PREFIX + "frac_coords"
"""Fractional coordinates, 3 numbers a site."""
FILLINGS = PREFIX + "fillings"
"""JSON: what sites may hold, each a list of [element, oxidation state or null, occupancy]."""
SITES = PREFIX + "sites"
"""Number of the filling of every site."""

CHUNK = 256


def crystal_columns(structures: Mapping[str, Structure]) -> dict[str, pa.Array]:
    """Return one value a crystal in each of the four columns.

    Raises
    ------
    SieError
        When a site holds something else than elements with or without an oxidation state.
    """
    import pyarrow as pa

    parts = [_disassemble(entry, structure) for entry, structure in structures.items()]
    floats, numbers = pa.list_(pa.float64()), pa.list_(pa.int32())
    types = {LATTICE: floats, COORDS: floats, FILLINGS: pa.string(), SITES: numbers}
    return {name: pa.array([part[name] for part in parts], type=types[name]) for name in types}


def crystals(columns: pa.Table) -> Iterator[Structure]:
    """Yield the crystals of the four columns, equal to those written to the last bit."""
    for batch in columns.to_batches(max_chunksize=CHUNK):  # bounds the memory of Python's floats
        for row in batch.to_pylist():
            yield _assemble(row)


def _disassemble(entry: str, structure: Structure) -> dict[str, Any]:
    fillings: dict[str, int] = {}
    sites = [fillings.setdefault(_filling(entry, site), len(fillings)) for site in structure]
    return {
        LATTICE: structure.lattice.matrix.ravel(),
        COORDS: structure.frac_coords.ravel(),
        FILLINGS: f"[{', '.join(fillings)}]",
        SITES: sites,
    }


def _filling(entry: str, site: Any) -> str:
    from pymatgen.core import Element, Species

    species = []
    for kind, amount in site.species.items():
        plain = type(kind) is Element or (type(kind) is Species and kind.spin is None)
        if not plain:
            raise SieError(f"{entry}: species {kind} cannot be kept; elements and charges can")
        state = None if isinstance(kind, Element) else kind.oxi_state
        species.append([kind.symbol, state, float(amount)])
    return json.dumps(species)


def _assemble(row: Mapping[str, Any]) -> Structure:
    from pymatgen.core import Composition, Element, Lattice, Species, Structure

    fillings = [
        Composition(
            {
                Element(symbol) if state is None else Species(symbol, state): amount
                for symbol, state, amount in filling
            }
        )
        for filling in json.loads(row[FILLINGS])
    ]
    coords = np.array(row[COORDS], dtype=np.float64).reshape(-1, 3)
    lattice = Lattice(np.array(row[LATTICE], dtype=np.float64))
    return Structure(lattice, [fillings[number] for number in row[SITES]], coords)
