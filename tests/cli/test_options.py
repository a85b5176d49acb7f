"""All scripts against each other and against docs/cli.md: the same names, the same meaning."""

import re
import runpy
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from sie.cli.arguments import SHARED
from sie.cli.main import INTERRUPTED
from sie.cli.parser import actions_of, is_shown
from sie.errors import InputError, SieError

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "experiments").glob("*.py"))
DOCS = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
COMMON = {"--config", "--json", "--quiet", "--verbose"}
QUICK = {"compare.py", "explain.py", "report.py", "completion.py"}
"""Done in seconds: a plan of them would take as long as they do."""

HEAVY = (
    "tensorflow",
    "ray",
    "mlflow",
    "pymatgen",
    "pandas",
    "numpy",
    "sklearn",
    "matplotlib",
    "rich",
)
IMPORTING = f"""
import runpy, sys
for script in sys.argv[1:]:
    runpy.run_path(script)["parser"]().format_help()
    print(script, [name for name in {HEAVY} if name in sys.modules])
"""


@pytest.fixture(scope="module")
def options():
    """Every shown option by script and name."""
    found = {}
    for path in SCRIPTS:
        parser = runpy.run_path(str(path))["parser"]()
        shown = [action for action in actions_of(parser) if is_shown(action)]
        found[path.name] = {
            name: action for action in shown for name in action.option_strings or [action.dest]
        }
    return found


def section(title):
    return DOCS.split(f"\n## {title}\n")[1].split("\n## ")[0]


def documented(title):
    """Return the options or scripts in the first column of a section's table."""
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([\w.-]+)", row)]


def test_one_name_has_one_meaning_unless_the_docs_say_why_not(options):
    meanings = defaultdict(set)
    for own in options.values():
        for name, action in own.items():
            meanings[name].add(
                (repr(action.default), action.type, repr(action.choices), repr(action.metavar),
                 action.help, action.nargs, type(action))
            )  # fmt: skip
    differing = {name for name, found in meanings.items() if len(found) > 1}
    assert differing == set(documented("Where scripts differ"))


def test_shared_options_are_shared(options):
    used = {name for own in options.values() for name in own}
    assert set(SHARED) <= used


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_has_the_common_options_and_says_its_defaults(options, script):
    own = options[script.name]
    assert set(own) >= COMMON
    assert ("--dry-run" in own) == (script.name not in QUICK)
    for name, action in own.items():
        assert action.help and not action.help.endswith("."), name
        if action.default not in (None, False, (), []):
            assert "default" in action.help, f"{name} does not say its default"


def test_no_parser_imports_what_is_slow():
    """What keeps --help under a second."""
    words = [sys.executable, "-c", IMPORTING, *map(str, SCRIPTS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert len(lines) == len(SCRIPTS)
    assert [line for line in lines if not line.endswith("[]")] == []


def test_the_docs_name_every_script_and_exit_code(options):
    assert sorted(documented("The scripts")) == sorted(options)
    codes = re.findall(r"^\| (\d+) \|", section("Exit codes"), flags=re.MULTILINE)
    assert set(map(int, codes)) == {0, SieError.exit_code, InputError.exit_code, INTERRUPTED}
    assert set(documented("What every script has")) >= COMMON
    dry = {
        row.split("`")[1]: "| yes |" in row
        for row in section("The scripts").splitlines()
        if row.startswith("| `")
    }
    assert dry == {name: "--dry-run" in own for name, own in options.items()}


def test_the_docs_say_what_every_script_answers(options):
    answers = section("Results for programs")
    study = {"kfold.py", "ordered.py", "baselines.py", "loco_grid.py", "transfer.py",
             "split_statistics.py"}  # fmt: skip
    assert all(f"| `{name}`" in answers for name in set(options) - study)
