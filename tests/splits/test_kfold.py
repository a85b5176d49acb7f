"""Stratified folds: a partition, equal shares, independent of the order of ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.errors import InputError
from sie.splits.kfold import stratified_folds


@st.composite
def problems(draw):
    n_splits = draw(st.integers(2, 6))
    labels = [1] * draw(st.integers(n_splits, 30)) + [0] * draw(st.integers(n_splits, 30))
    labels = draw(st.permutations(labels))
    return {f"e{i:02d}": label for i, label in enumerate(labels)}, n_splits


@given(problems(), st.integers(0, 99))
def test_folds_partition_in_equal_shares(problem, seed):
    labels, n_splits = problem
    folds = stratified_folds(labels, labels, n_splits, seed)
    assert [fold.name for fold in folds] == [f"kfold-{i}" for i in range(n_splits)]
    assert sorted(entry for fold in folds for entry in fold.validation) == sorted(labels)
    for fold in folds:
        assert set(fold.train) == set(labels) - set(fold.validation)
        for value in (0, 1):
            total = sum(label == value for label in labels.values())
            inside = sum(labels[entry] == value for entry in fold.validation)
            assert total // n_splits <= inside <= -(-total // n_splits)


@given(problems(), st.randoms())
def test_order_of_ids_does_not_matter(problem, random):
    labels, n_splits = problem
    shuffled = list(labels)
    random.shuffle(shuffled)
    assert stratified_folds(shuffled, labels, n_splits) == stratified_folds(
        sorted(labels), labels, n_splits
    )


def test_seed_and_labels_matter():
    labels = {f"e{i:02d}": i % 2 for i in range(40)}
    hashes = {fold.hash for fold in stratified_folds(labels, labels)}
    assert hashes.isdisjoint(fold.hash for fold in stratified_folds(labels, labels, seed=43))


def test_too_few_of_a_class_is_refused():
    labels = {"a": 1, "b": 1, "c": 0, "d": 0, "e": 0}
    with pytest.raises(InputError, match=r"3 folds need 3 entries .* 2 positive and 3 negative"):
        stratified_folds(labels, labels, 3)
    with pytest.raises(InputError, match="at least 2 folds"):
        stratified_folds(labels, labels, 1)


def test_repeated_ids_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="unique"):
        stratified_folds(["a", "a", "b", "c"], {"a": 1, "b": 0, "c": 0}, 2)
