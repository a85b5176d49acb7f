"""The stock way: maml's layers, Keras fit, one atom per row.

The reference that sie's engine is raced against, made of public packages alone. Only the exchange
of weights and the comparison of outputs know sie's network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa
from maml.models.dl._layers import WeightedSet2Set
from tensorflow.keras import Input, Model, layers, metrics, regularizers

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.readout_weights import from_maml, to_maml

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from sie.models.atomsets import AtomSets


@dataclass(frozen=True)
class AtomRows:
    """Feature rows of many crystals, one for every atom.

    Attributes
    ----------
    ids : tuple of str
        Shape (n_structures,).
    rows : numpy.ndarray
        Float32, shape (n_atoms, d).
    offsets : numpy.ndarray
        Int64, shape (n_structures + 1,): structure i owns rows offsets[i]:offsets[i + 1].
    """

    ids: tuple[str, ...]
    rows: np.ndarray
    offsets: np.ndarray

    def of(self, entry: str) -> np.ndarray:
        """Return the rows of one structure, shape (n, d)."""
        i = self.ids.index(entry)
        return self.rows[self.offsets[i] : self.offsets[i + 1]]


def primitive_atoms(features: OrbitFeatures, cells: Mapping[str, int] | None = None) -> AtomRows:
    """Repeat every orbit's row for each of its atoms.

    With `cells`, the lattice points of the cell that the multiplicities count by id, the rows are
    those of the primitive cell, as the archived code reads CIFs.
    """
    points = [1 if cells is None else cells[entry] for entry in features.ids]
    times = features.multiplicity / np.repeat(points, np.diff(features.offsets))
    if (times != np.round(times)).any():
        raise ValueError("a multiplicity is no multiple of its cell's number of lattice points")
    ends = np.append(0, np.cumsum(times.astype(np.int64)))
    rows = features.rows.repeat(times.astype(np.int64), axis=0)
    return AtomRows(features.ids, rows, ends[features.offsets])


def lattice_points(structures: Mapping[str, Structure]) -> dict[str, int]:
    """Return how many primitive cells each crystal's cell holds (spglib, symmetry as in sie)."""
    import spglib

    from sie.structures.orbits import SYMPREC_A

    points = {}
    for entry, structure in structures.items():
        kinds: dict[Any, int] = {}
        types = [kinds.setdefault(site.species, len(kinds)) for site in structure]
        cell = (structure.lattice.matrix, structure.frac_coords, types)
        primitive = spglib.find_primitive(cell, symprec=SYMPREC_A)
        points[entry] = 1 if primitive is None else len(structure) // len(primitive[2])
    return points


class AtomSequence(tf.keras.utils.Sequence):
    """Batches of concatenated atoms, as maml's AtomSets feeds them to Keras.

    Parameters
    ----------
    atoms : AtomRows
        At least the rows of `ids`.
    labels : Mapping[str, int]
        0 or 1 by id.
    ids : sequence of str
        Structures of this part, in the order of the first epoch.
    batch_size : int
        Structures in every batch but the last.
    seed : int, optional
        Of the new order after every epoch; without it the order stays.
    """

    def __init__(
        self,
        atoms: AtomRows,
        labels: Mapping[str, int],
        ids: tuple[str, ...],
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        self._batch_size = batch_size
        self._rng = None if seed is None else np.random.default_rng(seed)
        self._rows = [atoms.of(entry) for entry in ids]
        self._weights = [np.ones(len(rows), np.float32) for rows in self._rows]
        self.labels = np.array([labels[entry] for entry in ids], np.float32)

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def __getitem__(self, i: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return rows (1, n, d), weights (1, n), structure of each row (1, n); labels (1, b, 1)."""
        here = slice(i * self._batch_size, (i + 1) * self._batch_size)
        rows = self._rows[here]
        owner = np.repeat(np.arange(len(rows), dtype=np.int32), [len(item) for item in rows])
        inputs = np.concatenate(rows), np.concatenate(self._weights[here]), owner
        return tuple(item[None] for item in inputs), self.labels[None, here, None]

    def on_epoch_end(self) -> None:
        """Put the structures in a new order; Keras calls it."""
        if self._rng is not None:
            order = self._rng.permutation(len(self._rows))
            self._rows = [self._rows[i] for i in order]
            self._weights = [self._weights[i] for i in order]
            self.labels = self.labels[order]


def stock_model(config: TrialConfig, dimension: int, seed: int) -> Model:
    """Build the article's network for rows of `dimension` columns; the seed is set for Keras."""
    tf.keras.utils.set_random_seed(seed)
    inputs = [Input((None, dimension)), Input((None,)), Input((None,), dtype="int32")]

    def stack(x: Any, l2: float, rate: float) -> Any:
        for _ in range(config.n_layers):
            penalty = regularizers.L2(l2)
            x = layers.Dense(config.n_neurons, activation="relu", kernel_regularizer=penalty)(x)
            x = layers.Dropout(rate)(x)
        return x

    x = stack(inputs[0], config.l2_phi, config.dropout_phi)
    readout = WeightedSet2Set(T=config.readout_steps, n_hidden=config.readout_width)
    x = stack(readout([x, *inputs[1:]]), config.l2_rho, config.dropout_rho)
    return Model(inputs, layers.Dense(1, activation="sigmoid")(x))


def nine_metrics() -> list[metrics.Metric]:
    """Return what is computed in every epoch on both parts; MCC and F1 follow from the counts."""
    return [
        metrics.AUC(curve="PR", name="auc_pr"),
        metrics.AUC(curve="ROC", name="roc_auc"),
        metrics.BinaryAccuracy(name="accuracy"),
        metrics.Precision(name="precision"),
        metrics.Recall(name="recall"),
        metrics.TruePositives(name="tp"),
        metrics.FalsePositives(name="fp"),
        metrics.TrueNegatives(name="tn"),
        metrics.FalseNegatives(name="fn"),
    ]


def compile_stock(
    model: Model, config: TrialConfig, steps_per_epoch: int, with_metrics: bool = True
) -> None:
    """Give the model loss, optimiser and schedule of the article and, by default, nine metrics."""
    schedule = tfa.optimizers.Triangular2CyclicalLearningRate(
        config.init_lr, config.max_lr, 10.0 * steps_per_epoch
    )
    optimiser = tfa.optimizers.Lookahead(tfa.optimizers.LAMB(schedule))
    model.compile(optimiser, "binary_crossentropy", nine_metrics() if with_metrics else None)


def fit_stock(
    model: Model, train: AtomSequence, validation: AtomSequence | None, epochs: int
) -> dict[str, list[float]]:
    """Train with Keras' fit and return its history; batches are read in the sequence's order."""
    fit = model.fit(train, validation_data=validation, epochs=epochs, verbose=0, shuffle=False)
    return fit.history


def restart(model: Model, weights: list[np.ndarray]) -> None:
    """Make a compiled model as new, with Keras' weights given: no moments, no updates made."""
    model.set_weights(weights)
    optimiser = model.optimizer
    for value in optimiser.weights:  # LAMB's moments too; variables() leaves them out
        value.assign(tf.zeros_like(value))
    if optimiser.weights:  # there are none before the first fit
        for variable in model.trainable_variables:
            optimiser.get_slot(variable, "slow").assign(variable)


def predict_stock(model: Model, sequence: AtomSequence) -> np.ndarray:
    """Return probabilities of class 1, shape (n_structures,), in the sequence's order."""
    # not model.predict: it cannot join batches of (1, n, 1), and traces anew for each n
    batches = [sequence[i][0] for i in range(len(sequence))]
    return np.concatenate([model(inputs, training=False)[0, :, 0] for inputs in batches])


def take_weights(model: Model, weights: Mapping[str, np.ndarray]) -> None:
    """Put the named weights of sie's network into the stock model."""
    depth = sum(name.startswith("phi/") for name in weights) // 2
    dense = [f"{i}/{kind}" for i in range(depth) for kind in ("kernel", "bias")]
    readout = {k.removeprefix("readout/"): v for k, v in weights.items() if k.startswith("readout")}
    model.set_weights(
        [
            *(weights[f"phi/{name}"] for name in dense),
            *to_maml(readout),
            *(weights[f"rho/{name}"] for name in dense),
            weights["score/kernel"],
            weights["score/bias"],
        ]
    )


def give_weights(model: Model) -> dict[str, np.ndarray]:
    """Return the stock model's weights under the names of sie's network."""
    values = model.get_weights()
    depth = (len(values) - 6) // 4
    dense = [f"{i}/{kind}" for i in range(depth) for kind in ("kernel", "bias")]
    split = 2 * depth
    named = {f"phi/{name}": value for name, value in zip(dense, values[:split], strict=True)}
    readout = from_maml(values[split : split + 4])
    named |= {f"readout/{name}": value for name, value in readout.items()}
    rho = values[split + 4 : -2]
    named |= {f"rho/{name}": value for name, value in zip(dense, rho, strict=True)}
    return {**named, "score/kernel": values[-2], "score/bias": values[-1]}


def largest_difference(
    stock: Model, ours: AtomSets, features: OrbitFeatures, atoms: AtomRows
) -> float:
    """Give both networks the stock model's weights; return their probabilities' largest distance.

    `features` and `atoms` are the same structures as orbits and as atoms.
    """
    from sie.training.program import predict_probabilities

    ours.assign_weights(give_weights(stock))
    sequence = AtomSequence(atoms, dict.fromkeys(features.ids, 0), features.ids, batch_size=64)
    difference = predict_stock(stock, sequence) - predict_probabilities(ours, features)
    return float(np.abs(difference).max())
