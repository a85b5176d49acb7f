import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.errors import InputError
from sie.models.config import ONLY_WITH, TrialConfig
from sie.search.space import KINDS, parse_space, read_space, space_path

FOLDER = Path(__file__).resolve().parents[2] / "search_spaces"


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def space_with(tmp_path, line):
    return written(tmp_path, f"format: 1\nname: mine\nparameters:\n  {line}\n")


def test_paper_space_is_the_articles_table_s7():
    space = read_space(FOLDER / "paper.yaml")
    assert space.size == 5 * 5 * 3 * 5 * 5 * 5 * 5 * 3 * 4
    values = {p.name: set(p.values) for p in space.parameters}
    assert values["init_lr"] == {2e-5, 4e-5, 6e-5, 8e-5, 1e-4}
    assert values["max_lr"] == {1e-4, 1e-3, 3e-3, 5e-3, 7e-3}
    assert values["n_neurons"] == {32, 64, 128, 256}
    # the readout keeps the article's width and steps
    assert (TrialConfig().readout_width, TrialConfig().readout_steps) == (512, 3)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_spaces_give_valid_configurations(path):
    space = read_space(path)
    rng = np.random.default_rng(0)
    for _ in range(50):
        config = space.sample(rng)
        assert config == TrialConfig.from_mapping(config.as_dict())


def test_quick_space_lies_inside_the_paper_space():
    paper = {p.name: set(p.values) for p in read_space(FOLDER / "paper.yaml").parameters}
    for parameter in read_space(FOLDER / "quick.yaml").parameters:
        if parameter.name in paper:
            assert set(parameter.values) <= paper[parameter.name]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("drop_phi: {choice: [0.1]}", "mine.yaml:4: parameters: drop_phi: unknown key; did you"),
        ("dropout_phi: {choise: [0.1]}", "mine.yaml:4: parameters: dropout_phi: must hold exactly"),
        ("dropout_phi: {choice: [1.0]}", "0 <= dropout_phi < 1 must hold, got 1.0"),
        ("dropout_phi: {choice: []}", "at least one value"),
        ("dropout_phi: {choice: [high]}", "must be finite numbers, got 'high'"),
        ("dropout_phi: {choice: [.nan]}", "must be finite numbers"),
        ("dropout_phi: {choice: [true]}", "must be finite numbers"),
        ("dropout_phi: {uniform: [0.3, 0.1]}", "low < high"),
        ("l2_phi: {loguniform: [0, 1]}", "low > 0"),
        ("n_layers: {choice: [2.5]}", "whole numbers, got 2.5"),
        ("n_layers: {uniform: [1, 3]}", "use choice"),
        ("batch_size: {value: [1, 2]}", "one value"),
        ("init_lr: {choice: [0.01]}", "init_lr <= max_lr must hold for every pair"),
        ("init_lr: 0.1", "must hold exactly one of"),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(tmp_path, line, message):
    with pytest.raises(InputError) as caught:
        read_space(space_with(tmp_path, line))
    assert message in str(caught.value)
    assert "mine.yaml:4" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters: {", "mine.yaml:1: not valid YAML"),
        ("a: [1\nb: 2", "not valid YAML"),
        ("- 1", "must hold keys"),
        ("name: x", "the key parameters is missing"),
        ("parameters: {}", "must name at least one"),
        ("format: 9\nparameters: {n_layers: {value: 2}}", "mine.yaml:1: format: must be 1"),
        ("parameter: {}", "did you mean parameters?"),
        ("", "must hold keys"),
    ],
)
def test_broken_files_get_one_line(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        read_space(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot read"):
        read_space(tmp_path / "none.yaml")


def test_names_are_looked_up_and_the_nearest_is_offered():
    assert space_path("paper", FOLDER) == FOLDER / "paper.yaml"
    assert space_path("some/where.yaml", FOLDER) == Path("some/where.yaml")
    with pytest.raises(InputError, match=r"did you mean quick\?.*paper, quick"):
        space_path("quik", FOLDER)


def test_exponents_without_a_dot_are_numbers(tmp_path):
    space = read_space(space_with(tmp_path, "l2_phi: {choice: [1e-4, 1e-2]}"))
    assert space.parameters[0].values == (1e-4, 1e-2)


def test_hash_depends_on_ranges_only(tmp_path):
    def of(text):
        return read_space(written(tmp_path, text)).hash

    one = of("name: a\nparameters: {n_layers: {choice: [2, 3]}, l2_phi: {value: 0.1}}")
    assert one == of(
        "# note\nname: b\nparameters:\n  l2_phi: {value: 0.1}\n  n_layers: {choice: [2, 3]}"
    )
    assert one != of("parameters: {n_layers: {choice: [2, 4]}, l2_phi: {value: 0.1}}")


def test_plain_values_round_trip():
    space = read_space(FOLDER / "paper.yaml")
    again = parse_space(space.as_dict())
    assert again == space
    assert again.hash == space.hash


@given(st.sampled_from(["uniform", "loguniform"]), st.floats(1e-6, 0.4), st.floats(0.41, 0.9))
def test_samples_lie_in_their_range(kind, low, high):
    space = parse_space({"parameters": {"dropout_phi": {kind: [low, high]}}})
    assert math.isinf(space.size)
    value = space.sample(np.random.default_rng(1)).dropout_phi
    assert low <= value <= high


@given(st.text(max_size=200))
def test_any_text_is_a_space_or_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("spaces") / "any.yaml"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    try:
        read_space(path)
    except InputError as error:
        assert "any.yaml" in str(error)


def test_every_kind_reaches_ray():
    space = parse_space(
        {
            "parameters": {
                "l2_phi": {"loguniform": [1e-4, 1]},
                "dropout_phi": {"uniform": [0, 0.5]},
                "n_layers": {"choice": [2, 3]},
                "n_neurons": {"value": 32},
            }
        }
    )
    assert {p.kind for p in space.parameters} == set(KINDS)
    assert set(space.to_tune()) == {p.name for p in space.parameters}


def test_words_and_flags_are_ranges(tmp_path):
    space = read_space(
        written(
            tmp_path,
            "parameters:\n  optimiser: {choice: [lamb, adam]}\n  standardise: {value: true}\n"
            "  class_weight: {choice: [none, balanced]}\n",
        )
    )
    assert space.size == 4
    assert {space.sample(np.random.default_rng(i)).optimiser for i in range(9)} == {"lamb", "adam"}
    assert space.sample(np.random.default_rng(0)).standardise is True
    assert "{lamb, adam}" in space.parameters[0].describe()
    assert parse_space(space.as_dict()) == space


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("optimiser: {choice: [lamb, sgd]}", "optimiser one of lamb, adam, adamw must hold"),
        ("optimiser: {uniform: [lamb, adam]}", "is a word: use choice"),
        ("standardise: {choice: [0, 1]}", "must be true or false, got 0"),
        ("activation: {choice: [true]}", "must be words, got True"),
        ("class_weight: {value: null}", "must be words, got None"),
        ("weight_decay: {value: -1}", "weight_decay >= 0 must hold, got -1"),
        ("decay_epochs: {choice: [0]}", "a whole number >= 1 must hold"),
        ("n_layers: {value: 2, when: {pooling: mean}}", "must be another parameter of this space"),
        ("n_layers: {value: 2, when: {poling: mean}}", "did you mean pooling"),
        ("n_layers: {value: 2, when: 3}", "must hold keys"),
    ],
)
def test_mistakes_in_words_and_conditions_are_named(tmp_path, line, message):
    with pytest.raises(InputError) as caught:
        read_space(space_with(tmp_path, line))
    assert message in str(caught.value)
    assert "mine.yaml:4" in str(caught.value)


def test_conditions_are_met_or_the_default_is_kept():
    spec = {"pooling": {"choice": ["set2set", "mean"]}, "optimiser": {"choice": ["lamb", "adam"]}}
    narrow = {"choice": [16, 32], "when": {"pooling": "set2set", "optimiser": ["lamb"]}}
    space = parse_space({"parameters": {**spec, "readout_width": narrow}})
    assert parse_space(space.as_dict()) == space
    assert (
        space.hash
        != parse_space({"parameters": {**spec, "readout_width": {"choice": [16, 32]}}}).hash
    )
    point = {"pooling": "set2set", "optimiser": "lamb", "readout_width": 16}
    assert space.config(point).readout_width == 16
    for change in ({"optimiser": "adam"}, {"pooling": "mean"}):
        assert space.config({**point, **change}).readout_width == TrialConfig().readout_width


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"pooling": "attention"}, "must be among set2set, mean, got attention"),
        ({"pooling": []}, "must be among"),
        ({"l2_phi": 0.1}, "a choice without conditions"),
        ({"n_layers": 2}, "a choice without conditions"),
        ({"readout_width": 16}, "must be another parameter"),
    ],
)
def test_conditions_that_cannot_be_met_are_refused(when, message):
    given = {
        "pooling": {"choice": ["set2set", "mean"]},
        "l2_phi": {"uniform": [0.0, 1.0]},
        "n_layers": {"choice": [1, 2], "when": {"pooling": "mean"}},
        "readout_width": {"choice": [16, 32], "when": when},
    }
    with pytest.raises(InputError, match=message):
        parse_space({"parameters": given})


@given(st.integers(0, 10_000))
def test_a_point_of_a_configuration_gives_it_back(seed):
    space = read_space(FOLDER / "extended.yaml")
    config = space.sample(np.random.default_rng(seed))
    point = space.point(config)
    assert set(point) == {p.name for p in space.parameters}
    assert space.config(point) == config


def test_extended_space_names_every_hyperparameter():
    names = {p.name for p in read_space(FOLDER / "extended.yaml").parameters}
    # there is one model to search; docs/extending.md searches two
    # without a choice of views or starts a configuration has neither
    assert names | {"model"} == {*TrialConfig().as_params(), *ONLY_WITH, "view", "pretrained"}


def test_a_space_of_views_gives_every_configuration_one():
    views = ["CAMN-V1", "CAMN-V0+V1", "CAMN-V1+CAMNS-V1"]
    space = parse_space({"parameters": {"view": {"choice": views}, "n_layers": {"value": 2}}})
    assert space.views == tuple(views)
    drawn = {space.sample(np.random.default_rng(seed)).view for seed in range(30)}
    assert drawn == set(views)
    assert parse_space(space.as_dict()).hash == space.hash
    assert parse_space({"parameters": {"n_layers": {"value": 2}}}).views == ()
    with pytest.raises(InputError, match="parameters: view: view CAMN-V7: write it like CAMN-V1"):
        parse_space({"parameters": {"view": {"choice": ["CAMN-V7"]}}})


def test_starts_that_do_not_apply_are_cold():
    given = {
        "activation": {"choice": ["relu", "silu"]},
        "standardise": {"choice": [True, False]},
        "pretrained": {"choice": [True, False], "when": {"activation": "relu"}},
    }
    space = parse_space({"parameters": given})
    assert space.draws_starts
    warm = {"activation": "relu", "standardise": False, "pretrained": True}
    assert space.config(warm).pretrained is True
    assert space.config({**warm, "pretrained": False}).pretrained is False
    cold = [space.config({**warm, "activation": "silu", "pretrained": p}) for p in (True, False)]
    assert cold[0] == cold[1] and cold[0].pretrained is False
    # those weights are for rows as they are
    assert space.config({**warm, "standardise": True}).pretrained is False
