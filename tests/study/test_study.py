"""A small study for real: Ray, MLflow, TensorFlow, thirty compounds in three clusters."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sie.cli import study
from sie.cli.study import StudyOptions, run_steps
from sie.datasets.registry import load_dataset
from sie.datasets.storage import DataRecord, save_record
from sie.errors import InputError
from sie.models.config import TrialConfig
from sie.search.plan import Budget
from sie.splits.holdout import hold_out
from sie.structures.ordering import OrderingLimits
from sie.structures.representations import Representation
from sie.study.settings import STUDY_PRESETS, StudySettings
from sie.tracking.store import open_store

TINY = StudySettings(
    pairs=((Representation.CAMN, 0), (Representation.CAN, 1)),
    epochs=12,
    network_seeds=2,
    baseline_seeds=1,
    loco_pairs=((Representation.CAMN, 0),),
    loco_space="quick",
    loco_budget=Budget(trials=2, top=1, repeats=2, max_epochs=12, startup_trials=2),
    ordered_limits=OrderingLimits(seconds=20),
    config=TrialConfig(n_layers=1, n_neurons=8, readout_width=8, batch_size=16),
)
STEPS = ("splits", "kfold", "ordered", "loco")
SHORT = ("splits", "kfold")
"""The steps that `make test` has the time for; all of them run with the tests marked long."""

TABLES = {
    "splits": {"split_statistics"},
    "kfold": {"kfold_evaluations", "kfold_summary", "kfold_differences", "sendek_crystals"},
    "ordered": {
        "ordering_crystals",
        "ordering_outcomes",
        "ordered_evaluations",
        "ordered_summary",
        "ordered_differences",
    },
    "loco": {
        "loco_baselines",
        "loco_winners",
        "loco_evaluations",
        "loco_by_cluster",
        "loco_summary",
        "loco_differences",
    },
}
FIGURES = {
    "splits": set(),
    "kfold": {"fig3_kfold"},
    "ordered": {"fig2_ordered"},
    "loco": {"fig4_loco_clusters", "fig5_loco"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def options(folder):
    whole = load_dataset("starter")
    small = [entry for entry in whole.ids if len(whole.structures[entry]) <= 16]
    by_class = [[e for e in small if whole.table.loc[e, "label"] == c][:15] for c in (0, 1)]
    database = whole.subset([*by_class[0], *by_class[1]])
    save_record(folder / "data", DataRecord(database, (), {}))
    development = sorted(hold_out(database.ids).development)
    clusters = pd.DataFrame({"id": development, "cluster": np.arange(len(development)) % 2})
    clusters.to_csv(folder / "clusters.csv", index=False)
    return StudyOptions(
        dataset=str(folder / "data"),
        clusters=folder / "clusters.csv",
        results=folder / "results",
        max_concurrent=2,
        record_folder=folder / "mlruns",
        run_options={"max_concurrent": 2},
    )


def run(options, steps, settings=TINY):
    console = Console(file=io.StringIO(), width=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDY_PRESETS, "quick", settings)
        run_steps(options, steps, console)
    return console.file.getvalue()


@pytest.fixture(
    scope="module",
    params=[SHORT, pytest.param(STEPS, marks=pytest.mark.long)],
    ids=["short", "all"],
)
def steps(request, options):
    """Steps that have run."""
    run(options, request.param)
    return request.param


@pytest.fixture
def all_steps(steps):
    if steps != STEPS:
        pytest.skip("only some steps have run")


def read(options, name):
    return pd.read_csv(options.results / "tables" / f"{name}.csv")


def n_runs(options):
    store = open_store(None, options.record_folder)
    client = store.client()
    counted = [e for e in client.search_experiments() if not e.name.startswith("study/")]
    return sum(len(client.search_runs([e.experiment_id], max_results=5000)) for e in counted)


def test_every_table_and_figure_is_there(options, steps):
    tables = {path.stem for path in (options.results / "tables").iterdir()}
    assert tables >= set().union(*(TABLES[step] for step in steps))
    figures = {path.name for path in (options.results / "figures").iterdir()}
    names = set().union(*(FIGURES[step] for step in steps))
    assert figures >= {f"{name}.{suffix}" for name in names for suffix in ("png", "svg")}
    assert (options.results / "data" / "table1.csv").is_file()


@pytest.mark.usefixtures("steps")
def test_all_systems_stand_on_identical_folds(options):
    table = read(options, "kfold_evaluations")
    assert set(table["system"]) >= {"CAMN-V0", "CAN-V1", "logistic-sendek", "forest-fractions"}
    sizes = table.groupby("split")[["n_train", "n_validation", "positive_fraction"]].nunique()
    assert (sizes == 1).all(axis=None)
    assert (table.groupby("system")["split"].nunique() == 5).all()
    mean = table[table["system"] == "mean"]
    np.testing.assert_allclose(mean["auc_pr"], mean["positive_fraction"], rtol=1e-5)
    assert (mean["mcc"] == 0).all()
    assert table["auc_pr"].notna().all()


@pytest.mark.long
@pytest.mark.usefixtures("all_steps")
def test_the_grid_scores_winners_on_every_cluster(options):
    winners = read(options, "loco_winners")
    assert winners["cluster"].tolist() == [0, 1]
    assert (winners["n_repeats"] == 2).all()
    summary = read(options, "loco_summary").set_index("system")
    assert summary.loc["CAMN-V0", "n_splits"] == 2
    expected = winners["auc_pr_at_average_best_epoch"].mean()
    assert summary.loc["CAMN-V0", "auc_pr"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.long
@pytest.mark.usefixtures("all_steps")
def test_ordered_cells_are_compared_on_the_same_crystals(options):
    outcomes = read(options, "ordering_outcomes")
    table = read(options, "ordered_evaluations")
    networks = table[table["kind"] == "network"]
    sizes = networks.groupby("split")["n_validation"].nunique()
    assert (sizes == 1).all()
    ordered = outcomes[outcomes["outcome"].str.contains("ordered")]["crystals"].sum()
    assert networks.groupby(["system", "seed"])["n_validation"].sum().unique() == [ordered]


def test_a_second_start_trains_nothing_and_writes_the_same(options, steps):
    before = n_runs(options)
    tables = {name: read(options, name) for step in steps for name in TABLES[step]}
    printed = run(options, steps)
    assert n_runs(options) == before
    assert ("2 of 2 clusters are searched already" in printed) == ("loco" in steps)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(read(options, name), table)


def test_steps_are_recorded_with_their_files(options, steps):
    client = open_store(None, options.record_folder).client()
    experiment = client.get_experiment_by_name("study/starter")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.tags["step"] for run in runs} >= {"data", *steps}
    kfold = next(run for run in runs if run.data.tags["step"] == "kfold")
    names = {item.path for item in client.list_artifacts(kfold.info.run_id, "figures")}
    assert "figures/fig3_kfold.png" in names
    assert "run.yaml" in {item.path for item in client.list_artifacts(kfold.info.run_id)}
    assert kfold.data.tags["dataset_hash"] == load_dataset(options.dataset).hash


def test_a_dry_run_counts_what_would_be_done_and_writes_nothing(options, tmp_path):
    planned = dataclasses.replace(options, dry_run=True, results=tmp_path / "results")
    text = run(planned, STEPS)
    assert all(f"{step}: " in text for step in STEPS)
    assert "2 searches (CAMN-V0 x 2 clusters)" in text
    assert not (tmp_path / "results").exists()


def test_too_few_ordered_crystals_are_one_line(options):
    strict = dataclasses.replace(TINY, ordered_limits=OrderingLimits(max_sites=1))
    with pytest.raises(InputError, match="crystals could be ordered; raise the limits"):
        run(options, ("ordered",), strict)


def test_a_step_that_cannot_be_done_does_not_stop_the_others(options):
    strict = dataclasses.replace(TINY, ordered_limits=OrderingLimits(max_sites=1))
    (options.results / "tables" / "split_statistics.csv").unlink(missing_ok=True)
    with pytest.raises(InputError, match="ordered: ordered comparison: only"):
        run(options, ("ordered", "splits"), strict)
    assert (options.results / "tables" / "split_statistics.csv").is_file()


def test_a_study_leaves_the_record_that_it_reads_as_it_is(options):
    source = options.results / "data"
    before = {path.name: path.read_bytes() for path in source.glob("*.*")}
    again = dataclasses.replace(options, dataset=str(source))
    run(again, ("splits",))
    assert {path.name: path.read_bytes() for path in source.glob("*.*")} == before


def test_without_weights_of_the_shape_transfer_says_so(options):
    with pytest.raises(InputError, match="no pre-trained weights of shape 1 x 8"):
        run(options, ("transfer",))


@pytest.mark.long
def test_cold_and_warm_starts_are_compared(options):
    config = dataclasses.replace(TINY.config, n_layers=2, n_neurons=64, readout_width=512)
    settings = dataclasses.replace(TINY, config=config, transfer_seeds=1, transfer_epochs=3)
    run(options, ("transfer",), settings)
    table = read(options, "transfer_evaluations")
    assert table.groupby(["protocol", "system"])["split"].nunique().to_dict() == {
        (protocol, system): n
        for protocol, n in (("5-fold", 5), ("LOCO", 2))
        for system in ("CAMN-V0", "CAMN-V0 pre-trained")
    }
    assert set(read(options, "transfer_differences")["protocol"]) == {"5-fold", "LOCO"}
    assert (options.results / "figures" / "transfer.png").is_file()


def test_steps_that_study_runs_are_known():
    assert set(study.STEPS) == {*STEPS, "transfer"}
