import pytest

from sie.errors import InputError
from sie.pretraining.settings import Settings, parse_shapes


def test_cycles_cover_the_epochs_once():
    settings = Settings(max_epochs=11, cycle_epochs=4)
    epochs = [e for cycle in range(settings.max_cycles) for e in settings.epochs_of(cycle)]
    assert epochs == list(range(11))


def test_the_peak_falls_from_cycle_to_cycle_but_not_below_the_start():
    settings = Settings(init_lr=1e-3, max_lr=4e-3, decay=0.5)
    peaks = [settings.config(cycle).max_lr for cycle in range(4)]
    assert peaks == pytest.approx([4e-3, 2e-3, 1e-3, 1e-3])


@pytest.mark.parametrize(
    ("scores", "ended"),
    [
        ([], False),
        ([0.5, 0.6, 0.7], False),
        ([0.5, 0.6, 0.6], False),
        ([0.5, 0.6, 0.6, 0.6005], True),
        ([0.6, 0.5, 0.55, 0.7], True),
        ([0.6, 0.5, 0.7, 0.7], False),
        ([0.5, 0.6, 0.7, 0.8, 0.9], True),
    ],
)
def test_two_cycles_without_a_gain_or_the_last_one_end_it(scores, ended):
    settings = Settings(max_epochs=20, cycle_epochs=4, patience=2, min_gain=0.001)
    assert bool(settings.why_ended(scores)) == ended


@pytest.mark.parametrize(
    "wrong", [{"max_epochs": 0}, {"decay": 0.0}, {"decay": 2.0}, {"max_lr": 1e-9}, {"n_layers": 0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)


def test_shapes_are_parsed():
    assert parse_shapes("2x64, 3X128,2x64") == [(2, 64), (3, 128)]
    for text in ("", "2", "x64", "2x", "0x64", "2x64,", "2*64"):
        with pytest.raises(InputError, match="give layers x neurons"):
            parse_shapes(text)
