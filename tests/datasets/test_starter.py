"""The curated starter set: its promises in numbers, its crystals, its messages."""

from __future__ import annotations

import csv
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Composition, Lattice, Structure

from sie.datasets import starter
from sie.datasets.record import COLUMNS
from sie.errors import InputError
from sie.splits.elmd import MODIFIED_PETTIFOR

PACKAGE_DATA = Path(starter.__file__).parent / "data"
DOCS = Path(starter.__file__).parents[2] / "docs" / "starter.md"

OXIDATION = {
    "Li": 1, "H": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cd": 2, "Mn": 2, "B": 3,
    "Al": 3, "Ga": 3, "In": 3, "Sc": 3, "Y": 3, "La": 3, "Ce": 3, "Nd": 3, "Sm": 3, "Er": 3,
    "Cr": 3, "Fe": 3, "Si": 4, "Ge": 4, "Sn": 4, "Ti": 4, "Zr": 4, "Hf": 4, "P": 5, "V": 5,
    "Nb": 5, "Ta": 5, "Sb": 5, "Bi": 5, "Te": 6, "Mo": 6, "W": 6, "N": -3, "O": -2, "S": -2,
    "Se": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1,
}  # fmt: skip
EXCEPTIONS = {
    "phosphide-li3p": {"P": -3},
    "hydride-lialh4": {"H": -1},
    "hydride-li3alh6": {"H": -1},
    "thio-li4p2s6": {"P": 4},
}
# bonds inside polyanions that are shorter than any contact between ions
SHORTEST_BONDS_A = {frozenset("PO"): 1.45, frozenset("BN"): 1.30, frozenset(("Al", "H")): 1.5}


@pytest.fixture(scope="module")
def database():
    return starter.load()


@pytest.fixture(scope="module")
def members():
    return {member.id: member for member in starter.read_members()}


def fractions(composition: Composition) -> dict[str, float]:
    elements = composition.element_composition.fractional_composition
    return {str(element): amount for element, amount in elements.items()}


class TestPromises:
    def test_at_least_115_real_compounds(self, database):
        assert 115 <= len(database) <= 150

    def test_every_compound_holds_lithium(self, database):
        assert all("Li" in s.composition for s in database.structures.values())

    def test_at_least_ten_families(self, database):
        assert database.table["family"].nunique() >= 10

    def test_at_least_ten_structure_types(self, database):
        assert database.table["source"].nunique() >= 10

    def test_at_least_50_disordered(self, database):
        assert (~database.table["ordered"]).sum() >= 50

    def test_at_least_35_superionic(self, database):
        assert database.labels.sum() >= 35

    def test_conductivity_spans_ten_decades(self, database):
        measured = database.table.loc[~database.table["censored"], "sigma_S_per_cm"]
        assert measured.min() <= 1e-12
        assert measured.max() > 1e-2

    def test_columns_are_those_of_the_record_and_family(self, database):
        assert tuple(database.table.columns) == (*COLUMNS, "family")

    def test_main_families_hold_both_classes(self, database):
        classes = database.table.groupby("family")["label"].nunique()
        for family in ("garnet", "NASICON", "argyrodite", "perovskite", "thiophosphate"):
            assert classes[family] == 2, family

    def test_labels_follow_from_sigma(self, database):
        table = database.table
        expected = (table["sigma_S_per_cm"] >= 1e-4) & ~table["censored"]
        assert (table["label"] == expected.astype(int)).all()
        np.testing.assert_allclose(10 ** table["log10_sigma"], table["sigma_S_per_cm"])

    def test_every_doi_is_well_formed(self, database):
        # no registry is asked: 10.<registrant>/<suffix> without blanks
        assert all(re.fullmatch(r"10\.\d{4,9}/\S+", doi) for doi in database.table["doi"])

    def test_no_two_rows_state_the_same_phase(self, members):
        phases = {
            (m.prototype.key, tuple(sorted(fractions(Composition(m.formula)).items())))
            for m in members.values()
        }
        assert len(phases) == len(members)

    def test_same_hash_when_built_twice(self, database):
        assert starter.load().hash == database.hash

    def test_elements_have_a_place_on_the_pettifor_scale(self, database):
        used = {str(e) for s in database.structures.values() for e in s.composition}
        assert used <= set(MODIFIED_PETTIFOR)


class TestCrystals:
    def test_occupancies_are_between_zero_and_one(self, database):
        for entry, structure in database.structures.items():
            for site in structure:
                assert all(amount > 0 for amount in site.species.values()), entry
                assert site.species.num_atoms <= 1 + 1e-6, entry

    def test_built_composition_is_the_stated_formula(self, database, members):
        for entry, structure in database.structures.items():
            stated = fractions(Composition(members[entry].formula))
            built = fractions(structure.composition)
            assert stated.keys() == built.keys(), entry
            for element, amount in stated.items():
                assert built[element] == pytest.approx(amount, rel=0.02), (entry, element)

    def test_charge_neutral(self, database):
        for entry, structure in database.structures.items():
            states = OXIDATION | EXCEPTIONS.get(entry, {})
            parts = fractions(structure.composition)
            negative = sum(n * states[e] for e, n in parts.items() if states[e] < 0)
            positive = sum(n * states[e] for e, n in parts.items() if states[e] > 0)
            assert positive == pytest.approx(-negative, rel=0.01), entry

    def test_pymatgen_finds_a_neutral_guess_for_ordered_crystals(self, database):
        ordered = database.table.index[database.table["ordered"]]
        for entry in ordered:
            reduced = database.structures[entry].composition.reduced_composition
            assert reduced.oxi_state_guesses(max_sites=-1), entry

    def test_full_sites_keep_their_distance(self, database):
        for entry, structure in database.structures.items():
            full = [i for i, site in enumerate(structure) if site.species.num_atoms > 0.999]
            distances = structure.distance_matrix[np.ix_(full, full)]
            for row, column in zip(*np.nonzero(np.triu(distances < 2.0, 1)), strict=True):
                pair = frozenset(
                    str(e) for i in (full[row], full[column]) for e in structure[i].species
                )
                limits = [v for bond, v in SHORTEST_BONDS_A.items() if bond <= pair]
                assert distances[row, column] > min([1.5, *limits]), (entry, pair)

    def test_density_is_plausible(self, database):
        for entry, structure in database.structures.items():
            assert 0.5 < structure.density < 9, (entry, structure.density)

    def test_order_is_what_pymatgen_sees(self, database):
        for entry, structure in database.structures.items():
            whole = all(len(s.species) == 1 and s.species.num_atoms == 1 for s in structure)
            assert database.table.loc[entry, "ordered"] == whole, entry

    def test_builds_what_from_spacegroup_builds(self, members):
        for entry in ("nasicon-liti2p3o12", "halide-li3ybr6", "antiperovskite-li2ohbr"):
            member = members[entry]
            positions = {site.label: site.position for site in member.prototype.sites}
            expected = Structure.from_spacegroup(
                member.prototype.space_group,
                Lattice.from_parameters(*member.lattice),
                [dict(amounts) for amounts in member.occupancies.values()],
                [positions[label] for label in member.occupancies],
            )
            assert starter.build(member) == expected

    @pytest.mark.parametrize(
        ("entry", "neighbour", "length", "count"),
        [
            ("garnet-li7la3zr2o12-tetragonal", ("Zr", "O"), 2.11, 6),
            ("nasicon-liti2p3o12", ("P", "O"), 1.54, 4),
            ("thio-lisicon-li4ges4", ("Ge", "S"), 2.23, 4),
            ("halide-li2mgcl4", ("Cl", "Li"), 2.36, 1),
            ("lisicon-li3po4-gamma", ("P", "O"), 1.54, 4),
            ("halide-li3sccl6", ("Sc", "Cl"), 2.51, 6),
            ("thio-liznps4", ("Zn", "S"), 2.24, 4),
        ],
    )
    def test_coordination_is_that_of_the_type(self, database, entry, neighbour, length, count):
        structure = database.structures[entry]
        centre = next(s for s in structure if neighbour[0] in s.species)
        shell = [
            other.nn_distance
            for other in structure.get_neighbors(centre, length + 0.2)
            if {str(e) for e in other.species} == {neighbour[1]}
        ]
        assert len(shell) == count
        assert np.mean(shell) == pytest.approx(length, abs=0.06)


class TestSymmetry:
    @pytest.mark.parametrize("key", ["garnet", "argyrodite", "lgps", "spinel-halide", "nasicon"])
    def test_spglib_finds_the_space_group_of_the_type(self, key):
        import spglib

        prototype = starter.read_prototypes()[key]
        orbits = starter.orbits(prototype)
        member = next(m for m in starter.read_members() if m.prototype.key == key)
        lattice = Lattice.from_parameters(*member.lattice).matrix
        coords = np.concatenate(list(orbits.values()))
        numbers = [i for i, orbit in enumerate(orbits.values(), 1) for _ in orbit]
        found = spglib.get_symmetry_dataset((lattice, coords, numbers), symprec=1e-3)
        assert found.number == prototype.space_group


class TestBrokenData:
    @pytest.fixture
    def broken(self, tmp_path):
        for name in (starter.MEMBERS_FILE, starter.PROTOTYPES_FILE):
            shutil.copy(PACKAGE_DATA / name, tmp_path / name)

        def edit(name: str, old: str, new: str) -> Path:
            path = tmp_path / name
            text = path.read_text(encoding="utf-8")
            assert old in text
            path.write_text(text.replace(old, new, 1), encoding="utf-8")
            return tmp_path

        return edit

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("Li1=Li:0.85;", "Li1=Li:1.4;", r"site Li1 sum to 1\.4.*at most 1"),
            ("Li1=Li:0.85;", "Li1=Li:-0.2;", r"site Li1 sum to -0\.2"),
            ("Li1=Li:0.85;", "Li9=Li:0.85;", "no site 'Li9'; it has Li1, Li2, M"),
            ("Li1=Li:0.85; ", "", "site Li1 of prototype nasicon is not stated"),
            ("Li1=Li:0.85;", "Li1=Li:0.85; Li1=Li:0.1;", "site Li1 is given twice"),
            ("Li1=Li:0.85;", "Li1=Qq:0.85;", "'Qq' is no element"),
            ("Li1=Li:0.85;", "Li1=Li:much;", "'much' is not a number"),
            ("Li1=Li:0.85;", "Li1 Li:0.85;", "cannot read 'Li1 Li:0.85'"),
            (",nasicon,Li1.3Al", ",nasikon,Li1.3Al", "unknown prototype 'nasikon'; known: garnet"),
            ("8.5004,,20.8156", "8.5004,8.5004,20.8156", "b_A follows from the hexagonal cell"),
            ("8.5004,,20.8156", "8.5004,,", "c_A is ''; expected a positive number"),
            ("7.22e-4", "-7.22e-4", "sigma_S_per_cm is '-7.22e-4'"),
        ],
    )
    def test_message_names_file_line_and_id(self, broken, old, new, says):
        # all edits hit the row of Li1.3Al0.3Ti1.7(PO4)3, the first with these words
        row = "nasicon-li1.3al0.3ti1.7p3o12"
        lines = (PACKAGE_DATA / starter.MEMBERS_FILE).read_text(encoding="utf-8").splitlines()
        number, line = next((i, x) for i, x in enumerate(lines, 1) if x.startswith(row))
        folder = broken(starter.MEMBERS_FILE, line, line.replace(old, new, 1))
        with pytest.raises(InputError, match=says) as caught:
            starter.load(folder)
        assert str(caught.value).startswith(f"starter_members.csv line {number} ({row})")

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (",10.1149/1.2086597,confirmed", ",doi:here,confirmed", "doi is 'doi:here'"),
            (",confirmed", ",hearsay", "evidence is 'hearsay'"),
            (",no,", ",maybe,", "censored is 'maybe'; expected yes or no"),
            ("garnet-li5la3ta2o12,", "garnet-li5la3nb2o12,", "occurs already"),
            ("garnet-li5la3ta2o12,", "garnet-li5la3ta2o12,,", "16 fields"),
            ("garnet-li5la3ta2o12,", "Garnet 7,", "id is 'Garnet 7'"),
            ("a_A", "a", "columns must be id, family"),
        ],
    )
    def test_other_columns_are_checked(self, broken, old, new, says):
        with pytest.raises(InputError, match=says):
            starter.load(broken(starter.MEMBERS_FILE, old, new))

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("version: 1", "version: 99", "format version 99, this sie reads 1"),
            ("space_group: 230", "space_group: 231", "garnet: no space group 231"),
            ("B: [0, 0, 0]", "B: [0, 0]", "garnet: needs space_group and sites"),
            ("prototypes:", "prototypes: [", "not readable YAML"),
            ("prototypes:", "types:", "no mapping 'prototypes'"),
        ],
    )
    def test_prototypes_are_checked(self, broken, old, new, says):
        with pytest.raises(InputError, match=says):
            starter.load(broken(starter.PROTOTYPES_FILE, old, new))

    def test_an_upper_bound_is_class_0_however_high(self, broken):
        folder = broken(starter.MEMBERS_FILE, "7.22e-4,no,", "7.22e-4,yes,")
        row = starter.load(folder).table.loc["nasicon-li1.3al0.3ti1.7p3o12"]
        assert (row["label"], row["censored"]) == (0, True)

    def test_missing_files(self, tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            starter.load(tmp_path)


def test_fractions_and_mixed_sites_are_read():
    read = starter.parse_occupancies("A=La:2/3+Ba:1/3; B=Ta; Li2=vacant", "here")
    assert read == {"A": {"La": 2 / 3, "Ba": 1 / 3}, "B": {"Ta": 1.0}, "Li2": {}}


def test_docs_state_the_counts(database, members):
    text = DOCS.read_text(encoding="utf-8")
    evidence = [member.evidence for member in members.values()]
    expected = {
        "compounds": len(database),
        "structure types": database.table["source"].nunique(),
        "families": database.table["family"].nunique(),
        "disordered": int((~database.table["ordered"]).sum()),
        "superionic": int(database.labels.sum()),
        "upper bounds": int(database.table["censored"].sum()),
        **{name: evidence.count(name) for name in starter.EVIDENCE},
    }
    assert documented(text, expected) == expected


def documented(text: str, names) -> dict[str, int]:
    """The numbers of the table rows `| name | number |` of the docs."""
    rows = dict(re.findall(r"^\| ([^|]+?) \| (\d+) \|", text, flags=re.MULTILINE))
    return {name: int(rows[name]) for name in names}


@pytest.mark.shared
def test_agreement_with_obelix_is_what_the_docs_say(members, shared_data):
    with (shared_data / "obelix" / "all.csv").open(encoding="utf-8", newline="") as handle:
        obelix = [(fractions_of_obelix(row), row) for row in csv.DictReader(handle)]
    checked = {}
    for entry, member in members.items():
        own = fractions(Composition(member.formula))
        if hits := [row for parts, row in obelix if close(own, parts)]:
            checked[entry] = any(agrees(member, row) for row in narrowed(member, hits))
    counts = {
        "rows whose composition stands in OBELiX": len(checked),
        "of these, rows that agree": sum(checked.values()),
    }
    differing = sorted(entry for entry, fits in checked.items() if not fits)
    text = DOCS.read_text(encoding="utf-8")
    assert documented(text, counts) == counts, differing
    assert all(f"`{entry}`" in text for entry in differing)
    # an adopted or confirmed row that does not agree would be a slip of the pen
    assert {members[entry].evidence for entry in differing} <= {"independent"}


def fractions_of_obelix(row: dict[str, str]) -> dict[str, float]:
    try:
        return fractions(Composition(row["Reduced Composition"].strip()))
    except ValueError:
        return {}


def close(own: dict[str, float], other: dict[str, float]) -> bool:
    return own.keys() == other.keys() and all(abs(own[e] - other[e]) < 0.004 for e in own)


def narrowed(member: starter.Member, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Of rows with one composition those of the same DOI, then of the same space group."""
    same_doi = [row for row in rows if row["DOI"].lower() == member.doi.lower()] or rows
    number = str(member.prototype.space_group)
    return [row for row in same_doi if row["Space group #"] == number] or same_doi


def agrees(member: starter.Member, row: dict[str, str]) -> bool:
    sigma = float(row["Ionic conductivity (S cm-1)"].lstrip("<"))
    theirs = sorted(float(row[axis]) for axis in "abc")
    lengths = zip(sorted(member.lattice[:3]), theirs, strict=True)
    within = abs(math.log(member.sigma_S_per_cm / sigma)) <= math.log(3)
    return within and all(abs(own / other - 1) <= 0.03 for own, other in lengths)
