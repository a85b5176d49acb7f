from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.datasets.values import (
    Conductivity,
    UnusableValue,
    is_room_temperature,
    parse_class,
    parse_conductivity,
    parse_number,
    parse_temperature,
)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_survives_its_own_text(value):
    assert parse_number(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,2e-4", 1.2e-4),
        (" 3.4(2) ", 3.4),
        ("3.4(2)e-5", 3.4e-5),
        ("1.2×10⁻⁴", 1.2e-4),
        ("1.2 x 10^-4", 1.2e-4),
        ("10^-7", 1e-7),
        ("−5", -5.0),
        (".5", 0.5),
        ("1E-10", 1e-10),
    ],
)
def test_numbers_as_people_write_them(text, value):
    assert parse_number(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "inf", "nan", "1_000", "1e999", "1.2.3", "--1", "1 2", "٣x"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(UnusableValue, match="is not a number"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "label", "censored"),
    [
        ("1e-4", 1, False),
        ("9.99e-5", 0, False),
        ("0.0032", 1, False),
        ("<1E-10", 0, True),
        ("< 1e-4", 0, True),
        ("≤1e-8", 0, True),
        ("<=1e-8", 0, True),
    ],
)
def test_class_of_a_conductivity(text, label, censored):
    value = parse_conductivity(text)
    assert (value.label, value.censored) == (label, censored)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<1e-3", "does not decide the class"),
        (">1e-3", "a lower bound"),
        ("0", "is not between"),
        ("-1e-4", "is not between"),
        ("1e-999", "is not between"),
        ("12", "is not between"),
        ("fast", "is not a number"),
    ],
)
def test_unusable_conductivities(text, reason):
    with pytest.raises(UnusableValue, match=reason):
        parse_conductivity(text)


@given(st.floats(-20, 0.9))
def test_logarithm_and_conductivity_agree(log10):
    value = parse_conductivity(repr(log10), log10=True)
    assert math.log10(value.sigma_S_per_cm) == pytest.approx(log10)
    assert value.label == int(value.sigma_S_per_cm >= 1e-4)


def test_logarithm_at_the_threshold_is_class_one():
    assert parse_conductivity("-4", log10=True).label == 1


@pytest.mark.parametrize("text", ["1", "1.0", "Yes", "Superionic", "TRUE"])
def test_positive_classes(text):
    assert parse_class(text) == 1


@pytest.mark.parametrize("text", ["0", "no", "non-superionic", "not superionic", "False"])
def test_negative_classes(text):
    assert parse_class(text) == 0


@pytest.mark.parametrize(
    ("text", "celsius"),
    [("298", False), ("298.15 K", False), ("25", True), ("25 °C", False), ("RT", False)],
)
def test_room_temperatures_pass(text, celsius):
    assert is_room_temperature(parse_temperature(text, celsius=celsius))


@pytest.mark.parametrize(
    ("text", "celsius", "kelvin"),
    [("400", False, "400"), ("126.85", True, "400"), ("400 K", True, "400"), ("25", False, "25")],
)
def test_other_temperatures_are_read_in_kelvin(text, celsius, kelvin):
    read = parse_temperature(text, celsius=celsius)
    assert read == pytest.approx(float(kelvin))
    assert not is_room_temperature(read)


@pytest.mark.parametrize("text", ["-300 C", "0", "9", "5000", "warm"])
def test_what_is_no_temperature_is_refused(text):
    with pytest.raises(UnusableValue):
        parse_temperature(text)


@given(st.text() | st.text(st.sampled_from("<>=≤0123456789.,eE+-x×*·^() KC°\n"), max_size=15))
def test_any_text_gives_a_value_or_a_refusal(text):
    for parse in (parse_conductivity, parse_class, parse_temperature):
        try:
            result = parse(text)
        except UnusableValue as refusal:
            assert len(str(refusal)) < 120
        else:
            if isinstance(result, Conductivity):
                assert 0 < result.sigma_S_per_cm <= 10
    with contextlib.suppress(UnusableValue):
        parse_conductivity(text, log10=True)
