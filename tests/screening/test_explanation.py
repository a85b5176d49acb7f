import dataclasses

import numpy as np
import pytest
from ensemble_examples import (
    argyrodite,
    calibrated_ensemble,
    ensemble_of_views,
    mixed_ensemble,
    rock_salt,
    skewed,
    small_ensemble,
)
from pymatgen.io.cif import CifWriter

from sie.cli.explain import explain_parser, main
from sie.ensemble.predictor import SuperionicEnsemble
from sie.ensemble.storage import save_ensemble
from sie.errors import InputError
from sie.features.pooled import pooled
from sie.screening.explanation import explain
from sie.splits.elmd import elmd_matrix


@pytest.fixture(scope="module")
def ensemble():
    return SuperionicEnsemble(small_ensemble("CAMN"))


def knowing(ensemble, *given):
    """Return an ensemble whose first known compounds have the mean vectors of given crystals."""
    features = ensemble.features({str(i): s for i, s in enumerate(given)})
    means = pooled(features).values[:, : features.dimension]
    trained = small_ensemble("CAMN")
    vectors = np.concatenate([means, trained.known.mean_vectors[len(given) :]])
    known = dataclasses.replace(trained.known, mean_vectors=vectors)
    return SuperionicEnsemble(dataclasses.replace(trained, known=known))


@pytest.mark.parametrize("made", [lambda: small_ensemble("CAMN"), ensemble_of_views])
def test_every_orbit_is_named_with_its_share(made):
    ensemble, crystal = SuperionicEnsemble(made()), argyrodite()
    found = explain(ensemble, crystal)
    features = ensemble.features({"x": crystal})
    shares = ensemble.attention(features)
    by_share = sorted(found.orbits, key=lambda orbit: orbit.attention)
    np.testing.assert_allclose([o.attention for o in by_share], np.sort(shares.mean(axis=0)))
    assert sum(orbit.attention for orbit in found.orbits) == pytest.approx(1, rel=1e-5)
    assert sum(orbit.share_of_sites for orbit in found.orbits) == pytest.approx(1)
    assert [o.attention for o in found.orbits] == sorted(o.attention for o in by_share)[::-1]
    scores = ensemble.score(crystal)
    assert (found.p_si, found.sd) == (scores.p_si[0], scores.sd[0])
    # International Tables, F-43m: 4a at 0, 4b at 1/2, 4c at 1/4, 16e on x,x,x, 48h on x,x,z
    assert {(o.species, o.multiplicity, o.wyckoff) for o in found.orbits} == {
        ("Li0.5", 48, "h"),
        ("P", 4, "b"),
        ("S", 16, "e"),
        ("Cl0.6 S0.4", 4, "a"),
        ("Cl0.4 S0.6", 4, "c"),
    }


def test_a_forest_counts_in_the_score_and_looks_at_no_orbit(ensemble):
    mixed = SuperionicEnsemble(mixed_ensemble("CAMN"))
    alone, found = (explain(made, argyrodite()) for made in (ensemble, mixed))
    assert found.orbits == alone.orbits
    scores = mixed.score(argyrodite())
    assert (found.p_si, found.sd) == (scores.p_si[0], scores.sd[0])
    assert found.p_si != pytest.approx(alone.p_si, abs=0.01)


def test_a_calibration_is_told_with_the_raw_score_and_the_sets():
    ensemble = SuperionicEnsemble(calibrated_ensemble("CAMN"))
    found = explain(ensemble, argyrodite())
    scores = ensemble.score(argyrodite())
    words = ensemble.calibration.set_words(scores.raw)
    assert found.headline == (
        f"Li6PS5Cl (0): P_SI = {scores.p_si[0]:.3f} calibrated (raw {scores.raw[0]:.3f} ± "
        f"{scores.sd[0]:.3f}); 80 % set: {words['set_80'][0]}, 90 % set: {words['set_90'][0]}"
    )


def test_the_share_stands_beside_the_orbit_it_belongs_to(ensemble):
    # an orbit of its own for every site, so each row can be told by its position
    crystal = skewed()
    shares = ensemble.attention(ensemble.features({"x": crystal}))
    found = {orbit.position: orbit for orbit in explain(ensemble, crystal).orbits}
    for row, site in enumerate(crystal):
        orbit = found[tuple(float(x) for x in site.frac_coords)]
        assert orbit.attention == pytest.approx(shares[:, row].mean())
        assert orbit.sd == pytest.approx(shares[:, row].std())
        assert set(site.species.get_el_amt_dict()) == {
            part.rstrip("0123456789.") for part in orbit.species.split()
        }


def test_without_lithium_the_sites_are_still_the_right_ones():
    ensemble = SuperionicEnsemble(small_ensemble("CAN"))
    crystal = skewed()
    shares = ensemble.attention(ensemble.features({"x": crystal}))
    found = {o.position: o.attention for o in explain(ensemble, crystal).orbits}
    # the first site holds Na beside its Li and stays; in rock salt the Li sites go
    for row, site in enumerate(crystal):
        position = tuple(float(x) for x in site.frac_coords)
        assert found[position] == pytest.approx(shares[:, row].mean())
    (chlorine,) = explain(ensemble, rock_salt()).orbits
    assert (chlorine.species, chlorine.multiplicity, chlorine.attention) == ("Cl", 4, 1)
    assert chlorine.position == tuple(rock_salt()[4].frac_coords)


def test_sites_that_are_one_to_the_network_are_named_together():
    ensemble = SuperionicEnsemble(small_ensemble("CAMNS"))
    # Na and K on equivalent places of rock salt look the same where only charges are seen
    crystal = rock_salt()
    crystal.replace(1, "Na")
    crystal.replace(2, "Na")
    crystal.replace(3, "K")
    found = explain(ensemble, crystal)
    assert any(set(orbit.species.split(" | ")) == {"Na", "K"} for orbit in found.orbits)
    # a bar in a cell must not end it
    table = found.to_markdown().split("\n\n")[1]
    assert len({line.count("|") - line.count("\\|") for line in table.splitlines()}) == 1


def test_the_nearest_compounds_come_with_their_conductivity(ensemble):
    knows = knowing(ensemble, rock_salt(), rock_salt(anion="Br", a=5.5))
    found = explain(knows, rock_salt(), neighbours=3)
    assert len(found.by_vectors) == len(found.by_composition) == 3
    for neighbours in (found.by_vectors, found.by_composition):
        distances = [item.distance for item in neighbours]
        assert distances == sorted(distances)
        first = neighbours[0]
        assert (first.formula, first.label, first.log10_sigma) == ("LiCl", 0, -9.5)
        assert first.distance == pytest.approx(0, abs=1e-6)
    formulas = ["LiCl", *(item.formula for item in found.by_composition)]
    expected = elmd_matrix(formulas)[0, 1:]
    np.testing.assert_allclose([n.distance for n in found.by_composition], expected, atol=1e-9)


def test_the_distance_of_the_nearest_is_d_training(ensemble):
    from sie.screening.distance import TrainingDistance

    features = ensemble.features({"x": argyrodite()})
    vector = pooled(features).values[:, : features.dimension]
    expected = TrainingDistance.fit(ensemble.known.mean_vectors).of(vector)
    nearest = explain(ensemble, argyrodite()).by_vectors[0]
    assert nearest.distance == pytest.approx(float(expected[0]))


def test_markdown_holds_every_row(ensemble):
    found = explain(ensemble, argyrodite(), neighbours=4)
    text = found.to_markdown()
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert [len(table.splitlines()) for table in tables] == [2 + 5, 2 + 4, 2 + 4]
    for table in tables:
        assert len({line.count("|") - line.count("\\|") for line in table.splitlines()}) == 1
    assert f"{found.p_si:.3f} ± {found.sd:.3f}" in text
    assert "| - | no |" in text  # Li2O's conductivity is not known


def test_only_one_crystal_at_a_time(ensemble):
    with pytest.raises(InputError, match="2 structures given; explain them one by one"):
        explain(ensemble, [rock_salt(), argyrodite()])


@pytest.mark.parametrize("markdown", [False, True])
def test_the_command_prints_both_tables(ensemble, tmp_path, markdown):
    from rich.console import Console

    folder = save_ensemble(tmp_path / "ensemble", small_ensemble("CAMN"))
    path = tmp_path / "mine.cif"
    CifWriter(argyrodite(), significant_figures=12).write_file(path)
    command = [str(path), "--ensemble", str(folder), "--neighbours", "2"]
    options = explain_parser("Explain.\n\nTry").parse_args(command + ["--markdown"] * markdown)
    console = Console(record=True, width=120, quiet=False)
    assert main(options, console).exit_code == 0
    text = console.export_text()
    expected = explain(ensemble, argyrodite())
    assert f"(mine): P_SI = {expected.p_si:.3f}" in text
    for title, found in expected.neighbour_tables():
        assert title in text
        assert found[0].formula in text
    assert "Cl0.6 S0.4" in text
