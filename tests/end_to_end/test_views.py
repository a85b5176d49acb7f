"""A search whose trials choose what they see and how they start, to an ensemble that scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from ensemble_examples import rock_salt

from sie.datasets.registry import load_dataset
from sie.ensemble.predictor import SuperionicEnsemble
from sie.search.problem import prepare_problem
from sie.structures.representations import Representation
from sie.tracking.queries import children, search
from sie.tracking.store import open_store

pytestmark = [pytest.mark.end_to_end, pytest.mark.long]

VIEWS = ["CAMN-V0", "CAMN-V0+CAMNS-V1"]
WHOLE = "CAMN-V0+CAMNS-V1"
SPACE = f"""
format: 1
name: views
parameters:
  view: {{choice: [{", ".join(VIEWS)}]}}
  pretrained: {{choice: [true, false]}}
  dropout_phi: {{choice: [0.1, 0.2]}}
  max_lr: {{value: 3.0e-3}}
  n_layers: {{value: 2}}
  n_neurons: {{value: 64}}
  batch_size: {{value: 32}}
"""
TINY = ("--trials", 6, "--top", 2, "--repeats", 2, "--max-epochs", 8, "--grace-epochs", 4)


@pytest.fixture(scope="module")
def space(terminal):
    path = terminal.folder / "views.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def searched(terminal, space):
    ran = terminal.run(
        "loco_search.py", "--cluster", 0, "--search-space", space, *TINY, "--mode", "repeatable",
        "--max-concurrent", 2,
    )  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    store = open_store(None, terminal.folder / "mlruns")
    experiment = store.experiment(f"loco/starter/{WHOLE}")
    (parent,) = search(store, [experiment], "tags.phase = 'cluster-search'")
    return store, parent, children(store, experiment, parent.run_id)


def test_trials_see_the_views_that_they_drew(searched):
    _, parent, runs = searched
    assert {run.params["view"] for run in runs} == set(VIEWS)
    assert {run.params["pretrained"] for run in runs} == {"True", "False"}
    assert parent.params["pretrained"]  # the hash of the package's weights, though none were asked
    problem, _, _ = prepare_problem(load_dataset("starter"), Representation.CAMN, 0, views=VIEWS)
    assert parent.tags["features_hash"] == problem.features_hash
    assert f"{parent.params['representation']}-{parent.params['level']}" == WHOLE


def test_a_trial_of_a_view_is_trained_again_bit_for_bit(searched, terminal):
    _, _, runs = searched
    warm = next(run for run in runs if run.params["pretrained"] == "True" and run.ended)
    ran = terminal.run("loco_search.py", "--rerun-trial", warm.run_id)
    assert ran.code == 0, ran.out + ran.err
    assert "equal bit for bit" in ran.out


def test_the_winners_become_an_ensemble_that_scores_new_crystals(searched, terminal, space):
    store, parent, _ = searched
    ran = terminal.run(
        "build_ensemble.py", "--search-space", space, "--allow-missing", "--top-configs", 2,
        "--seeds", 2, "--epochs", 3, "--out", "ensemble", "--register", "views",
    )  # fmt: skip
    assert ran.code == 0, ran.out + ran.err
    ensemble = SuperionicEnsemble.load(terminal.folder / "ensemble")
    client = store.client()
    text = Path(client.download_artifacts(parent.run_id, "repeats.json")).read_text()
    configs = [item["config"] for item in json.loads(text)["ranking"]]
    assert {m.config.view for m in ensemble.members} == {c["view"] for c in configs}
    assert ensemble.recipe.seen_as == WHOLE
    scores = ensemble.score({"LiCl": rock_salt()})
    assert scores.members.shape == (1, 4) and np.isfinite(scores.members).all()
    assert SuperionicEnsemble.load("models:/views/1", store.uri).score(rock_salt()).p_si[0] == (
        pytest.approx(scores.p_si[0])
    )
