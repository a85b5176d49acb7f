import json
from pathlib import Path

import pytest
import yaml

from sie.cli import arguments, config_file
from sie.cli.parser import new_parser


@pytest.fixture
def parser():
    built = new_parser("What it does.\n\nTry these:\n  x --trials 3\n")
    built.prog = "x.py"
    target = built.add_mutually_exclusive_group()
    target.add_argument("--cluster", action="append")
    target.add_argument("--run-again")
    built.add_argument("--trials", type=arguments.positive, default=9)
    built.add_argument("--exclude", type=arguments.numbers, default=())
    built.add_argument("--elements", nargs="+")
    built.add_argument("--min-gap", type=float, default=1.0)
    built.add_argument("--weights", default="on")
    built.add_argument("--api-key")
    built.add_argument("--folder", type=Path)
    arguments.add(built, "--level", "--tracking-uri", "--fresh", "--out")
    arguments.add_older_name(built, "--results", "out", type=Path)
    arguments.add_common_options(built)
    return built


@pytest.fixture
def read(parser, tmp_path):
    """Return the options of a file and a command line."""

    def read(text, *words):
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return config_file.parse(parser, ["--config", str(path), *words])

    return read


def test_keys_have_underscores_or_dashes_and_values_their_types(read):
    args = read(
        "cluster: [3, all]\nmin-gap: -2\ntrials: 7\nlevel: V2\nfresh: true\nexclude: [3, 5]\n"
        "elements: [Li, N]\nfolder: a b\n"
    )
    assert (args.cluster, args.min_gap, args.trials, args.level) == (["3", "all"], -2.0, 7, 2)
    assert (args.fresh, args.exclude, args.elements) == (True, (3, 5), ["Li", "N"])
    assert args.folder == Path("a b")


@pytest.mark.parametrize(
    ("text", "value"),
    [("off", "off"), ("007", "007"), ("1e5", "1e5"), ("'x'", "x"), ("a=b", "a=b")],
)
def test_a_value_is_what_is_written(read, text, value):
    assert read(f"weights: {text}").weights == value


@pytest.mark.parametrize("text", ["", "weights:", "weights: null\ncluster: []", "# nothing\n"])
def test_what_is_empty_leaves_the_default(read, text):
    args = read(text)
    assert (args.weights, args.cluster) == ("on", None)


def test_the_command_line_goes_before_the_file(read):
    text = "cluster: [3, 5]\ntrials: 7\nout: there\nelements: [Li]\n"
    args = read(text, "--cluster", "1", "--trials=2", "--elements", "Na", "K")
    assert (args.cluster, args.trials, args.elements) == (["1"], 2, ["Na", "K"])
    assert args.out == Path("there")


def test_the_command_line_replaces_what_cannot_stand_beside_it(read):
    args = read("cluster: 3\nverbose: true\n", "--run-again", "abc", "--quiet")
    assert (args.cluster, args.run_again, args.quiet, args.verbose) == (None, "abc", True, False)


def test_older_names_are_known(read):
    assert read("results: there").out == Path("there")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("level: V1\n\ntrails: 5\n", "run.yaml:3: unknown option trails; did you mean trials?"),
        ("xyzzy: 5\n", "run.yaml:1: unknown option xyzzy; see x.py --help"),
        ("config: other.yaml\n", "run.yaml:1: unknown option config"),
        ("level: V1\ntrials: none\n", "run.yaml:2: trials: must be a whole number, 1 or more"),
        ("trials: [1, 2]\n", "run.yaml:1: trials: must be a whole number, 1 or more, got 1,2"),
        ("fresh: perhaps\n", "run.yaml:1: fresh is true or false, got perhaps"),
        ("min-gap: {a: 1}\n", "run.yaml:1: min-gap takes a value or a list of values"),
        ("out: a\nresults: b\n", "run.yaml:2: results stands there twice"),
        ("min_gap: 1\nmin-gap: 2\n", "run.yaml:2: min-gap stands there twice"),
        ("- trials\n", "run.yaml: must hold options, one a line"),
        ("a: [\n", "run.yaml:2: not valid YAML"),
        ("cluster: 3\nrun_again: x\n", "not allowed with argument --cluster"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(read, capsys, text, line):
    with pytest.raises(SystemExit) as ended:
        read(text)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert line in said


def test_a_file_that_is_not_there_is_one_line(parser, tmp_path, capsys):
    with pytest.raises(SystemExit):
        config_file.parse(parser, ["--config", str(tmp_path / "none.yaml")])
    assert "none.yaml: cannot read it (No such file" in capsys.readouterr().err


def test_help_does_not_read_the_file(parser, capsys):
    with pytest.raises(SystemExit) as ended:
        config_file.parse(parser, ["--config", "none.yaml", "--help"])
    assert ended.value.code == 0
    assert "Try these" in capsys.readouterr().out


def test_a_positional_argument_may_stand_in_the_file(tmp_path):
    built = new_parser("What.\n\nTry: x\n")
    built.add_argument("cif")
    arguments.add_common_options(built)
    path = tmp_path / "run.yaml"
    path.write_text("cif: one.cif\n")
    assert config_file.parse(built, ["--config", str(path)]).cif == "one.cif"
    assert config_file.parse(built, ["--config", str(path), "two.cif"]).cif == "two.cif"


def test_the_resolved_options_are_a_file_for_the_same_command(parser, read):
    words = ["--cluster", "3", "--cluster", "5", "--exclude", "1,2", "--elements", "Li", "P"]
    words += ["--fresh", "--min-gap=-0.5", "--out", "there", "--weights", "off", "--level", "V0"]
    words += ["--json", "--verbose"]
    args = config_file.parse(parser, words)
    kept = config_file.resolved(parser, args)
    again = read(config_file.as_yaml(kept), "--json", "--verbose")
    again.config = None
    assert vars(again) == vars(args)


def test_secrets_and_what_is_no_part_of_the_run_are_left_out(parser):
    words = ["--api-key", "KEY12345", "--tracking-uri", "postgresql://me:secret@host/db", "--quiet"]
    text = config_file.as_yaml(config_file.resolved(parser, config_file.parse(parser, words)))
    assert "KEY12345" not in text and "secret" not in text
    content = yaml.safe_load(text)
    assert content["tracking_uri"] == "postgresql://me:***@host/db"
    assert content.keys().isdisjoint({"quiet", "json", "verbose", "config", "dry_run", "results"})
    assert content["trials"] == 9 and json.dumps(content)
