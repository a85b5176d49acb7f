"""A small ensemble with random weights of two shapes, and crystals to score with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pymatgen.core import Lattice, Structure

from sie.ensemble.building import forest_of
from sie.ensemble.calibrated import Calibration, LeftOutPredictions
from sie.ensemble.record import (
    CalibrationPart,
    ForestPart,
    KnownCompounds,
    Member,
    Recipe,
    TrainedEnsemble,
)
from sie.features.views import parse_view, union
from sie.models.config import TrialConfig
from sie.models.initial import glorot_uniform
from sie.models.readout_weights import initial_readout

NARROW = TrialConfig(n_layers=2, n_neurons=8, readout_width=16)
WIDE = TrialConfig(n_layers=1, n_neurons=32, readout_width=16, readout_steps=2)
DIMENSIONS = {"V0": 16, "V1": 32}


def random_weights(config: TrialConfig, dimension: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = {}
    for part, n_inputs in (("phi", dimension), ("rho", 2 * config.readout_width)):
        for i in range(config.n_layers):
            n = n_inputs if i == 0 else config.n_neurons
            weights[f"{part}/{i}/kernel"] = glorot_uniform(rng, n, config.n_neurons)
            weights[f"{part}/{i}/bias"] = rng.normal(0, 0.3, config.n_neurons).astype(np.float32)
    readout = initial_readout(rng, config.n_neurons, config.readout_width)
    weights |= {f"readout/{name}": value for name, value in readout.items()}
    weights["score/kernel"] = 3 * glorot_uniform(rng, config.n_neurons, 1)
    weights["score/bias"] = rng.normal(0, 0.3, 1).astype(np.float32)
    return weights


def rock_salt(cation: str = "Li", anion: str = "Cl", a: float = 5.1) -> Structure:
    places = [[0, 0, 0], [0.5] * 3]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [cation, anion], places)


def argyrodite() -> Structure:
    return Structure.from_spacegroup(
        "F-43m",
        Lattice.cubic(9.85),
        [{"Li": 0.5}, "P", "S", {"S": 0.4, "Cl": 0.6}, {"S": 0.6, "Cl": 0.4}],
        [[0.183, 0.183, 0.024], [0.5] * 3, [0.618] * 3, [0] * 3, [0.25] * 3],
    )


def skewed() -> Structure:
    return Structure(
        Lattice.from_parameters(4.1, 5.3, 6.2, 82, 97, 111),
        [{"Li": 0.7, "Na": 0.2}, {"Fe": 0.5, "P": 0.4}, "O", "F"],
        [[0.02, 0.11, 0.2], [0.47, 0.55, 0.61], [0.3, 0.8, 0.15], [0.7, 0.25, 0.8]],
    )


def crystals() -> dict[str, Structure]:
    return {
        "LiCl": rock_salt(),
        "argyrodite": argyrodite(),
        "skewed": skewed(),
        "LiBr": rock_salt(anion="Br", a=5.5),
    }


def small_ensemble(representation: str = "CAMNS", level: str = "V1") -> TrainedEnsemble:
    members = tuple(
        Member(cluster, 0, WIDE if cluster == 1 else NARROW, 10 * cluster + seed)
        for cluster in range(3)
        for seed in range(2)
    )
    recipe = Recipe(
        "starter", representation, level, "d" * 12, "f" * 12, "h" * 12, "c" * 12, "s" * 12,
        {0: "run0", 1: "run1", 2: "run2"}, 7, members,
    )  # fmt: skip
    d = DIMENSIONS[level]
    weights = [random_weights(m.config, d, m.seed) for m in members]
    rng = np.random.default_rng(5)
    known = KnownCompounds(
        ids=("k0", "k1", "k2", "k3"),
        formulas=("LiCl", "LiBr", "Li3PS4", "Li2O"),
        labels=np.array([0, 0, 1, 0], dtype=np.int8),
        log10_sigma=np.array([-9.5, -8.0, -3.7, np.nan]),
        elements=("Br", "Cl", "Li", "O", "P", "S"),
        fractions=np.array(
            [
                [0, 0.5, 0.5, 0, 0, 0],
                [0.5, 0, 0.5, 0, 0, 0],
                [0, 0, 3 / 8, 0, 1 / 8, 0.5],
                [0, 0, 2 / 3, 1 / 3, 0, 0],
            ]
        ),
        mean_vectors=rng.normal(size=(4, d)),
    )
    return TrainedEnsemble(
        recipe, members, weights, known, (0.1, 0.2, 0.3, 0.4, float("nan"), 0.6),
        ("cluster 3, seed 1: loss not finite",), {"code_version": "1", "seconds": np.float64(2.5)},
    )  # fmt: skip


VIEWS = ("CAMNS-V1", "CAMN-V0+V1", "CAMN-V1+CAMNS-V1")


def ensemble_of_views() -> TrainedEnsemble:
    """The same networks, those of every cluster with a view of their own."""
    plain, whole = small_ensemble(), union(VIEWS)
    members = tuple(
        replace(m, config=replace(m.config, view=VIEWS[m.cluster])) for m in plain.members
    )
    representation, _, level = str(whole).rpartition("-")
    recipe = replace(plain.recipe, representation=representation, level=level, members=members)
    weights = [
        random_weights(m.config, parse_view(m.config.view).dimension, m.seed) for m in members
    ]
    vectors = np.random.default_rng(5).normal(size=(4, whole.dimension))
    known = replace(plain.known, mean_vectors=vectors)
    return replace(plain, recipe=recipe, members=members, weights=weights, known=known)


def mixed_ensemble(
    representation: str = "CAMNS", level: str = "V1", weight: float = 0.4
) -> TrainedEnsemble:
    """The small ensemble with a forest, which has learnt from the four known compounds."""
    small = small_ensemble(representation, level)
    recipe = replace(small.recipe, forest=ForestPart(weight, 3, 20))
    forest = forest_of(recipe, small.known, small.known.ids)
    return replace(small, recipe=recipe, forest=forest)


def left_out_predictions(n: int = 120, forest: bool = True, seed: int = 8) -> LeftOutPredictions:
    """Predictions for four clusters, the last of one class: of some skill, and all too near 0.4."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat([0, 1, 2, 5], n // 4)
    labels = np.where(clusters == 5, 0, rng.integers(0, 2, n))
    networks = 0.4 + 0.08 * (labels - 0.5) + rng.normal(0, 0.05, n)
    of_forest = np.clip(0.4 + 0.3 * (labels - 0.5) + rng.normal(0, 0.2, n), 0, 1)
    raw = 0.6 * networks + 0.4 * of_forest if forest else networks
    ids = tuple(f"e{i}" for i in range(n))
    return LeftOutPredictions(ids, clusters, labels, networks, of_forest if forest else None, raw)


def calibrated_ensemble(
    representation: str = "CAMNS", level: str = "V1", method: str = "platt"
) -> TrainedEnsemble:
    """The mixed ensemble with a calibration on made-up predictions."""
    mixed = mixed_ensemble(representation, level)
    recipe = replace(mixed.recipe, calibration=CalibrationPart(method))
    calibration = Calibration.fit(method, left_out_predictions())
    return replace(mixed, recipe=recipe, calibration=calibration)
