"""CIF texts for the tests of this room, made with pymatgen's own writer."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from sie.datasets.record import Database
from sie.datasets.registry import load_dataset

CORNERS = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]


def make_rock_salt(anion="Cl", cation="Li", a: float = 5.13) -> Structure:
    coords = CORNERS + [[x + 0.5, y, z] for x, y, z in CORNERS]
    return Structure(Lattice.cubic(a), [cation] * 4 + [anion] * 4, coords)


def write_cif(structure: Structure, symprec: float | None = None) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(CifWriter(structure, symprec=symprec))


def cif_with_sites(
    rows: str,
    columns: str = "label type_symbol fract_x fract_y fract_z occupancy",
    cell: float = 5.0,
    extra: str = "",
) -> str:
    """A CIF in P1, its atom lines written by hand."""
    heads = "\n".join(f"_atom_site_{column}" for column in columns.split())
    return (
        f"data_x\n_cell_length_a {cell}\n_cell_length_b {cell}\n_cell_length_c {cell}\n"
        "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
        f"_symmetry_space_group_name_H-M 'P 1'\n{extra}\nloop_\n{heads}\n{rows}\n"
    )


@pytest.fixture(scope="session")
def rock_salt() -> Callable[..., Structure]:
    return make_rock_salt


@pytest.fixture(scope="session")
def cif_text() -> Callable[[Structure], str]:
    return write_cif


@pytest.fixture(scope="session")
def sites_text() -> Callable[..., str]:
    return cif_with_sites


@pytest.fixture(scope="session")
def starter() -> Database:
    return load_dataset("starter")
