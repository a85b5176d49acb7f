from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from sie.datasets.assemble import Measurement, assemble
from sie.datasets.record import LeftOut
from sie.datasets.report import report


@pytest.fixture
def database(rock_salt):
    crystals = {
        "a": rock_salt(),
        "b": rock_salt("Br", a=5.5),
        "c": rock_salt({"Cl": 0.5, "Br": 0.5}, a=5.3),
        "d": rock_salt(cation="Na", a=5.64),
    }
    items = [
        Measurement("a", 1, 1e-3),
        Measurement("b", 0, 1e-10, censored=True),
        Measurement("c", 1, math.nan),
        Measurement("d", 0, 1e-6),
    ]
    left_out = [
        LeftOut("x", "no CIF", "t.csv:7"),
        LeftOut("y", "a | bad <b>cell</b>"),
        LeftOut("z", "no CIF", "t.csv:9"),
    ]
    return assemble("mine", items, lambda i: (crystals[i], ""), left_out, require_lithium=False)


def test_counts(database):
    made = report(database, {"a": 0, "b": 1, "c": 1, "d": 2}, {"cif": 3, "guessed": 1})
    assert (made.entries, made.unique, made.space_groups) == (4, 3, 1)
    assert (made.ordered, made.disordered) == (3, 1)
    assert (made.positive, made.negative) == (2, 2)
    assert (made.censored, made.class_only, made.without_lithium) == (1, 1, 1)
    assert made.n_left_out == 3
    assert list(made.left_out) == ["no CIF", "a | bad <b>cell</b>"]
    assert [item.id for item in made.left_out["no CIF"]] == ["x", "z"]


def test_json_holds_everything(database):
    made = report(database, oxidation={"cif": 4})
    plain = json.loads(json.dumps(made.as_dict()))
    assert plain["hash"] == database.hash
    assert plain["unique"] is None
    assert plain["oxidation"] == {"cif": 4}
    assert plain["left_out"]["no CIF"] == [
        {"id": "x", "file": "t.csv:7"},
        {"id": "z", "file": "t.csv:9"},
    ]


def test_lines_are_short_and_whole(database):
    lines = report(database, oxidation={"guessed": 4}).lines()
    assert "entries: 4" in lines
    assert "oxidation states: guessed: 4" in lines
    assert "unique structures: not computed" in lines
    assert "  2 x no CIF: x, z" in lines
    assert all("\n" not in line for line in lines)


def test_markdown_lists_every_file_and_escapes_the_users_text(database):
    text = report(database).to_markdown()
    assert "- x (t.csv:7)" in text
    assert "- z (t.csv:9)" in text
    assert "### no CIF (2)" in text
    assert "<b>" not in text


def test_duplicates_are_one_line_and_each_names_who_stays(database):
    twins = [LeftOut(f"e{i}", f"duplicate of {name}") for i, name in enumerate("abcab")]
    made = report(replace(database, left_out=(*database.left_out, *twins)))
    assert "  5 x duplicate of an entry that stays" in made.lines()
    assert "- e1: duplicate of b" in made.to_markdown()
    plain = made.as_dict()["left_out"]["duplicate of an entry that stays"]
    assert plain[0] == {"id": "e0", "file": "", "reason": "duplicate of a"}
