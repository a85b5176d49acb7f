"""Configurations: hashes that must not move, words and flags, what means nothing."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.errors import InputError
from sie.models.config import CHOICES, ONLY_WITH, TrialConfig, shown

RATES = st.floats(1e-6, 1e-4)
CONFIGS = st.builds(
    TrialConfig,
    init_lr=RATES,
    max_lr=st.floats(1e-4, 1e-2),
    n_layers=st.integers(1, 3),
    readout_width=st.sampled_from([16, 512]),
    readout_steps=st.integers(1, 3),
    weight_decay=st.floats(0, 0.1),
    decay_epochs=st.integers(1, 300),
    standardise=st.booleans(),
    label_smoothing=st.floats(0, 0.5),
    **{name: st.sampled_from(values) for name, values in CHOICES.items()},
)


def test_hashes_of_the_articles_recipe_are_those_of_before_it_had_alternatives():
    # computed with the sources of f2913d8, which knew the first eleven fields only
    assert TrialConfig().hash == "63dca3b0b84d"
    assert TrialConfig(readout_width=128, n_layers=2).hash == "5b763235f22b"
    assert len(TrialConfig().as_dict()) == 11


def test_a_record_without_the_new_fields_is_the_articles_recipe():
    old = {"init_lr": 4e-5, "max_lr": 3e-3, "batch_size": 64, "n_layers": 3}
    assert TrialConfig.from_mapping(old) == TrialConfig()


@given(CONFIGS)
def test_configurations_come_back_from_plain_values_and_from_text(config):
    assert TrialConfig.from_mapping(config.as_dict()) == config
    texts = {name: str(value) for name, value in config.as_params().items()}
    again = TrialConfig.from_mapping(texts)
    assert again == config and again.hash == config.hash


@given(CONFIGS, CONFIGS)
def test_equal_hashes_are_equal_configurations(one, other):
    assert (one.hash == other.hash) == (one == other)


@given(CONFIGS, st.sampled_from(sorted(ONLY_WITH)))
def test_what_means_nothing_changes_nothing(config, name):
    values = {"init_lr": 5e-6, "weight_decay": 0.5, "decay_epochs": 7}
    changed = dataclasses.replace(config, **{name: values.get(name, 4)})
    if config.uses(name):
        assert changed != config or getattr(config, name) == values.get(name, 4)
    else:
        assert changed == config and changed.hash == config.hash
        assert name not in config.as_params()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimiser": "sgd"}, "optimiser one of lamb, adam, adamw"),
        ({"standardise": "perhaps"}, "standardise must be of type bool"),
        ({"label_smoothing": 1.0}, "label_smoothing < 1"),
        ({"weight_decay": -1.0}, "weight_decay >= 0"),
        ({"decay_epochs": 0}, "decay_epochs a whole number >= 1"),
        ({"n_layers": "many"}, "n_layers must be of type int"),
        ({"init_lr": 1.0}, "init_lr <= max_lr"),
        ({"view": "CAMN-V9"}, "view CAMN-V9: write it like"),
        ({"pretrained": "perhaps"}, "pretrained must be of type bool"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(InputError, match=message):
        TrialConfig.from_mapping(values)


def test_constant_schedules_have_one_rate():
    config = TrialConfig(init_lr=4e-5, max_lr=1e-5, schedule="constant")
    assert config.init_lr == config.max_lr == 1e-5


def test_values_are_shown_as_one_writes_them():
    assert [shown(v) for v in (True, "lamb", 3, 4e-5)] == ["true", "lamb", "3", "4e-05"]


def test_view_and_start_are_there_only_where_they_were_chosen():
    plain = TrialConfig()
    assert "view" not in plain.as_params() and "pretrained" not in plain.as_params()
    chosen = TrialConfig(view="CAMN-V0+V1", pretrained=True)
    assert chosen.as_params().items() >= {"view": "CAMN-V0+V1", "pretrained": True}.items()
    assert TrialConfig.from_mapping({k: str(v) for k, v in chosen.as_params().items()}) == chosen
    assert len({plain.hash, chosen.hash, dataclasses.replace(chosen, pretrained=False).hash}) == 3
    # weights of one view mean nothing to another, though a program may serve both
    other = dataclasses.replace(chosen, view="CAMNS-V0+V1")
    assert other.shape != chosen.shape and other.program == chosen.program


@pytest.mark.parametrize(
    "change", [{"standardise": True}, {"pooling": "mean"}, {"activation": "tanh"}]
)
def test_networks_that_no_weights_are_for_start_cold(change):
    assert TrialConfig(pretrained=True, **change) == TrialConfig(pretrained=False, **change)
    assert TrialConfig(**change).pretrained is None
