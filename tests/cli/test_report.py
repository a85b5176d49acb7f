import io
import runpy
import shlex
from pathlib import Path

import pytest
from reported_searches import EXPERIMENT, made_search, made_study, write_search
from rich.console import Console

from sie.cli.report import ReportOptions, write_report
from sie.cli.reproduce import reproduction
from sie.errors import InputError, TrackingError
from sie.search.plan import PRESETS, Budget
from sie.search.space import read_space
from sie.tracking.store import open_store

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "experiments" / "report.py"
SPACES = REPOSITORY / "search_spaces"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def run_id(folder):
    return write_search(open_store(None, folder), folder, n=6, repeats=1)


def written(tmp_path, **given):
    text = io.StringIO()
    asked = {"run_options": {"resamplings": 0.0}, **given}
    options = ReportOptions(out=tmp_path / "report.html", resamplings=0.0, **asked)
    path = write_report(options, Console(file=text, width=200))
    assert (tmp_path / "report.run.yaml").read_text().endswith("resamplings: 0.0\n")
    return path.read_text(encoding="utf-8"), text.getvalue()


def test_run_and_experiment_become_the_same_page(run_id, folder, tmp_path):
    one, printed = written(tmp_path, run=run_id, record_folder=folder)
    assert "report of 1 search, 6 trials" in printed and "works offline" in printed
    assert f"--run {run_id}" in one
    other, _ = written(tmp_path, experiment=EXPERIMENT, record_folder=folder)
    body = "</script>\n</head>"
    last = "experiments/report.py"
    assert one.split(body)[1].split(last)[0] == other.split(body)[1].split(last)[0]


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InputError, match=r"there is no MLflow store .*; run a search first"):
        written(tmp_path, run="x", record_folder=tmp_path / "none")
    with pytest.raises(InputError, match="there is no MLflow store"):
        written(tmp_path, run="x", tracking_uri=f"sqlite:///{tmp_path}/none.db")
    assert not list(tmp_path.rglob("*.db"))
    with pytest.raises(TrackingError, match="cannot be reached"):
        written(tmp_path, run="x", tracking_uri="http://127.0.0.1:9")


def test_the_command_names_what_differs_from_the_defaults_and_no_password():
    options = ReportOptions(run="abc", tracking_uri="postgresql://me:secret@host/db", resamplings=2)
    assert options.command() == (
        "python experiments/report.py --run abc --resamplings 2 "
        "--tracking-uri 'postgresql://me:***@host/db'"
    )


def parsed(command):
    script = runpy.run_path(str(REPOSITORY / "experiments" / "loco_search.py"))
    return script["parser"]().parse_args(shlex.split(command)[2:])


def test_the_search_command_is_one_that_the_search_takes():
    again = reproduction(made_study(), SPACES)
    checkout, command = again.commands
    assert checkout == "git checkout abc1234"
    args = parsed(command)
    assert args.cluster == ["0", "1"] and args.dataset == "table" and args.test_set == "official"
    assert (args.representation, args.level, args.trials) == ("CAMN", 1, 24)
    assert (args.top, args.repeats, args.max_epochs, args.max_concurrent) == (2, 3, 160, 2)
    assert args.search_space == "space.yaml" and "n_layers" in again.space_yaml
    assert any("not committed" in note for note in again.notes)
    assert any("a: give --table CSV" in note for note in again.notes)


def test_a_named_space_and_a_preset_are_named():
    space = read_space(SPACES / "quick.yaml")
    search = made_search(space=space)
    for name, value in vars(PRESETS["quick"]).items():
        search.parent.params[f"budget.{name}"] = str(value)
    search.parent.params["dataset"] = "obelix"
    study = made_study()
    again = reproduction(type(study)(EXPERIMENT, (search,)), SPACES, "sqlite:///x.db")
    args = parsed(again.commands[-1])
    assert (args.preset, args.search_space, args.trials) == ("quick", None, None)
    assert (args.dataset, args.tracking_uri) == ("obelix", "sqlite:///x.db")
    assert again.space_yaml == ""
    assert search.budget == PRESETS["quick"] != Budget()


def test_a_space_of_views_says_by_itself_what_is_seen():
    search = made_search(space=read_space(SPACES / "extended.yaml"))
    search.parent.params.update({"representation": "CAMN-V0+CAMNS", "level": "V1+V2"})
    search.parent.params["pretrained"] = "0123456789ab"
    again = reproduction(type(made_study())(EXPERIMENT, (search,)), SPACES)
    assert not {"--representation", "--level", "--pretrained"} & set(again.commands[-1].split())
    assert parsed(again.commands[-1]).search_space == "extended"


def test_the_script_says_what_it_takes(capsys):
    script = runpy.run_path(str(SCRIPT))
    args = script["parser"]().parse_args(["--run", "x", "--resamplings", "0"])
    assert (args.run, args.resamplings) == ("x", 0.0)
    for wrong in (["--run", "x", "--experiment", "y"], [], ["--run", "x", "--resamplings", "-1"]):
        with pytest.raises(SystemExit) as error:
            script["parser"]().parse_args(wrong)
        assert error.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 3
