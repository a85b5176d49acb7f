import io
import json
import runpy
import shutil
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from ensemble_examples import calibrated_ensemble, mixed_ensemble, small_ensemble
from mlflow import MlflowClient
from rich.console import Console
from screening_examples import lithium_salts, mixed_folder, write_parquet

from sie.cli import screen as command
from sie.cli.answer import Answer
from sie.cli.screen import ScreenOptions, load_models, screen
from sie.cli.screen_outcome import Progress
from sie.ensemble.storage import save_ensemble
from sie.errors import DownloadError, InputError
from sie.features import band_gap
from sie.screening.folder import ScreeningFolder
from sie.screening.record import Reject, ShardResult, result_schema
from sie.screening.sources import open_source
from sie.screening.stages import Screener
from sie.tracking.store import open_store

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "screen.py"


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    return save_ensemble(tmp_path_factory.mktemp("ensemble"), small_ensemble())


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A new store takes seconds to make, a copy none."""
    folder = tmp_path_factory.mktemp("store")
    open_store(f"sqlite:///{folder}/mlflow.db", folder)
    return folder / "mlflow.db"


@pytest.fixture(autouse=True)
def store(empty_store, tmp_path):
    shutil.copy(empty_store, tmp_path / "mlflow.db")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def options(ensemble, tmp_path, **given):
    source = tmp_path / "cifs"
    if not source.exists():
        mixed_folder(source)
    common = {
        "ensemble": str(given.pop("folder", ensemble)),
        "source": str(source), "out": tmp_path / "out",
        "band_gap": "given", "min_gap": 0.0, "min_p_si": 0.0, "shard_size": 4,
        "tracking_uri": f"sqlite:///{tmp_path}/mlflow.db", "run_options": {"top": 50},
    }  # fmt: skip
    return ScreenOptions(**{**common, **given})


def run(chosen):
    text = io.StringIO()
    done = screen(chosen, Console(file=text, width=160))
    if done is not None:
        answer = json.loads(Answer(done.as_dict(chosen.out)).as_json("screen", {}))["result"]
        assert all(Path(path).is_file() for path in answer["files"].values())
        passing = pd.read_csv(chosen.out / "candidates.csv")
        assert [row["id"] for row in answer["candidates"]] == list(passing["id"])
        MlflowClient(chosen.tracking_uri).get_run(answer["run_id"])
    return text.getvalue()


def screen_here(chosen):
    """Do what Ray's workers would do, in this process; the command finds it done."""
    source = open_source(chosen.source, chosen.shard_size)
    prepared = command._prepare(chosen, ScreeningFolder(chosen.out), Console(file=io.StringIO()))
    prepared.folder.begin(prepared.manifest)
    screener = Screener(prepared.models)
    for shard in source.shards:
        prepared.folder.write(screener.screen(shard, source.reader))


def test_the_dry_run_says_what_would_happen_and_writes_nothing(ensemble, tmp_path):
    text = run(options(ensemble, tmp_path, dry_run=True))
    assert "6 entries in 2 shards" in text
    assert "6 networks, CAMNS-V1, trained on 4 compounds of starter" in text
    assert not (tmp_path / "out").exists()


def test_a_calibrated_ensemble_shows_raw_scores_and_sets(tmp_path):
    folder = save_ensemble(tmp_path / "calibrated", calibrated_ensemble())
    chosen = options(folder, tmp_path)
    screen_here(chosen)
    text = run(chosen)
    assert "6 networks and a forest of 20 trees with weight 0.4, calibrated (platt)" in text
    ranked = pd.read_csv(chosen.out / "ranked.csv")
    for row in ranked.to_dict("records"):
        shown = f"{row['p_si']:.3f} ({row['p_si_raw']:.2f} ± {row['p_si_sd']:.2f})"
        assert shown in text or row["rank"] > 3
    report = (chosen.out / "report.html").read_text()
    assert "90 % set" in report and "It is calibrated on clusters" in report
    columns = list(ranked.columns)
    place = columns.index("p_si_sd") + 1
    assert columns[place : place + 3] == ["p_si_raw", "set_80", "set_90"]
    # the calibration makes numbers, so another one is another screening
    save_ensemble(folder, calibrated_ensemble(method="isotonic"))
    with pytest.raises(InputError, match="ensemble hash is"):
        run(chosen)
    # files of an ensemble before do not count
    (folder / "old.npz").write_bytes(b"")
    mixed = save_ensemble(tmp_path / "mixed", mixed_ensemble())
    save_ensemble(folder, mixed_ensemble())
    assert load_models(options(folder, tmp_path))[1] == load_models(options(mixed, tmp_path))[1]


@pytest.fixture
def finished(ensemble, tmp_path):
    chosen = options(ensemble, tmp_path)
    screen_here(chosen)
    return chosen, run(chosen)


def test_everything_a_user_needs_is_written_and_said(finished, tmp_path):
    chosen, text = finished
    out = chosen.out
    assert "done before: 2 of 2 shards" in text
    assert "structures per second and core" in text
    ranked = pd.read_csv(out / "ranked.csv")
    assert len(ranked) == 4
    assert ranked["p_si"].is_monotonic_decreasing
    candidates = pd.read_csv(out / "candidates.csv")
    assert set(candidates["id"]) == {"b-argyrodite", "e-skewed", "sub/f-LiI"}
    rejects = pd.read_csv(out / "rejects.csv")
    assert rejects.to_dict("records") == [
        {"id": "c-broken", "file": "c-broken.cif", "reason": "no atom positions"},
        {"id": "d-NaCl", "file": "d-NaCl.cif", "reason": "holds no lithium"},
    ]
    figures = {path.name for path in (out / "figures").iterdir()}
    assert figures == {"scores.png", "scores.svg", "map.png", "map.svg"}
    page = (out / "report.html").read_text()
    assert "b-argyrodite" in page
    assert "experiments/explain.py" in text
    best = text.split("explain.py ")[1].split(" --ensemble")[0]
    assert Path(best).is_file()


def test_the_screening_is_recorded_once_with_its_numbers(finished, ensemble, tmp_path):
    chosen, _ = finished
    run(chosen)
    client = MlflowClient(chosen.tracking_uri)
    found = client.get_experiment_by_name("screening/starter/CAMNS-V1")
    (recorded,) = client.search_runs([found.experiment_id])
    assert recorded.info.status == "FINISHED"
    assert recorded.data.tags["phase"] == "screening"
    assert recorded.data.tags["recipe_hash"] == small_ensemble().recipe.hash
    assert recorded.data.metrics["count_scored"] == 4
    assert recorded.data.metrics["count_novel_composition"] == 3
    assert recorded.data.metrics["structures_per_core_second"] > 0
    kept = {item.path for item in client.list_artifacts(recorded.info.run_id)}
    assert kept == {"candidates.csv", "rejects.csv", "report.html", "figures", "run.yaml"}
    run(options(ensemble, tmp_path, min_p_si=0.3))
    assert len(client.search_runs([found.experiment_id])) == 2


def test_filters_may_change_without_screening_again_but_nothing_else(finished, ensemble, tmp_path):
    text = run(options(ensemble, tmp_path, min_gap=1.0))
    assert "Nothing passes every filter" in text
    with pytest.raises(InputError, match=r"option novelty is 0\.2 and was 0\.05"):
        run(options(ensemble, tmp_path, novelty=0.2))
    (tmp_path / "cifs" / "c-broken.cif").unlink()
    with pytest.raises(InputError, match=r"source hash is .* choose another --out, or --fresh"):
        run(options(ensemble, tmp_path))


def test_band_gaps_can_be_left_away(ensemble, tmp_path):
    models, _ = load_models(options(ensemble, tmp_path, band_gap="off"))
    assert models.band_gap is None
    assert not models.given_gaps


@pytest.mark.shared
def test_the_band_gap_network_is_part_of_the_manifest(ensemble, tmp_path, shared_data):
    weights = shared_data / "megnet" / "mp-2018.6.1"
    chosen = options(ensemble, tmp_path, band_gap="megnet", band_gap_weights=weights)
    screen_here(chosen)
    run(chosen)
    stored = json.loads((chosen.out / "manifest.json").read_text())
    assert stored["options"]["band_gap_weights"] == "e149197440863b06e819c3cc11550f7c"[:12]
    assert (pd.read_csv(chosen.out / "ranked.csv")["band_gap_from"] == "MEGNet").all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"elements": ("Na",)}, "go with --source mp"),
        ({"api_key": "k"}, "go with --source mp"),
        ({"band_gap_weights": Path("x")}, "goes with --band-gap megnet"),
        ({"min_p_si": 1.0}, "--min-p-si 1"),
        ({"novelty": -1.0}, "--novelty -1"),
        ({"folder": "nothing"}, "no ensemble in nothing"),
        ({"source": "nothing"}, "no such file or folder"),
    ],
)
def test_wrong_options_are_refused_before_any_work(ensemble, tmp_path, given, said):
    with pytest.raises(InputError, match=said):
        run(options(ensemble, tmp_path, **given))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["mine", "mine/out", "."])
def test_results_and_source_lie_apart(ensemble, tmp_path, out):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.cif").write_text("data")
    chosen = options(ensemble, tmp_path, source=str(tmp_path / "mine"), out=tmp_path / out)
    with pytest.raises(InputError, match="must lie apart"):
        run(chosen)
    assert (tmp_path / "mine" / "a.cif").read_text() == "data"


def test_the_materials_project_needs_a_key(ensemble, tmp_path, monkeypatch):
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(InputError, match="needs a key"):
        run(options(ensemble, tmp_path, source="mp"))
    text = run(options(ensemble, tmp_path, source="mp", chemsys=("Li-P-S",), dry_run=True))
    assert "would ask https://api.materialsproject.org for {'chemsys': 'Li-P-S'}" in text


def test_the_script_hands_over_what_it_parsed():
    script = runpy.run_path(str(SCRIPT))
    required = ["--ensemble", "e", "--source", "s"]
    defaults = script["parser"]().parse_args(required)
    assert ScreenOptions.from_command_line(vars(defaults)) == ScreenOptions("e", "s")
    args = script["parser"]().parse_args(
        [*required, "--elements", "Li", "P", "--chemsys", "Li-P", "--top", "7", "--out", "x y"]
    )
    found = ScreenOptions.from_command_line(vars(args))
    assert (found.elements, found.chemsys, found.top) == (("Li", "P"), ("Li-P",), 7)
    assert found.out == Path("x y")


def test_the_command_to_repeat_has_every_option_but_the_key():
    chosen = ScreenOptions(
        "e", "mp", Path("x y"), api_key="secret", chemsys=("Li-P", "Li-S"), min_gap=2.0, fresh=True
    )
    words = chosen.command()
    assert words == (
        "python experiments/screen.py --ensemble e --source mp --out 'x y' --chemsys Li-P Li-S "
        "--min-gap 2.0"
    )
    script = runpy.run_path(str(SCRIPT))
    args = script["parser"]().parse_args(["--ensemble", "e", *words.split(" ")[4:6]])
    assert args.source == "mp"


def test_progress_without_a_terminal_is_plain_lines():
    text = io.StringIO()
    empty = result_schema().empty_table()
    with Progress(Console(file=text), 3, 1) as progress:
        progress._shown -= 60  # as if it were long ago
        progress.advance(ShardResult(0, empty, (Reject(0, "x", "f", "r"),), {}))
        progress.advance(ShardResult(1, empty, (Reject(1, "y", "f", "r"),), {}))
    lines = text.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["screening: 2/3", "screening: 3/3"]
    assert "2 rejected" in lines[1]


@pytest.mark.end_to_end
def test_the_whole_command_runs_on_ray_and_goes_on_where_it_was(ensemble, tmp_path):
    path = write_parquet(tmp_path / "s.parquet", lithium_salts(9), [3.0] * 9)
    chosen = options(ensemble, tmp_path, source=str(path), max_concurrent=2)
    text = run(chosen)
    assert "screening: 9/9" in text
    before = pd.read_parquet(chosen.out / "ranked.parquet")
    (chosen.out / "parts" / "part-000001.parquet").unlink()
    text = run(chosen)
    assert "done before: 2 of 3 shards" in text
    again = pd.read_parquet(chosen.out / "ranked.parquet")
    pd.testing.assert_frame_equal(again, before, rtol=1e-5)


def test_without_the_network_a_line_says_how_to_do_without_its_weights(
    ensemble, tmp_path, monkeypatch
):
    monkeypatch.setenv("SIE_CACHE_DIR", str(tmp_path / "empty"))
    nobody = partial(band_gap.download, "http://127.0.0.1:9/")
    monkeypatch.setattr(band_gap, "download", nobody)
    with pytest.raises(DownloadError, match="--band-gap given or off does without"):
        run(options(ensemble, tmp_path, band_gap="megnet"))
