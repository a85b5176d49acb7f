"""experiments/prepare.py as a user runs it, and a search that is given its record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sie.datasets.storage import load_record

SCRIPTS = Path(__file__).resolve().parents[2] / "experiments"
HEAVY = ("numpy", "pandas", "pymatgen", "matplotlib", "pyarrow", "tensorflow", "ray")


@pytest.mark.end_to_end
def test_the_starter_becomes_a_record_and_a_search_refuses_a_broken_one(terminal):
    done = terminal.run("prepare.py")
    assert done.code == 0, done.err
    folder = terminal.folder / "results" / "starter" / "data"
    database = load_record(folder).database
    assert f"data record: results/starter/data ({database.hash})" in done.out
    assert f"dataset: starter ({database.hash})" in done.out
    client = MlflowClient(f"sqlite:///{terminal.folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("study/starter")
    (kept,) = client.search_runs([experiment.experiment_id])
    assert kept.data.tags["dataset_hash"] == database.hash
    assert {item.path for item in client.list_artifacts(kept.info.run_id, "figures")} == {
        "figures/fig1.png", "figures/fig1.svg"
    }  # fmt: skip
    assert len(client.list_artifacts(kept.info.run_id, "data")) == 5
    assert done.out.splitlines()[-1].startswith("next: ")
    (folder / "database.parquet").write_bytes(b"")
    refused = terminal.run("loco_search.py", "--dataset", folder, "--cluster", "0", "--dry-run")
    assert refused.code == 2
    assert "is not the table that database.json describes" in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--dataset", "obelics"), "did you mean 'obelix'?"),
        (("--dataset", "results/nowhere"), "results/nowhere/database.json cannot be read"),
        (("--dataset", "table"), "--table"),
    ],
)
def test_mistakes_are_one_line(terminal, options, text):
    done = terminal.run("prepare.py", *options)
    assert done.code == 2
    assert text in done.err
    assert done.err.count("\n") == 1


def test_help_needs_nothing_heavy(terminal):
    assert "--keep-duplicates" in terminal.run("prepare.py", "--help").out
    code = f"import sys, prepare; prepare.parser(); print(set({HEAVY!r}) & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
