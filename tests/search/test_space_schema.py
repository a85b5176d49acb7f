"""The JSON Schema that editors use, against the validator that searches use."""

import copy
import json
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml

from sie.errors import InputError
from sie.models.config import CHOICES, TrialConfig
from sie.search.space import KINDS, WHEN, parse_space, read_space

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces"
SCHEMA = json.loads((FOLDER / "schema.json").read_text())
SHIPPED = sorted(FOLDER.glob("*.yaml"))
PARAMETERS = SCHEMA["properties"]["parameters"]["properties"]


def fits(content):
    try:
        jsonschema.validate(content, SCHEMA)
    except jsonschema.ValidationError:
        return False
    return True


def is_a_space(content):
    try:
        parse_space(content)
    except InputError:
        return False
    return True


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_spaces_fit_and_point_to_it(path):
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
    read_space(path)


def test_the_schema_names_what_there_is():
    assert set(PARAMETERS) == {item.name for item in fields(TrialConfig)}
    assert set(SCHEMA["definitions"]["when"]["properties"]) == set(PARAMETERS)
    for name, values in CHOICES.items():
        assert PARAMETERS[name]["properties"]["value"]["enum"] == list(values)
    for item in fields(TrialConfig):
        kinds = set(PARAMETERS[item.name]["properties"]) - {WHEN}
        assert kinds == (set(KINDS) if item.type == "float" else {"choice", "value"})
        assert item.name in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("n_layer", {"value": 2}),
        ("n_layers", {"value": 2.5}),
        ("n_layers", {"uniform": [1, 2]}),
        ("n_layers", {"value": 0}),
        ("n_layers", {"value": 2, "choice": [2]}),
        ("n_layers", {}),
        ("dropout_phi", {"value": 1.0}),
        ("dropout_phi", {"uniform": [0.1]}),
        ("l2_phi", {"loguniform": [0, 1]}),
        ("l2_phi", {"choice": []}),
        ("optimiser", {"choice": ["sgd"]}),
        ("standardise", {"value": "yes please"}),
        ("weight_decay", {"value": -1}),
        ("weight_decay", {"value": 0.1, "when": {"optimizer": "adamw"}}),
    ],
)
def test_schema_and_validator_refuse_alike(name, spec):
    content = yaml.safe_load((FOLDER / "extended.yaml").read_text())
    assert fits(content) and is_a_space(content)
    wrong = copy.deepcopy(content)
    wrong["parameters"][name] = spec
    assert not fits(wrong)
    assert not is_a_space(wrong)
