"""Files that would take minutes, hours or all memory are refused in a second or two."""

from __future__ import annotations

import time

import pytest
from hostile_cifs import CELL, HOSTILE, TWO
from hypothesis import given, settings
from hypothesis import strategies as st

from sie.datasets import cif, cif_limits
from sie.datasets.cif import UnusableCif, parse_cif, read_cif
from sie.datasets.cif_limits import bounded_text

SMALL = TWO.replace("Cl1", "Cl2")
QUICK = (
    "blank lines",
    "lines of spaces",
    "quotes",
    "quotes, both kinds",
    "words on few lines",
    "blocks, on one line",
    "atoms, a row more",
    "a long number in an operation",
    "a long number, spaced",
    "an operation as a text",
    "unknown space groups",
    "a cell setting that calls itself",
    "magnetic tower",
    "magnetic origin",
    "magnetic, other name",
    "magnetic operations",
    "magnetic operations, underscored",
    "rows of several elements",
    "a formula of brackets",
    "a needle",
    "a number of ten thousand digits",
    "an infinite coordinate",
    "zero bytes",
)


@pytest.mark.parametrize("name", QUICK)
def test_hostile_files_are_refused_soon(name):
    begin = time.process_time()
    with pytest.raises(UnusableCif):
        parse_cif(HOSTILE[name]())
    assert time.process_time() - begin < 20  # without the limits: minutes to for ever


def test_a_hundred_megabytes_are_not_even_read(tmp_path):
    path = tmp_path / "big.cif"
    with path.open("wb") as handle:
        handle.truncate(100_000_000)
    with pytest.raises(UnusableCif, match="larger than 10 MB"):
        read_cif(path)


def test_a_link_to_a_device_is_no_cif(tmp_path):
    (tmp_path / "x.cif").symlink_to("/dev/zero")
    with pytest.raises(UnusableCif, match="not a regular file"):
        read_cif(tmp_path / "x.cif")


def test_reading_ends_after_its_time(monkeypatch):
    monkeypatch.setattr(cif, "MAX_SECONDS", 0.2)
    with pytest.raises(UnusableCif, match=r"takes longer than 0\.2 s to read"):
        parse_cif(HOSTILE["most atoms"]())


def test_a_thin_cell_is_refused():
    thin = CELL.replace("_a 40", "_a .2").replace("_b 40", "_b .2").replace("_c 40", "_c 1e3")
    with pytest.raises(UnusableCif, match=r"repeats every 0\.2 Å"):
        parse_cif(thin + TWO)


def test_a_skewed_cell_of_a_usual_crystal_is_read():
    # a = 4 Å cubic, seen along (1, 0, 0), (20, 1, 0), (0, 0, 1): planes only 0.2 Å apart
    skewed = (
        CELL.replace("_a 40", "_a 4")
        .replace("_b 40", f"_b {4 * 401**0.5:.6f}")
        .replace("_c 40", "_c 4")
        .replace("_gamma 90", "_gamma 2.862405")
    )
    assert len(parse_cif(skewed + TWO)) == 2


def test_a_crowd_in_one_place_is_refused():
    rows = [f"A{i} Li .{10000 + 12 * i} .5 .5 1" for i in range(400)]
    text = CELL.replace(" 40", " 20") + TWO.split("Li1")[0] + "\n".join(rows) + "\n"
    with pytest.raises(UnusableCif, match="sites within 1 Å"):
        parse_cif(text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["", " ", "\t", "data_x", "a 'b c'", "# x", ";", "  text", "\r"])))
def test_without_blank_lines_a_text_has_the_same_tokens(lines):
    from pymatgen.io.cif import CifBlock

    text = "\n".join(["data_x", *lines])
    assert CifBlock._process_string(bounded_text(text)) == CifBlock._process_string(text)


def test_the_parser_finds_the_same_as_the_plain_one():
    from pymatgen.io.cif import CifParser

    text = CELL + "_symmetry_Int_Tables_number 2\n" + SMALL
    ours = cif_limits.parser_of(text, 2.0).parse_structures(primitive=False)[0]
    plain = CifParser.from_str(text, occupancy_tolerance=2.0).parse_structures(primitive=False)[0]
    assert ours == plain
