import io
import json
import runpy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from rich.console import Console

from sie.cli.pretrain import PretrainOptions, pretrain_networks
from sie.errors import InputError
from sie.models.pretrained import read_pretrained

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "pretrain.py"


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    """240 crystals of CsCl's type; class 1 for the short cells."""
    path = tmp_path_factory.mktemp("data") / "crystals.parquet"
    lengths = 2.5 + 0.0125 * np.arange(240)
    columns = {
        "id": [f"x{i}" for i in range(240)],
        "lattice": [(np.eye(3) * a).reshape(-1).tolist() for a in lengths],
        "numbers": [[3 + i % 80, 9 + 8 * (i % 2)] for i in range(240)],
        "frac_coords": [[0.0, 0.0, 0.0, 0.5, 0.5, 0.5]] * 240,
        "is_metal": (lengths < 4).tolist(),
    }
    pq.write_table(pa.table(columns), path)
    return path


def options(parquet, tmp_path, **given):
    common = {
        "source": str(parquet), "shapes": "1x8", "epochs": 2, "out": tmp_path / "out",
        "work": tmp_path / "work", "representation": "CAMN", "level": (0,),
        "tracking_uri": f"sqlite:///{tmp_path}/mlflow.db",
    }  # fmt: skip
    return PretrainOptions(**{**common, **given})


def experiment_id(chosen):
    found = MlflowClient(chosen.tracking_uri).get_experiment_by_name(
        "pretrain/crystals.parquet/CAMN-V0"
    )
    return found.experiment_id


def run(chosen, monkeypatch):
    # the process of the tests has started TensorFlow already
    monkeypatch.setattr("sie.training.threads.limit_threads", lambda n: None)
    text = io.StringIO()
    pretrain_networks(chosen, Console(file=text, width=200))
    return text.getvalue()


def test_the_dry_run_says_what_would_happen_and_writes_nothing(parquet, tmp_path, monkeypatch):
    text = run(options(parquet, tmp_path, dry_run=True, limit=50), monkeypatch)
    assert "crystals.parquet: 240 crystals, 50.0% metals" in text
    assert "used: 50 of them as CAMN V0; networks: 1x8" in text
    assert "estimate on one thread: features about" in text
    assert not list(tmp_path.rglob("*.npz"))


def test_the_rule_that_ends_a_training_can_be_changed():
    given, stock = (PretrainOptions(patience=n).settings()[0] for n in (30, None))
    flat = [0.5] * 20
    assert stock.why_ended(flat[:3]).startswith("no gain")
    assert not given.why_ended(flat[:9])
    assert given.why_ended(flat) == "all 40 epochs done"


def test_networks_are_trained_once_and_found_by_shape(parquet, tmp_path, monkeypatch):
    chosen = options(parquet, tmp_path)
    text = run(chosen, monkeypatch)
    assert "CAMN-V0-1x8: epoch 2/2" in text
    assert "--pretrained" in text
    assert str(chosen.out) in text
    found = read_pretrained(chosen.out / "CAMN-V0-1x8.npz")
    assert found.dimension == 16
    assert found.about["data"]["n_structures"] == 240
    assert not list((chosen.work / "checkpoints").iterdir())
    card = json.loads((chosen.out / "CAMN-V0-1x8.json").read_text())
    runs = MlflowClient(chosen.tracking_uri).search_runs([experiment_id(chosen)])
    assert [item.data.params["n_neurons"] for item in runs] == ["8"]
    assert runs[0].data.metrics["test_auc_pr"] == card["test"]["auc_pr"]
    again = run(chosen, monkeypatch)
    assert "CAMN-V0-1x8: done before" in again
    assert json.loads((chosen.out / "CAMN-V0-1x8.json").read_text()) == card


def test_wrong_options_are_refused_before_any_work(parquet, tmp_path):
    with pytest.raises(InputError, match="--shapes 2by64"):
        options(parquet, tmp_path, shapes="2by64").settings()
    with pytest.raises(InputError, match="0 < init_lr <= max_lr"):
        options(parquet, tmp_path, max_lr=-1.0).settings()


def test_the_script_hands_over_what_it_parsed(tmp_path):
    script = runpy.run_path(str(SCRIPT))
    args = script["parser"]().parse_args(
        ["--level", "V0,v1", "--limit", "10", "--out", str(tmp_path), "--source", "f.parquet"]
    )
    found = PretrainOptions.from_command_line(vars(args))
    assert (found.level, found.limit, found.out) == ((0, 1), 10, tmp_path)
    defaults = script["parser"]().parse_args([])
    assert PretrainOptions.from_command_line(vars(defaults)) == PretrainOptions()
