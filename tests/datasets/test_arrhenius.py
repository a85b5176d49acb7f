import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

from sie.datasets.arrhenius import BOLTZMANN_EV_PER_K, ROOM_K, ArrheniusFit, fit_arrhenius
from sie.errors import InputError


def line_through(sigma_room, energy):
    """The law that has this conductivity at room temperature."""
    log_prefactor = np.log(sigma_room * ROOM_K) + energy / (BOLTZMANN_EV_PER_K * ROOM_K)
    return ArrheniusFit(float(log_prefactor), energy, 0, 0, 0)


def test_li9b19s33_comes_back_from_its_own_measurements():
    law = line_through(4.1e-4, 0.364)
    kelvin = [303.15, 333.15, 363.15, 393.15]
    fit = fit_arrhenius(kelvin, [law.sigma(t) for t in kelvin])
    assert fit.sigma() == pytest.approx(4.1e-4, rel=1e-9)
    assert fit.activation_energy_eV == pytest.approx(0.364, rel=1e-9)
    assert (fit.lowest_K, fit.highest_K, fit.n) == (303.15, 393.15, 4)
    assert not fit.far


@given(
    st.floats(-14, 0),
    st.floats(0.02, 1.5),
    st.lists(st.integers(200, 900), min_size=2, unique=True),
)
def test_any_law_is_found_again(log10_sigma, energy, kelvin):
    law = line_through(10.0**log10_sigma, energy)
    fit = fit_arrhenius(kelvin, [law.sigma(t) for t in kelvin])
    assert np.log10(fit.sigma()) == pytest.approx(log10_sigma, abs=1e-5)
    assert fit.activation_energy_eV == pytest.approx(energy, abs=1e-6)


def test_noisy_measurements_give_the_least_squares_line():
    rng = np.random.default_rng(0)
    kelvin = np.linspace(420, 600, 9)
    sigma = [line_through(1e-6, 0.5).sigma(t) * np.exp(rng.normal(0, 0.2)) for t in kelvin]
    fit, peer = fit_arrhenius(kelvin, sigma), linregress(1 / kelvin, np.log(sigma * kelvin))
    assert fit.activation_energy_eV == pytest.approx(-peer.slope * BOLTZMANN_EV_PER_K)
    assert fit.log_prefactor == pytest.approx(peer.intercept)
    assert fit.far


@pytest.mark.parametrize(
    ("kelvin", "sigma", "message"),
    [
        ([], [], "two different temperatures"),
        ([300.0], [1e-4], "two different temperatures"),
        ([300.0, 300.0], [1e-4, 2e-4], "two different temperatures"),
        ([300.0, 400.0], [1e-4, 0.0], "positive"),
        ([-300.0, 400.0], [1e-4, 1e-3], "positive"),
        ([300.0, 400.0], [1e-3, 1e-5], "falls with temperature"),
    ],
)
def test_what_is_no_ionic_conductor_is_refused(kelvin, sigma, message):
    with pytest.raises(InputError, match=message):
        fit_arrhenius(kelvin, sigma)


@pytest.mark.parametrize(
    ("kelvin", "far"),
    [((410, 500), True), ((390, 500), False), ((120, 180), True), ((120, 210), False),
     ((150, 500), False)],
)  # fmt: skip
def test_far_is_far_from_every_measurement_on_either_side(kelvin, far):
    law = line_through(1e-6, 0.5)
    assert fit_arrhenius(kelvin, [law.sigma(t) for t in kelvin]).far is far
