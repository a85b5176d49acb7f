"""A candidate's kept probabilities are those of plain trainings, and what is there stays."""

from __future__ import annotations

import numpy as np

from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.nested.candidates import Candidate
from sie.nested.left_out import left_out_sets
from sie.nested.trainings import Sizes, fits_path, load_fits, train_all
from sie.splits.record import Clustering
from sie.training.trainer import Trainer

N = 18
IDS = tuple(f"e{i:02d}" for i in range(N))
LABELS = {entry: i % 2 for i, entry in enumerate(IDS)}
ROWS = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
FEATURES = OrbitFeatures(IDS, ROWS, np.ones(N, np.float32), np.arange(N + 1))
CANDIDATE = Candidate(
    "CAMN-V0",
    TrialConfig(n_layers=1, n_neurons=4, pooling="mean", optimiser="adam", batch_size=8),
    "small",
)


def test_probabilities_are_those_of_a_training_that_was_not_interrupted(tmp_path):
    left_out = left_out_sets(Clustering(IDS, np.arange(N) % 6 // 2), LABELS)
    sizes, told = Sizes(4, 2), []
    jobs = [(CANDIDATE, 7)]
    for _ in range(2):  # the second time nothing is left to do
        train_all(jobs, lambda _: FEATURES, LABELS, left_out, sizes, tmp_path, told.append)
    assert len(told) == 1
    fits = load_fits(fits_path(tmp_path, CANDIDATE, 7))
    assert list(fits.epochs) == [2, 4]
    pair = next(item for item in left_out if item.key == "0-2")
    trainer = Trainer(FEATURES, LABELS, pair.split.train, pair.split.validation)
    trainer.start(CANDIDATE.config, 7, 4)
    trainer.run_epochs(4)
    assert np.allclose(fits.probabilities["0-2"][-1], trainer.validation_probabilities(), atol=1e-6)
    assert not np.allclose(fits.probabilities["0-2"][0], fits.probabilities["0-2"][1])
