import warnings

import numpy as np
import pytest
from ensemble_examples import argyrodite, crystals, rock_salt, skewed
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from sie.ensemble.reading import read_structures
from sie.errors import InputError


def cif_of(structure: Structure) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(CifWriter(structure))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "argyrodite.cif"
    path.write_text(cif_of(argyrodite()))
    return path


def test_one_of_each_kind(file):
    crystal = rock_salt()
    assert read_structures(crystal).structures == {"0": crystal}
    assert list(read_structures(file).structures) == ["argyrodite"]
    assert list(read_structures(str(file)).structures) == ["argyrodite"]
    (read,) = read_structures(file.read_text()).structures.values()
    assert read.composition.almost_equals(argyrodite().composition, rtol=1e-3)
    assert not read.is_ordered


def test_many_are_named_by_file_or_place(file):
    reading = read_structures([rock_salt(), file, file, cif_of(skewed())])
    assert reading.ids == ("0", "argyrodite", "argyrodite-2", "3")
    assert tuple(reading.structures) == reading.ids
    assert reading.refused == {}


def test_a_mapping_names_its_values_and_an_iterator_is_read(file):
    given = {7: file, "x": rock_salt()}
    assert read_structures(given).ids == ("7", "x")
    assert read_structures(iter(given.values())).ids == ("argyrodite", "1")
    assert read_structures([]).ids == ()


def test_the_rules_for_cifs_hold(file):
    text = cif_of(argyrodite())
    over = text.replace("  0.6\n", "  0.65\n")
    assert over.count("  0.65\n") == 8
    (read,) = read_structures(over).structures.values()
    assert max(site.species.num_atoms for site in read) == pytest.approx(1)


def bad(file):
    sodium = rock_salt(cation="Na")
    crushed = rock_salt(a=0.5)
    lost = rock_salt()
    lost.translate_sites([0], [np.nan, 0, 0], to_unit_cell=False)
    return {
        "no Li": (sodium, "no Li in"),
        "no Li in a CIF": (cif_of(sodium), "no Li in"),
        "empty": (Structure(Lattice.cubic(3), [], []), "no Li in"),
        "missing": (file.with_name("missing.cif"), "No such file"),
        "folder": (file.parent, "cannot be read"),
        "no CIF": ("data_x\nnothing\n", "no atom positions"),
        "empty text": ("", "empty text"),
        "bytes": (b"data_", "bytes is no structure"),
        "number": (3, "int is no structure"),
        "None": (None, "NoneType is no structure"),
        "crushed": (crushed, "impossible cell"),
        "lost": (lost, "not finite"),
        "large": (rock_salt() * (9, 9, 9), "5832 sites, more than 5000"),
    }


def test_every_bad_one_is_named_in_one_line(file):
    for name, (item, reason) in bad(file).items():
        with pytest.raises(InputError, match=reason) as error:
            read_structures({"good": rock_salt(), name: item})
        assert str(error.value).startswith(f"structure {name}: ")
        assert "\n" not in str(error.value)


def test_bad_ones_are_listed_where_that_is_wanted(file):
    table = bad(file)
    reading = read_structures(
        {**crystals(), **{name: item for name, (item, _) in table.items()}}, errors="nan"
    )
    assert tuple(reading.structures) == tuple(crystals())
    assert reading.ids == (*crystals(), *table)
    assert set(reading.refused) == set(table)
    for name, (_, reason) in table.items():
        assert reason in reading.refused[name]


def test_mistakes_of_the_call_are_named():
    with pytest.raises(InputError, match="choose 'raise' or 'nan'"):
        read_structures(rock_salt(), errors="ignore")
    for nothing in (None, 3.5, b"data_"):
        with pytest.raises(InputError, match="is no structure; give pymatgen Structures"):
            read_structures(nothing)
