import numpy as np
import pytest
from ensemble_examples import (
    calibrated_ensemble,
    crystals,
    ensemble_of_views,
    mixed_ensemble,
    rock_salt,
    small_ensemble,
)
from pymatgen.core import Composition, Lattice, Structure

from sie.ensemble.predictor import SuperionicEnsemble
from sie.features.pooled import pooled
from sie.screening import stages
from sie.screening.distance import TrainingDistance
from sie.screening.record import CALIBRATED_COLUMNS, COLUMNS, STAGES, Entry, Shard
from sie.screening.stages import Models, Screener, closest_known


class Listed:
    """A source of structures that are there already."""

    def __init__(self, structures, gaps=()):
        self.structures, self.gaps = structures, dict(gaps)

    @property
    def shard(self):
        return Shard(0, 0, len(self.structures), ())

    def read(self, shard):
        for place, (name, structure) in enumerate(self.structures.items()):
            reason = "" if structure is not None else "broken"
            yield Entry(place, name, f"{name}.cif", structure, self.gaps.get(name, np.nan), reason)


class Gaps:
    """Band gaps that tell how many sites a crystal has; none for LiBr, and LiI cannot be done."""

    sha256 = "g" * 64

    def gaps_eV(self, structures):  # noqa: N802
        formulas = {k: s.composition.reduced_formula for k, s in structures.items()}
        if "LiI" in formulas.values():
            raise RuntimeError("no LiI")
        return {k: np.nan if formulas[k] == "LiBr" else float(len(structures[k])) for k in formulas}


@pytest.fixture(scope="module")
def ensemble():
    return SuperionicEnsemble(small_ensemble())


def screened(ensemble, listed, **given):
    return Screener(Models(ensemble, **given)).screen(listed.shard, listed)


def rows(result):
    return {row["id"]: row for row in result.table.to_pylist()}


@pytest.mark.parametrize("made", [small_ensemble, mixed_ensemble, ensemble_of_views])
def test_scores_are_those_that_the_ensemble_gives_by_itself(made):
    ensemble = SuperionicEnsemble(made())
    result = screened(ensemble, Listed(crystals()))
    assert result.table.column_names == list(COLUMNS)
    expected = ensemble.score(crystals())
    np.testing.assert_allclose(result.table["p_si"].to_numpy(), expected.p_si, atol=1e-6)
    np.testing.assert_allclose(result.table["p_si_sd"].to_numpy(), expected.sd, atol=1e-6)


def test_a_calibrated_ensemble_has_columns_of_its_own():
    ensemble = SuperionicEnsemble(calibrated_ensemble())
    table = screened(ensemble, Listed(crystals())).table
    assert set(table.column_names) == {*COLUMNS, *CALIBRATED_COLUMNS}
    expected = ensemble.score(crystals())
    for name, values in (("p_si", expected.p_si), ("p_si_raw", expected.raw)):
        np.testing.assert_allclose(table[name].to_numpy(), values, atol=1e-6)
    np.testing.assert_allclose(table["p_si_sd"].to_numpy(), expected.sd, atol=1e-6)
    for name, words in ensemble.calibration.set_words(expected.raw).items():
        assert table[name].to_pylist() == words
    empty = screened(ensemble, Listed({"broken": None})).table
    assert empty.schema == table.schema


def test_distance_and_map_are_those_of_the_mean_vectors(ensemble):
    result = screened(ensemble, Listed(crystals()))
    features = ensemble.features(crystals())
    vectors = pooled(features).values[:, : features.dimension]
    metric = TrainingDistance.fit(ensemble.known.mean_vectors)
    np.testing.assert_allclose(result.table["d_training"].to_numpy(), metric.of(vectors), rtol=1e-4)
    np.testing.assert_allclose(
        result.table["pc2"].to_numpy(), metric.project(vectors)[:, 1], rtol=1e-3, atol=1e-5
    )


def test_a_bad_entry_costs_one_line_and_changes_nothing_else(ensemble):
    lone = Structure(Lattice.cubic(40), ["Li"], [[0, 0, 0]])
    good = crystals()
    listed = {"broken": None, **good, "salt": rock_salt("Na"), "lone": lone}
    result = screened(ensemble, Listed(listed))
    assert list(rows(result)) == list(good)
    assert [r.place for r in result.rejects] == [0, 5, 6]
    assert [r.reason.split(";")[0] for r in result.rejects] == [
        "broken", "holds no lithium", "Li1: no two atoms are within 16 Å"
    ]  # fmt: skip
    alone = screened(ensemble, Listed(good))
    np.testing.assert_allclose(
        result.table["p_si"].to_numpy(), alone.table["p_si"].to_numpy(), atol=1e-6
    )
    assert result.n_entries == len(listed)


@pytest.mark.parametrize("group", [1, 3])
def test_results_do_not_depend_on_what_is_computed_together(ensemble, monkeypatch, group):
    whole = rows(screened(ensemble, Listed(crystals())))
    monkeypatch.setattr(stages, "GROUP", group)
    for name, row in rows(screened(ensemble, Listed(crystals()))).items():
        for column, value in row.items():
            same = value == pytest.approx(whole[name][column], abs=1e-5, nan_ok=True)
            assert same, (name, column)


def test_no_more_than_a_group_is_read_before_it_is_screened(ensemble, monkeypatch):
    monkeypatch.setattr(stages, "GROUP", 2)
    read, seen = [], []

    class Watched(Listed):
        def read(self, shard):
            for entry in super().read(shard):
                read.append(entry.id)
                yield entry

    score = ensemble.score_features

    def watching(features, compositions):
        seen.append(len(read))
        return score(features, compositions)

    monkeypatch.setattr(ensemble, "score_features", watching)
    screened(ensemble, Watched(crystals()))
    assert seen == [2, 4]


def test_band_gaps_are_given_or_predicted_and_say_so(ensemble):
    listed = Listed({**crystals(), "LiI": rock_salt(anion="I", a=6)}, {"LiCl": 6.0})
    found = rows(screened(ensemble, listed, band_gap=Gaps()))
    assert (found["LiCl"]["band_gap_eV"], found["LiCl"]["band_gap_from"]) == (6.0, "given")
    assert found["skewed"]["band_gap_eV"] == 4.0
    assert found["skewed"]["band_gap_from"] == "MEGNet"
    for name in ("LiBr", "LiI"):
        assert np.isnan(found[name]["band_gap_eV"])
        assert found[name]["band_gap_from"] == ""
    plain = rows(screened(ensemble, listed))
    assert [row["band_gap_from"] for row in plain.values()] == ["given", "", "", "", ""]
    none = rows(screened(ensemble, listed, given_gaps=False))
    assert {row["band_gap_from"] for row in none.values()} == {""}


def test_novelty_names_the_compound_that_is_alike(ensemble):
    found = rows(screened(ensemble, Listed(crystals())))
    assert not found["LiCl"]["novel"]
    assert (found["LiCl"]["closest_known"], found["LiCl"]["closest_known_id"]) == ("LiCl", "k0")
    assert found["LiCl"]["closest_deviation"] == 0
    assert found["skewed"]["novel"]
    wide = rows(screened(ensemble, Listed(crystals()), novelty_tolerance=1.0))
    assert not any(row["novel"] for row in wide.values())


def test_descriptions_say_what_a_crystal_is(ensemble):
    alloy = Structure(Lattice.cubic(3.2), ["Li", "Mg"], [[0] * 3, [0.5] * 3])
    found = rows(screened(ensemble, Listed({**crystals(), "alloy": alloy})))
    assert found["alloy"]["intermetallic"]
    assert found["alloy"]["lacks_anion_former"]
    assert not found["LiCl"]["intermetallic"]
    assert found["LiCl"]["formula"] == "Li4Cl4"
    assert found["LiCl"]["reduced_formula"] == "LiCl"
    assert found["LiCl"]["n_sites"] == 8
    assert found["LiCl"]["ordered"]
    assert not found["argyrodite"]["ordered"]
    assert Composition(found["argyrodite"]["formula"]) == Composition("Li24P4S20Cl4").copy()


def test_the_time_of_every_stage_is_told(ensemble):
    seconds = screened(ensemble, Listed(crystals())).seconds
    assert list(seconds) == list(STAGES)
    assert all(seconds[stage] > 0 for stage in STAGES)


def test_nothing_but_rejects_is_a_result_too(ensemble):
    result = screened(ensemble, Listed({"a": None, "b": rock_salt("Na")}))
    assert len(result.table) == 0
    assert len(result.rejects) == 2


def test_the_closest_composition_is_that_of_the_smallest_largest_difference():
    rng = np.random.default_rng(2)
    ours, theirs = rng.dirichlet(np.ones(4), 20), rng.dirichlet(np.ones(4), 30)
    rows, deviations = closest_known(ours, theirs, np.array([-1] * 19 + [7]))
    table = np.abs(ours[:, None] - theirs[None]).max(axis=2)
    np.testing.assert_array_equal(rows[:-1], table.argmin(axis=1)[:-1])
    assert rows[-1] == 7
    np.testing.assert_allclose(deviations, table[np.arange(20), rows])
