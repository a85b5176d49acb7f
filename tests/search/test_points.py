"""Points given in a file: read as they stand, completed, or refused by file, line and key."""

from pathlib import Path

import numpy as np
import pytest
from search_examples import SPACE

from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.search.points import is_inside, parse_points, read_points
from sie.search.space import parse_space, read_space

SPACES = Path(__file__).resolve().parents[2] / "search_spaces"

CONDITIONED = parse_space(
    {
        "parameters": {
            "optimiser": {"choice": ["lamb", "adamw"]},
            "weight_decay": {"loguniform": [1e-4, 1e-2], "when": {"optimiser": "adamw"}},
            "standardise": {"choice": [True, False]},
            "max_lr": {"loguniform": [1e-3, 1e-2]},
            "n_neurons": {"choice": [16, 32]},
        }
    }
)


def test_the_example_of_the_repository_fits_its_space():
    article, adam = read_points(
        SPACES / "points" / "extended.yaml", read_space(SPACES / "extended.yaml")
    )
    assert (article.optimiser, article.max_lr, article.readout_width) == ("lamb", 3e-3, 512)
    assert (adam.optimiser, adam.standardise, adam.readout_width) == ("adam", True, 64)


def test_what_is_left_out_keeps_its_default_where_the_space_holds_it():
    (config,) = parse_points({"points": {"a": {"max_lr": 5e-3}}}, SPACE)
    assert config == TrialConfig(max_lr=5e-3, dropout_phi=0.1, n_layers=3)
    (config,) = parse_points({"points": {"a": {"optimiser": "adamw"}}}, CONDITIONED)
    assert (config.n_neurons, config.standardise, config.weight_decay) == (16, False, 0.01)


def test_numbers_as_yaml_knows_them_and_doubles():
    found = parse_points({"points": {"a": {"max_lr": "5e-3"}, "b": {"max_lr": 0.005}}}, CONDITIONED)
    assert len(found) == 1
    assert found[0].max_lr == 5e-3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("points:\n  a: {max_rl: 0.005}", r":2: .*max_rl, not in space test; did you mean max_lr"),
        ("points:\n  a:\n    max_lr: 0.004", r":3: .*must be of .*0.001.* got 0.004"),
        ("points:\n  a: {dropout_phi: 0.6}", r":2: .*uniform.* got 0.6"),
        ("points:\n  a: {dropout_phi: true}", r":2: .*got True"),
        ("points: {a: [1]}", r":1: .*must hold hyperparameters"),
        ("points: []", r":1: .*at least one point"),
        ("format: 2\npoints: {a: {max_lr: 0.001}}", r":1: format, must be 1"),
        ("point: {}", "format and points, and no others"),
        ("points: {a: ", "not valid YAML"),
    ],
)
def test_mistakes_are_one_line(tmp_path, text, message):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_points(path, SPACE)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"--points .*nowhere\.yaml: cannot read it"):
        read_points(tmp_path / "nowhere.yaml", SPACE)


@pytest.mark.parametrize("space", [SPACE, CONDITIONED])
def test_every_draw_lies_inside_its_space_and_changes_leave_it(space):
    rng = np.random.default_rng(0)
    for _ in range(40):
        assert is_inside(space.sample(rng), space)
    assert not is_inside(TrialConfig(max_lr=5e-3, l2_phi=0.5), space)
    assert not is_inside(TrialConfig(max_lr=0.5), space)
