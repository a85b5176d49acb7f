"""d_training against scikit-learn's PCA and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sie.errors import InputError
from sie.screening import distance as module
from sie.screening.distance import TrainingDistance


@pytest.fixture
def vectors():
    rng = np.random.default_rng(4)
    mixing = rng.normal(size=(5, 5)) * np.array([3.0, 1.0, 0.5, 0.1, 0.02])
    return rng.normal(size=(40, 5)) @ mixing.T + 7, rng.normal(size=(30, 5)) @ mixing.T * 2 + 7


def by_definition(training, asked):
    """Return (n, n_training) distances as METHOD states them, from scikit-learn's PCA."""
    pca = PCA().fit(training)
    scale = np.sqrt(pca.explained_variance_)
    known, new = pca.transform(training), pca.transform(asked)
    spread = np.mean([np.sqrt((row**2 / scale).sum()) for row in known])  # its centroid is 0
    return np.array([[np.sqrt(((a - b) ** 2 / scale).sum()) for b in known] for a in new]) / spread


def test_distances_are_those_of_the_definition(vectors):
    training, asked = vectors
    metric, expected = TrainingDistance.fit(training), by_definition(training, asked)
    np.testing.assert_allclose(metric.of(asked), expected.min(axis=1), rtol=1e-9)
    np.testing.assert_allclose(metric.to_each(asked), expected, rtol=1e-9)
    rows, distances = metric.nearest(asked, 7)
    assert np.array_equal(rows, np.argsort(expected, axis=1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :7], rtol=1e-9)
    np.testing.assert_allclose(
        metric.explained_share, PCA().fit(training).explained_variance_ratio_
    )


def test_projections_are_principal_components_with_another_scale(vectors):
    training, asked = vectors
    metric, pca = TrainingDistance.fit(training), PCA().fit(training)
    ratio = metric.project(asked) / pca.transform(asked)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape), rtol=1e-8)
    np.testing.assert_allclose(metric.project(training), metric.training, atol=1e-12)
    assert np.all(np.diff(metric.training.std(axis=0)) < 0)
    assert np.linalg.norm(metric.training, axis=1).mean() == pytest.approx(1)


def test_units_and_origin_of_the_vectors_do_not_matter(vectors):
    training, asked = vectors
    one = TrainingDistance.fit(training).of(asked)
    other = TrainingDistance.fit(training * 250 - 3).of(asked * 250 - 3)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_training_compounds_are_at_distance_0(vectors):
    training, _ = vectors
    metric = TrainingDistance.fit(training)
    np.testing.assert_allclose(metric.of(training), 0, atol=1e-12)
    assert metric.nearest(training, 1)[0][:, 0].tolist() == list(range(len(training)))


def test_directions_without_variance_do_not_count(vectors):
    training, asked = vectors
    flat = np.column_stack([training, np.full(len(training), 2.0), training[:, 0] * 1.0])
    wide = np.column_stack([asked, np.full(len(asked), 99.0), asked[:, 0] * 1.0])
    metric = TrainingDistance.fit(flat)
    assert metric.axes.shape == (7, 5)
    near = metric.of(wide)
    wide[:, 5] = 2.0
    np.testing.assert_allclose(near, metric.of(wide), rtol=1e-6)


def test_fewer_compounds_than_components():
    metric = TrainingDistance.fit(np.array([[0.0, 0, 0, 0], [2.0, 0, 0, 0]]))
    assert metric.axes.shape == (4, 1)
    # the centroid is 1 away from both
    assert metric.of(np.array([[2.5, 0, 0, 0]])).tolist() == pytest.approx([0.5])
    assert metric.nearest(np.array([[2.5, 0, 0, 0]]), 9)[0].tolist() == [[1, 0]]


def test_blocks_join(vectors, monkeypatch):
    training, asked = vectors
    metric = TrainingDistance.fit(training)
    whole = metric.of(asked), *metric.nearest(asked, 3), metric.to_each(asked)
    monkeypatch.setattr(module, "_DISTANCES", 100)
    parts = metric.of(asked), *metric.nearest(asked, 3), metric.to_each(asked)
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)
    none = np.empty((0, 5))
    assert [len(metric.of(none)), *map(len, metric.nearest(none, 3))] == [0, 0, 0]


def test_one_broken_vector_spoils_only_itself(vectors):
    training, asked = vectors
    metric = TrainingDistance.fit(training)
    sound = metric.of(asked)
    asked[3, 1] = np.nan
    found = metric.of(asked)
    assert np.isnan(found[3])
    assert np.array_equal(np.delete(found, 3), np.delete(sound, 3))


@pytest.mark.parametrize("training", [np.ones((4, 3)), np.ones((1, 3)), np.empty((0, 3))])
def test_training_sets_without_extent_are_refused(training):
    with pytest.raises(InputError, match="train on more"):
        TrainingDistance.fit(training)


def test_broken_training_vectors_are_refused():
    with pytest.raises(InputError, match="no numbers"):
        TrainingDistance.fit(np.array([[1.0], [np.inf]]))
