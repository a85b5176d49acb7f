import dataclasses

import numpy as np
import pytest

from sie.cli.loco import LocoOptions, plan_searches
from sie.errors import InputError
from sie.features.record import OrbitFeatures
from sie.models.config import TrialConfig
from sie.search.plan import PRESETS
from sie.search.problem import LearningProblem
from sie.search.space import parse_space
from sie.splits.record import Clustering
from sie.structures.representations import Representation

SPACE = parse_space({"parameters": {"n_layers": {"choice": [2, 3]}}})


def options(tmp_path, **given):
    return LocoOptions(space=SPACE, record_folder=tmp_path, **given)


@pytest.fixture
def problem():
    """Three clusters of four; the last holds one class."""
    ids = tuple(f"s{i:02d}" for i in range(12))
    labels = {entry: int(i % 2 and i < 8) for i, entry in enumerate(ids)}
    features = OrbitFeatures(
        ids, np.zeros((12, 4), np.float32), np.ones(12, np.float32), np.arange(13)
    )
    return LearningProblem(
        dataset="d", dataset_hash="a", representation=Representation.CAMN, level=1,
        features=features, features_hash="f", labels=labels,
        clustering=Clustering(ids, np.repeat([0, 1, 2], 4)),
        formulas=dict.fromkeys(ids, "LiCl"), groups=dict.fromkeys(ids, 0),
        hold_out_hash="h", report=None,
    )  # fmt: skip


def clusters_of(tmp_path, problem, *given):
    planned = plan_searches(options(tmp_path, cluster=list(given)), problem)
    return [plan.cluster for _, plan in planned]


def test_all_means_all_that_can_be_left_out(tmp_path, problem):
    assert clusters_of(tmp_path, problem, "all") == [0, 1]
    assert clusters_of(tmp_path, problem, "1", "0", "1") == [1, 0]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("2", "cluster 2 cannot be left out: 0 of its 4 entries are positive; choose one of"),
        ("7", "cluster 7 does not exist; choose one of (entries/positives): 0 (4/2), 1 (4/2)"),
        ("one", "--cluster one: give numbers or all"),
    ],
)
def test_other_clusters_are_refused_with_what_can_be_chosen(tmp_path, problem, given, text):
    with pytest.raises(InputError) as caught:
        clusters_of(tmp_path, problem, given)
    assert text in str(caught.value)
    assert "0 (4/2)" in str(caught.value)


def test_without_a_preset_the_budget_is_the_articles(tmp_path):
    assert options(tmp_path).budget == PRESETS["paper"]
    quick = options(tmp_path, preset="quick", trials=5).budget
    assert (quick.trials, quick.max_epochs) == (5, PRESETS["quick"].max_epochs)


def test_the_plan_carries_what_it_is_made_from(tmp_path, problem):
    ((split, plan),) = plan_searches(options(tmp_path, cluster=["0"], max_epochs=20), problem)
    assert plan.split_hash == split.hash
    assert (plan.features_hash, plan.hold_out_hash) == ("f", "h")
    assert plan.rule.first_full_window() <= 20


def test_a_folder_without_fitting_weights_is_one_line(tmp_path, problem):
    with pytest.raises(InputError, match=r"holds no weights for CAMN-V1; make them") as caught:
        plan_searches(options(tmp_path, cluster=["0"], pretrained=str(tmp_path)), problem)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no folder"):
        options(tmp_path, pretrained=str(tmp_path / "gone")).starts(problem)


def test_after_all_clusters_the_ensemble_is_next(tmp_path):
    given = options(tmp_path, cluster=["all"], dataset="data/x", level=0, trials=7, name="mine")
    assert "loco_search.py --cluster all" in given.next_step(searched_all=False)
    step = given.next_step(searched_all=True)
    assert step.endswith("build_ensemble.py --dataset data/x --level 0 --name mine")


def test_a_space_that_draws_starts_has_weights_for_its_views(tmp_path, problem):
    views = ("CAMN-V1", "CAMN-V0+V1")
    seen = dataclasses.replace(problem, views=views)
    given = {"view": {"choice": list(views)}, "pretrained": {"choice": [True, False]}}
    drawing = LocoOptions(space=parse_space({"parameters": given}), record_folder=tmp_path)
    starts = drawing.starts(seen)
    assert set(starts.by_view) == {"CAMN-V1"} and starts.hash
    config = TrialConfig(n_layers=2, view="CAMN-V1", pretrained=True)
    assert starts.of(config)["phi/0/kernel"].shape == (32, 64)
    assert starts.of(dataclasses.replace(config, pretrained=False)) is None
    assert options(tmp_path).starts(seen).hash == ""
    assert options(tmp_path, pretrained="on").starts(seen).hash == starts.hash
    ((_, plan), *_) = plan_searches(dataclasses.replace(drawing, cluster=["0"]), seen)
    assert (plan.representation, plan.level, plan.pretrained) == ("CAMN", "V0+V1", starts.hash)
