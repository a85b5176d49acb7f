from __future__ import annotations

import pytest
from pymatgen.core import Composition, Element

from sie.screening.intermetallic import is_intermetallic, lacks_anion_former


@pytest.mark.parametrize(
    ("formula", "metals_only", "no_anion_former"),
    [
        ("Li", True, True),
        ("LiMg2Sn", True, True),
        ("Li3Bi", True, True),
        ("LiSi2B", False, True),  # metalloids, of the article's Table 2
        ("LiCaAs", False, True),
        ("Li2Te", False, False),
        ("LiP5", False, False),
        ("Li5B7S13", False, False),
        ("LiH", False, False),
        ("Li2C2", False, False),
        ("LiXe", False, True),
    ],
)
def test_flags(formula, metals_only, no_anion_former):
    composition = Composition(formula)
    assert is_intermetallic(composition) is metals_only
    assert lacks_anion_former(composition) is no_anion_former


def test_every_intermetallic_lacks_an_anion_former():
    for element in Element:
        composition = Composition({"Li": 1, element: 1})
        assert lacks_anion_former(composition) or not is_intermetallic(composition)


def test_oxidation_states_do_not_matter():
    assert is_intermetallic(Composition({"Li+": 1, "Al3+": 0.2, "Al": 0.1}))
    assert not is_intermetallic(Composition({"Li+": 1, "O2-": 0.001}))


def test_what_is_no_element_is_no_metal():
    assert not is_intermetallic(Composition({"Li": 1, "X": 1}))
    assert lacks_anion_former(Composition({"Li": 1, "X": 1}))
