import runpy
from pathlib import Path

import pytest

from sie.cli.parser import new_parser

SCRIPTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.py"))


@pytest.fixture
def parser():
    built = new_parser("What it does.\n\nTry these:\n  x --cluster 3\n")
    built.add_argument("--cluster", type=int)
    return built


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--cluser", "3"], "unrecognized arguments: --cluser 3; did you mean --cluster?"),
        (["--cluser=3"], "unrecognized arguments: --cluser=3; did you mean --cluster?"),
        (["--cluster", "x"], "argument --cluster: invalid int value: 'x'"),
        (["--nothing-like-it"], "unrecognized arguments: --nothing-like-it"),
        (["--clus", "3"], "unrecognized arguments: --clus 3"),
    ],
)
def test_a_mistake_is_one_line(parser, capsys, words, line):
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {line}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_has_help_with_examples(script, capsys):
    parser = runpy.run_path(str(script))["parser"]()
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    said = capsys.readouterr().out
    assert f"python experiments/{script.name}" in said
    with pytest.raises(SystemExit):
        parser.parse_args(["--no-such-option"])
    assert capsys.readouterr().err.count("\n") == 1
