"""Rows of a table at several temperatures: one measurement at room temperature for every entry.

The fit lives in `arrhenius`, reading of cells in `table`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sie.datasets.arrhenius import ROOM_K, fit_arrhenius
from sie.datasets.assemble import Measurement
from sie.datasets.record import LeftOut
from sie.datasets.values import Conductivity, is_room_temperature
from sie.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """A row of a table: what was measured, and at which temperature in K."""

    measurement: Measurement
    kelvin: float = ROOM_K


def at_room_temperature(
    readings: Iterable[Reading],
) -> tuple[list[Measurement], list[LeftOut]]:
    """Return one measurement per entry, extrapolated where none was made at room temperature.

    Readings at room temperature stay as they are, and those of the same entry at others are left
    out. An entry without any gets the value of its Arrhenius fit at 298.15 K, with the columns
    activation_energy_eV and lowest_temperature_K (McHaffie et al. 2025, Methods).

    Parameters
    ----------
    readings : iterable of Reading
        In any order; entries come back in the order of their first reading.
    """
    by_entry: dict[str, list[Reading]] = {}
    for reading in readings:
        by_entry.setdefault(reading.measurement.id, []).append(reading)
    measurements: list[Measurement] = []
    left_out: list[LeftOut] = []
    for entry, own in by_entry.items():
        at_room = [reading.measurement for reading in own if is_room_temperature(reading.kelvin)]
        elsewhere = [reading for reading in own if not is_room_temperature(reading.kelvin)]
        measurements += at_room
        if at_room:
            left_out += [
                _left_out(reading, "the entry has a value at room temperature")
                for reading in elsewhere
            ]
            continue
        try:
            measurements.append(_extrapolated(elsewhere))
        except InputError as refusal:
            first = elsewhere[0]
            left_out.append(LeftOut(entry, str(refusal), first.measurement.where))
    return measurements, left_out


def _extrapolated(readings: Sequence[Reading]) -> Measurement:
    first = readings[0]
    if len({reading.kelvin for reading in readings}) < 2:
        raise InputError(f"measured at {first.kelvin:g} K only; a second temperature is needed")
    measured = [reading.measurement for reading in readings]
    sigmas = [item.sigma_S_per_cm for item in measured]
    if any(math.isnan(item.sigma_S_per_cm) or item.censored for item in measured):
        raise InputError("a class or an upper bound at another temperature cannot be extrapolated")
    fit = fit_arrhenius([reading.kelvin for reading in readings], sigmas)
    if fit.far:
        logger.warning(
            "%s: conductivity is extrapolated far, from %s; check it",
            first.measurement.id,
            f"{fit.lowest_K:g} K and above"
            if fit.lowest_K > ROOM_K
            else f"{fit.highest_K:g} K and below",
        )
    sigma = fit.sigma()
    return replace(
        first.measurement,
        label=Conductivity(sigma).label,
        sigma_S_per_cm=sigma,
        extra={
            **first.measurement.extra,
            "activation_energy_eV": fit.activation_energy_eV,
            "lowest_temperature_K": fit.lowest_K,
        },
    )


def _left_out(reading: Reading, why: str) -> LeftOut:
    measurement = reading.measurement
    return LeftOut(measurement.id, f"measured at {reading.kelvin:g} K; {why}", measurement.where)
