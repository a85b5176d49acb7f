"""docs/extending.md as it stands: its files and lines in a copy of the sources, and one search."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from worked_examples import ROOT, blocks, clone, commands

from sie.datasets.registry import load_dataset
from sie.tracking.queries import children, search
from sie.tracking.store import Store

TINY = ("--trials", "4", "--top", "1", "--repeats", "1", "--max-epochs", "8", "--grace-epochs", "4")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("clone"))


def run(folder, cwd, *words):
    env = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    ran = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=500
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_help_lists_what_was_added(extended):
    code, out, err = run(extended, extended, "experiments/loco_search.py", "--help")
    assert code == 0, err
    assert "sobol" in out
    assert "MA" in out


def test_the_examples_are_clean(extended):
    files = [name for name in blocks() if name.endswith(".py")]
    ruff = (sys.executable, "-m", "ruff")
    config = ("--config", str(ROOT / "pyproject.toml"))
    for way in (("check",), ("format", "--check")):
        ran = subprocess.run(
            [*ruff, *way, *config, *files], cwd=extended, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_a_search_with_all_of_them(extended, tmp_path):
    """The page's last command; its first differs in having less of the same."""
    starter = load_dataset("starter")
    (tmp_path / "my-data").mkdir()
    rows = (
        {
            "id": entry,
            "sigma": f"{10 ** starter.table['log10_sigma'][entry]:.3g}",
            "cif": structure.to(fmt="cif"),
        }
        for entry, structure in starter.structures.items()
    )
    lines = "\n".join(map(json.dumps, rows))
    (tmp_path / "my-data" / "entries.jsonl").write_text(lines, encoding="utf-8")
    script, *options = commands()[-1]
    code, out, err = run(extended, tmp_path, str(extended / script), *options, *TINY)
    assert code == 0, out + err
    assert "winner of cluster 0" in out
    store = Store(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiment = store.experiment("loco/lines/MA-V0")
    (parent,) = search(store, [experiment], "tags.phase = 'cluster-search'")
    runs = children(store, experiment, parent.run_id)
    assert {run.ended.counts for run in runs} == {True}
    models = {run.params["model"] for run in runs}
    assert "mean_mlp" in models
    for run_ in runs:
        if run_.params["model"] == "mean_mlp":
            assert {"pooling", "readout_width", "dropout_phi"}.isdisjoint(run_.params)
