"""experiments/compare.py on a table of the repository, and on recorded runs."""

import io

import numpy as np
import pandas as pd
import pytest
from recorded_searches import make, peak, record_search
from rich.console import Console

from sie.cli.arguments import REPOSITORY
from sie.cli.compare import CompareOptions, compare_systems
from sie.comparison.evaluated import recorded_evaluations
from sie.errors import InputError
from sie.tracking.store import open_store

RESULTS = REPOSITORY / "docs" / "results"


def compared(**options):
    console = Console(file=io.StringIO(), width=120)
    table = compare_systems(CompareOptions(**options), console)
    return table, console.file.getvalue()


def test_a_published_table_is_what_the_command_writes(tmp_path):
    table, said = compared(
        evaluations=RESULTS / "obelix_loco_evaluations.csv", out=tmp_path / "tests.csv"
    )
    written = (tmp_path / "tests.csv").read_text()
    assert written == (RESULTS / "obelix_loco_tests.csv").read_text()
    assert len(table) == 78 and "of 78 pairs" in said and "no p below 0.0312" in said
    differences = pd.read_csv(RESULTS / "obelix_loco_differences.csv").set_index("system")
    row = table.set_index(["first", "second"]).loc[("CAMN-V1", "forest-fractions")]
    assert row["difference"] == pytest.approx(differences.loc["CAMN-V1", "auc_pr"], abs=1e-5)


def test_one_cluster_is_judged_by_its_seeds():
    table, said = compared(
        evaluations=RESULTS / "obelix_loco_evaluations.csv",
        systems=("CAMN-V0", "forest-fractions"),
        cluster=1,
    )
    assert table["p_splits"].isna().all() and table["p_seeds"].between(0, 1).all()
    assert "one split only" in said


def test_repeats_of_searches_are_compared_by_configuration(tmp_path):
    store = open_store(None, tmp_path / "mlruns")
    curves = [
        [peak(45, 0.7 + 0.01 * i) for i in range(4)],
        [peak(45, 0.6)] * 3 + [peak(45, 0.6)[:9]],
    ]
    winner, _ = record_search(store, tmp_path, make(2), curves, name="mine")
    experiment = "loco/d/CAMN-V1"
    found = recorded_evaluations(store, experiment, "mine")
    assert found["split"].unique().tolist() == ["loco-2"]
    own = found[found["system"] == winner.config.hash[:8]].set_index("seed")["auc_pr"]
    assert own.to_list() == pytest.approx(list(winner.values))
    other = found[found["system"] != winner.config.hash[:8]].set_index("seed")["auc_pr"]
    assert other[3] == 0.0 and np.isfinite(other).all()  # diverged: the search's penalty
    table, _ = compared(experiment=experiment, name="mine", record_folder=tmp_path / "mlruns")
    assert table["n_cells"].tolist() == [4] and table["p_seeds"][0] == 1 / 8
    with pytest.raises(InputError, match="no finished search called 'other'"):
        compared(experiment=experiment, name="other", record_folder=tmp_path / "mlruns")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluations": RESULTS / "none.csv"}, "cannot read it"),
        ({"evaluations": RESULTS / "obelix_table1.csv"}, "no column system"),
        ({"experiment": "loco/x"}, "no MLflow store"),
        (
            {"evaluations": RESULTS / "obelix_loco_evaluations.csv", "cluster": 77},
            "--cluster 77: no evaluation",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        compared(record_folder=tmp_path, **options)
