"""Which searches may be combined, who wins, and what is trained; from recorded searches."""

import dataclasses
import itertools

import numpy as np
import pytest
from recorded_searches import RULE, config_of, make, peak, record_search

from sie.ensemble.planning import make_recipe
from sie.ensemble.winners import (
    FoundSearches,
    find_searches,
    judge_searches,
    require_alike,
    select_searches,
)
from sie.errors import InputError
from sie.search.selection import SelectionRule
from sie.splits.left_out import loco_split
from sie.tracking.recorder import Recorder

NAMES = (f"experiment-{n}" for n in itertools.count())
CURVES = {
    0: [[peak(45, 0.7), peak(55, 0.9)], [peak(45, 0.6)] * 2],
    1: [[peak(45, 0.3)] * 2, [peak(65, 0.5), peak(65, 0.6)], [peak(40, 0.4)] * 2],
    2: [[peak(70, 0.6), peak(70, 0.5), peak(70, 0.9)[:20]], [peak(38, 0.45)] * 3],
}


def command(clusters):
    return f"search {list(clusters)}"


@pytest.fixture
def recorded(builders_store, problem, tmp_path):
    """Records searches of a fresh dataset's clusters, and reads them back."""

    class Recorded:
        def __init__(self):
            self.problem = dataclasses.replace(problem, dataset=next(NAMES))
            self.recorder = Recorder(builders_store, self.problem.experiment)

        def search(self, cluster, curves=None, finish=True, name="study", rule=RULE, **changes):
            split = loco_split(problem.clustering, cluster, problem.labels)
            plan = make(
                cluster,
                dataset=self.problem.dataset,
                rule=rule,
                **{"split_hash": split.hash, **changes},
            )
            curves = CURVES[cluster] if curves is None else curves
            run_id = record_search(
                builders_store, tmp_path, plan, curves, name, finish=finish, rule=rule
            )[1]
            self.recorder.log(run_id, tags={"code_hash": "same"})  # sources change under tests
            return run_id

        def found(self, name="study", code=None):
            return find_searches(builders_store, self.problem.experiment, name, code)

        def select(self, **options):
            return select_searches(self.found(), self.problem, command, **options)

        def judged(self, **options):
            parents = self.select(**options).parents
            return judge_searches(builders_store, self.recorder.experiment_id, parents)

    return Recorded()


def brute_force(curves_of_configs, window=10, first=30):
    """The winner by the rule as the article states it: loops and plain sums."""
    best = None
    for i, curves in enumerate(curves_of_configs):
        whole = [list(curve) + [0.0] * (80 - len(curve)) for curve in curves]
        average = [sum(values) / len(values) for values in zip(*whole, strict=True)]
        for start in range(first, 80 - window + 2):
            mean = sum(average[start - 1 : start - 1 + window]) / window
            if best is None or mean > best[0] + 1e-12:
                best = mean, i, start + (window - 1) / 2
    return best


def test_winners_and_their_average_best_epoch_are_those_of_a_plain_loop(recorded):
    for cluster in CURVES:
        recorded.search(cluster)
    judged = recorded.judged()
    expected = {cluster: brute_force(curves) for cluster, curves in CURVES.items()}
    assert [search.cluster for search in judged] == [0, 1, 2]
    for search in judged:
        mean, i, centre = expected[search.cluster]
        assert search.winner.config == config_of(i)
        assert search.winner.mean == pytest.approx(mean)
        assert search.winner.window.centre == centre
        assert len(search.judged) == len(CURVES[search.cluster])
    recipe = make_recipe(recorded.problem, judged, n_seeds=3)
    assert recipe.epochs == int(np.mean([e[2] for e in expected.values()]) + 0.5)
    assert make_recipe(recorded.problem, judged, n_seeds=3, epochs=7).epochs == 7


def test_curves_before_the_first_epoch_that_counts_do_not_win(recorded):
    early = [[np.where(np.arange(1, 81) < 30, 0.99, 0.3)] * 2, [peak(60, 0.7)] * 2]
    recorded.search(0, early)
    (search,) = recorded.judged(exclude=(1, 2))
    assert search.winner.config == config_of(1) == config_of(brute_force(early)[1])


def test_members_are_every_configuration_with_the_same_seeds(recorded):
    for cluster in CURVES:
        recorded.search(cluster)
    judged = recorded.judged()
    recipe = make_recipe(recorded.problem, judged, n_seeds=4, top=2)
    assert recipe.members == make_recipe(recorded.problem, judged, n_seeds=4, top=2).members
    by_config = {}
    for member in recipe.members:
        by_config.setdefault((member.cluster, member.rank), []).append(member)
    assert sorted(by_config) == [(c, r) for c in (0, 1, 2) for r in (0, 1)]
    for (cluster, rank), members in by_config.items():
        assert {member.config for member in members} == {judged[cluster].judged[rank].config}
        assert len(members) == 4
    # no network twice, though the same configurations were chosen several times
    networks = {(member.config, member.seed) for member in recipe.members}
    assert len(networks) == len(recipe.members) == 24
    seeds = {tuple(m.seed for m in own) for key, own in by_config.items() if key[0] == 0}
    assert len(seeds) == 1
    other = make_recipe(recorded.problem, judged, n_seeds=4, top=2, master_seed=1)
    assert not {m.seed for m in other.members} & {m.seed for m in recipe.members}
    assert other.hash != recipe.hash
    # more seeds add to those there are
    fewer = make_recipe(recorded.problem, judged[:1], n_seeds=2)
    more = make_recipe(recorded.problem, judged[:1], n_seeds=5)
    assert more.members[:2] == fewer.members


def test_the_recipe_says_what_it_is_made_from(recorded):
    runs = {cluster: recorded.search(cluster, pretrained="warm") for cluster in CURVES}
    recipe = make_recipe(recorded.problem, recorded.judged(), n_seeds=1)
    problem = recorded.problem
    assert recipe.searches == runs
    assert (recipe.dataset_hash, recipe.features_hash, recipe.hold_out_hash) == ("a", "b", "e")
    assert recipe.clustering_hash == problem.clustering.hash
    assert (recipe.search_code_hash, recipe.pretrained) == ("same", "warm")
    assert (recipe.dataset, recipe.representation, recipe.level) == (problem.dataset, "CAMN", "V1")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dataset_hash": "z"}, "dataset_hash"),
        ({"features_hash": "z"}, "features_hash"),
        ({"hold_out_hash": "z"}, "hold_out_hash"),
        ({"pretrained": "z"}, "pretrained"),
        ({"rule": SelectionRule(5, 30)}, "rule.window"),
        ({"rule": SelectionRule(10, 20)}, "rule.min_epoch"),
    ],
)
def test_mixed_searches_are_refused_in_one_line_that_names_runs(recorded, changes, named):
    runs = [recorded.search(0), recorded.search(1, **changes), recorded.search(2)]
    with pytest.raises(InputError) as caught:
        recorded.select()
    line = str(caught.value)
    assert "\n" not in line
    assert f"cannot be combined: {named} is " in line
    assert f"cluster 0 (run {runs[0][:8]}), cluster 2 (run {runs[2][:8]}) but " in line
    assert f" in cluster 1 (run {runs[1][:8]})" in line
    # without the odd one the others are fine
    assert set(recorded.select(exclude=(1,)).parents) == {0, 2}


def test_searches_of_other_sources_are_refused_and_can_be_chosen(recorded):
    for cluster in CURVES:
        recorded.search(cluster)
    newer = recorded.search(2)
    recorded.recorder.log(newer, tags={"code_hash": "other"})
    with pytest.raises(InputError, match=rf"code_hash is same in .* but other in .*{newer[:8]}"):
        recorded.select()
    chosen = select_searches(recorded.found(code="same"), recorded.problem, command)
    assert newer not in {run.run_id for run in chosen.parents.values()}
    assert set(chosen.parents) == {0, 1, 2}


@pytest.mark.parametrize("name", ["dataset_hash", "features_hash", "hold_out_hash"])
def test_searches_of_other_data_than_the_present_are_refused(recorded, name):
    for cluster in CURVES:
        recorded.search(cluster, **{name: "then"})
    now = getattr(recorded.problem, name)
    with pytest.raises(InputError, match=rf"{name} then, these data have {now}") as caught:
        recorded.select()
    assert "\n" not in str(caught.value)


def test_searches_of_other_clusters_are_refused(recorded):
    for cluster in CURVES:
        recorded.search(cluster, **({"split_hash": "another"} if cluster == 1 else {}))
    with pytest.raises(InputError, match=r"cluster 1 \(run .*left out other entries.*--clusters"):
        recorded.select()
    assert set(recorded.select(exclude=(1,)).parents) == {0, 2}


def test_missing_clusters_are_named_with_the_command_that_searches_them(recorded):
    recorded.search(0)
    cut = recorded.search(2, finish=False)
    with pytest.raises(InputError) as caught:
        recorded.select()
    line = str(caught.value)
    assert "\n" not in line
    assert f"clusters 1, 2 (run {cut[:8]} is unfinished); search with: search [1, 2]; " in line
    assert "--exclude 1,2" in line
    # cluster 3 holds one class: it cannot be left out, so it is not missing
    assert recorded.select(exclude=(1, 2)).missing == ()
    allowed = recorded.select(allow_missing=True)
    assert (set(allowed.parents), allowed.missing) == ({0}, (1, 2))
    assert allowed.remarks[0] == "clusters without a finished search: 1,2"


def test_a_search_without_winner_is_missing(recorded):
    recorded.search(0)
    recorded.search(1)
    empty = recorded.search(2, [])
    with pytest.raises(InputError, match=f"cluster 2 .run {empty[:8]} ended without a winner"):
        recorded.select()


def test_nothing_to_combine_is_refused(recorded):
    with pytest.raises(InputError, match=r"no finished search of clusters 0, 1, 2; search with"):
        recorded.select(allow_missing=True)
    assert recorded.found("never") == FoundSearches()
    recorded.search(0)
    with pytest.raises(InputError, match="every searched cluster is excluded"):
        recorded.select(exclude=(0, 1, 2))
    with pytest.raises(InputError, match="--exclude 8: no such cluster; there are 0,1,2"):
        recorded.select(exclude=(8,))


def test_the_newest_finished_search_counts_and_a_newer_unfinished_one_is_told(recorded):
    recorded.search(0)
    newest = recorded.search(0, [[peak(50, 0.8)] * 2])
    cut = recorded.search(0, finish=False)
    recorded.search(0, [[peak(50, 0.99)] * 2], name="other")
    selection = recorded.select(exclude=(1, 2))
    assert selection.parents[0].run_id == newest
    assert len(selection.remarks) == 1
    assert cut[:8] in selection.remarks[0]
    assert "unfinished" in selection.remarks[0]


def test_other_spaces_and_budgets_are_told_not_refused(recorded):
    for cluster in CURVES:
        plan = make(cluster)
        budget = dataclasses.replace(plan.budget, trials=99) if cluster == 2 else plan.budget
        recorded.search(cluster, budget=budget)
    (remark,) = recorded.select().remarks
    assert "trials is 12 in cluster 0" in remark
    assert "but 99 in cluster 2" in remark
    require_alike(recorded.select().parents)
