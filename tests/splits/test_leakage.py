"""Leakage counted again pair by pair."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sie.splits.leakage import LeakageReport, leakage


@given(
    st.lists(
        st.tuples(st.sampled_from("tvb"), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        max_size=20,
    )
)
def test_equals_the_count_over_all_pairs(rows):
    side = {f"e{i}": row[0] for i, row in enumerate(rows)}
    formulas = {f"e{i}": f"Li{row[1]}O" for i, row in enumerate(rows)}
    groups = {f"e{i}": row[2] for i, row in enumerate(rows)}
    clusters = {f"e{i}": row[3] for i, row in enumerate(rows)}
    train = [entry for entry in side if side[entry] in "tb"]
    validation = [entry for entry in side if side[entry] in "vb"]

    def pairs(same) -> int:
        return sum(any(same(v, t) for t in train) for v in validation)

    report = leakage(train, validation, formulas=formulas, groups=groups, clusters=clusters)
    assert report == LeakageReport(
        n_train=len(train),
        n_validation=len(validation),
        same_id=pairs(lambda v, t: v == t),
        same_formula=pairs(lambda v, t: formulas[v] == formulas[t]),
        same_structure=pairs(lambda v, t: groups[v] == groups[t]),
        same_cluster=pairs(lambda v, t: clusters[v] == clusters[t]),
    )
    bare = leakage(train, validation, formulas=formulas, groups=groups)
    assert bare.same_cluster is None
    assert bare.as_dict() == {**report.as_dict(), "same_cluster": None}


def test_the_line_shows_every_count():
    report = LeakageReport(394, 99, 1, 11, 7, 83)
    assert report.line() == (
        "of 99 entries, these share with the 394 of training: "
        "id 1, reduced formula 11, matching structure 7, cluster 83"
    )
    assert "cluster" not in LeakageReport(394, 99, 1, 11, 7).line()


def test_an_id_without_a_formula_is_a_mistake_of_the_caller():
    with pytest.raises(KeyError, match="b"):
        leakage(["a"], ["b"], formulas={"a": "LiF"}, groups={"a": 0, "b": 1})
