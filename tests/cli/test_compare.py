"""experiments/compare.py on tables of the repository."""

import io

import pandas as pd
import pytest
from rich.console import Console

from sie.cli.arguments import REPOSITORY
from sie.cli.compare import CompareOptions, compare_systems
from sie.errors import InputError

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
