"""Training of several members of an ensemble side by side, in one compiled program.

Each member is what `Trainer` gives for its configuration and seed; nothing is validated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.models.inputs import input_statistics, standardised
from sie.models.registry import find_model
from sie.training.aims import loss_terms
from sie.training.batches import MASKS_PER_ORBIT, n_batches
from sie.training.stacked_batches import stack_batches
from sie.training.stacked_program import StackedProgram
from sie.training.trainer import pick_part

_SHARED = (
    *("model", "n_layers", "n_neurons", "readout_width", "readout_steps", "batch_size"),
    *("pooling", "activation", "standardise", "optimiser", "schedule", "decay_epochs"),
)


@dataclass(frozen=True)
class StackedMember:
    """What the training of one member left.

    Attributes
    ----------
    weights : dict or None
        Float32 arrays by name, as `AtomSets.named_weights` gives them; None if it diverged.
    train_loss : numpy.ndarray
        Float64, shape (n_epochs,): those before it diverged, or all.
    diverged : str
        What was not finite in which epoch; empty for a member that is whole.
    """

    weights: dict[str, np.ndarray] | None
    train_loss: np.ndarray
    diverged: str


class StackedTrainer:
    """Trains members of one network shape and batch size side by side.

    A member depends on features, labels, ids, its configuration and its seed. To rounding it is
    what `Trainer` makes of them: same initial weights, order of structures and dropout. Members
    share a program, which is traced as fast for ten as for one, but hardly any time of an epoch:
    one member's products fill a core already (benchmarks/ensemble_members.py). A program holds
    about 45 MB a member, weights, moments and gradients.

    Parameters
    ----------
    features : OrbitFeatures
        Of all structures, in any order.
    labels : Mapping[str, int]
        0 or 1 by id.
    train : sequence of str
        Ids to train on.
    masks_per_orbit : int
        Dropout masks that the equivalent atoms of an orbit share, at most.

    Raises
    ------
    InputError
        When there are no ids, or one has no finite features or no label of 0 or 1.
    """

    def __init__(
        self,
        features: OrbitFeatures,
        labels: Mapping[str, int],
        train: Sequence[str],
        masks_per_orbit: int = MASKS_PER_ORBIT,
    ) -> None:
        picked, chosen = pick_part("training", features, labels, train)
        self._features = picked.copied(masks_per_orbit)
        self._statistics = input_statistics(picked)
        self._labels = chosen
        self._programs: dict[tuple[Any, ...], StackedProgram] = {}

    def train(
        self,
        configs: Sequence[TrialConfig],
        seeds: Sequence[int],
        epochs: int,
        weights: Sequence[Mapping[str, np.ndarray]] | None = None,
        on_epoch: Callable[[int], None] | None = None,
    ) -> list[StackedMember]:
        """Train one member for each configuration and seed.

        Parameters
        ----------
        configs : sequence of TrialConfig
            Alike in network shape, batch size, optimiser and schedule; rates, dropout, L2 and what
            the loss aims at may differ.
        seeds : sequence of int
            Of initial weights, order of structures and dropout.
        epochs : int
            Every member trains for so many.
        weights : sequence of Mapping, optional
            What each member starts from, instead of weights drawn by its seed.
        on_epoch : callable, optional
            Called with the number of every finished epoch, from 1.

        Raises
        ------
        InputError
            When there is no member, numbers of configurations, seeds and weights differ, or shapes
            do not fit.
        """
        _require_alike(configs, seeds, weights)
        states = [np.random.SeedSequence(seed).generate_state(3) for seed in seeds]
        if weights is None:
            pairs = zip(configs, states, strict=True)
            dimension = self._features.dimension
            weights = [find_model(c.model).initial(c, dimension, int(s[0])) for c, s in pairs]
        program = self._program(configs)
        program.reset(configs, n_batches(len(self._features), configs[0].batch_size), weights)
        orders, dropouts = ([np.random.default_rng(s[i]) for s in states] for i in (1, 2))
        data = self._data(configs)
        statistics = self._statistics if configs[0].standardise else {}
        losses = np.full((len(configs), epochs), np.nan)
        for epoch in range(epochs):
            batches = stack_batches(
                self._features,
                [order.permutation(len(self._features)) for order in orders],
                configs[0].batch_size,
            )
            losses[:, epoch] = program.train_epoch(data, batches, dropouts)
            if on_epoch is not None:
                on_epoch(epoch + 1)
            if not np.isfinite(losses[:, : epoch + 1]).all(axis=1).any():
                break  # all have diverged
        trained = [{**weights, **statistics} for weights in program.weights()]
        return [_member(*each) for each in zip(trained, losses, strict=True)]

    def _data(self, configs: Sequence[TrialConfig]) -> tuple[tf.Tensor, ...]:
        """Return the tensors that every epoch reads."""
        features = self._features
        if configs[0].standardise:
            features = standardised(features, self._statistics)
        targets, weights = zip(*(loss_terms(c, self._labels) for c in configs), strict=True)
        of_members = np.stack([self._labels] * len(configs)), np.stack(targets), np.stack(weights)
        return tuple(tf.constant(array) for array in (features.rows, *of_members))

    def _program(self, configs: Sequence[TrialConfig]) -> StackedProgram:
        """Return the program for so many members of this shape; building one takes seconds."""
        key = (len(configs), *configs[0].program)
        if key not in self._programs:
            self._programs[key] = StackedProgram(configs[0], self._features.dimension, len(configs))
        return self._programs[key]


def _require_alike(
    configs: Sequence[TrialConfig], seeds: Sequence[int], weights: Sequence[Any] | None
) -> None:
    if not configs:
        raise InputError("no member to train; give one configuration at least")
    n_weights = len(configs) if weights is None else len(weights)
    if {len(seeds), n_weights} != {len(configs)}:
        raise InputError(
            f"{len(configs)} configurations, {len(seeds)} seeds and {n_weights} sets of weights; "
            "give one of each for every member"
        )
    for name in _SHARED:
        if len(values := {getattr(config, name) for config in configs}) > 1:
            raise InputError(
                f"members trained side by side must have one {name}, but got {sorted(values)}"
            )


def _member(weights: dict[str, np.ndarray], losses: np.ndarray) -> StackedMember:
    sound = np.isfinite(losses)
    if sound.all():
        return StackedMember(weights, losses, "")
    first = int(np.argmin(sound))
    return StackedMember(None, losses[:first], f"training not finite in epoch {first + 1}")
