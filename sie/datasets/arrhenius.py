"""Conductivities at several temperatures, and the one at room temperature that follows from them.

The fit and its inverse; which rows of a table belong together is decided where tables are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sie.errors import InputError

BOLTZMANN_EV_PER_K = 8.617333262e-5
ROOM_K = 298.15
FAR_K = 100.0
"""A fit whose nearest temperature lies this far from room temperature deserves a warning."""


@dataclass(frozen=True)
class ArrheniusFit:
    """sigma T = A exp(-E_a / k T).

    Attributes
    ----------
    log_prefactor : float
        ln of A in S K / cm.
    activation_energy_eV : float
        E_a.
    lowest_K, highest_K : float
        Range of the measurements.
    n : int
        Measurements.
    """

    log_prefactor: float
    activation_energy_eV: float  # noqa: N815 - units keep their capitals
    lowest_K: float  # noqa: N815
    highest_K: float  # noqa: N815
    n: int

    def sigma(self, temperature: float = ROOM_K) -> float:
        """Return the conductivity in S/cm at a temperature in K."""
        exponent = self.activation_energy_eV / (BOLTZMANN_EV_PER_K * temperature)
        return float(np.exp(self.log_prefactor - exponent) / temperature)

    @property
    def far(self) -> bool:
        """Whether room temperature lies far from every measurement."""
        return max(self.lowest_K - ROOM_K, ROOM_K - self.highest_K) > FAR_K


def fit_arrhenius(temperatures: Sequence[float], sigmas: Sequence[float]) -> ArrheniusFit:
    """Fit a line to ln(sigma T) against 1 / T (McHaffie et al. 2025, Methods).

    Parameters
    ----------
    temperatures : sequence of float
        K, shape (n,).
    sigmas : sequence of float
        S/cm, shape (n,).

    Raises
    ------
    InputError
        When there are fewer than two different temperatures, a value is not positive, or the
        conductivity falls with temperature, as no ion's does.
    """
    kelvin, measured = np.asarray(temperatures, float), np.asarray(sigmas, float)
    if not (np.isfinite([kelvin, measured]).all() and (kelvin > 0).all() and (measured > 0).all()):
        raise InputError("temperatures in K and conductivities must be positive numbers")
    if len(set(kelvin.tolist())) < 2:
        raise InputError("an Arrhenius fit needs two different temperatures")
    slope, intercept = np.polyfit(1 / kelvin, np.log(measured * kelvin), 1)
    energy = float(-slope * BOLTZMANN_EV_PER_K)
    if energy < 0:
        raise InputError(f"conductivity falls with temperature (E_a {energy:.2f} eV)")
    return ArrheniusFit(
        float(intercept), energy, float(kelvin.min()), float(kelvin.max()), len(kelvin)
    )
