import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from sie.cli.completion import SHELLS, completion, options_of

SCRIPTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.py"))
ASK = """
source {file}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_sie
echo "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def options():
    parsers = {path.name: runpy.run_path(str(path))["parser"]() for path in SCRIPTS}
    return {name: options_of(parser) for name, parser in parsers.items()}


@pytest.fixture(scope="module")
def ask_bash(options, tmp_path_factory):
    file = tmp_path_factory.mktemp("bash") / "sie.bash"
    file.write_text(completion("bash", options))

    def ask(words):
        code = ASK.format(file=file, words=words)
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return ask


@pytest.mark.parametrize("shell", SHELLS)
def test_the_file_is_valid_and_holds_every_script(shell, options, tmp_path):
    text = completion(shell, options)
    assert all(path.name in text for path in SCRIPTS)
    assert "%(" not in text and "--results" not in text and "--one-of-several" not in text
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    file = tmp_path / "file"
    file.write_text(text)
    subprocess.run([shell, "-n", str(file)], check=True)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("python experiments/loco_search.py --pre", ["--preset", "--pretrained"]),
        (".venv/bin/python /a/b/experiments/loco_search.py --preset q", ["quick"]),
        ("python experiments/screen.py --band-gap ''", ["given", "megnet", "off"]),
        ("python experiments/loco_search.py --mode = rep", ["repeatable"]),
        ("python experiments/loco_search.py --out ''", []),
        ("python experiments/screen.py --band-gap off --min-p", ["--min-p-si"]),
        ("python other.py --pre", []),
        ("python", []),
    ],
)
def test_bash_finds_options_and_values(ask_bash, words, found):
    assert ask_bash(words) == found


def test_fish_finds_options_and_values(options, tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    file = tmp_path / "sie.fish"
    file.write_text(completion("fish", options))
    ask = f'source {file}; complete -C "python experiments/loco_search.py --mode "'
    done = subprocess.run(["fish", "--no-config", "-c", ask], capture_output=True, text=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["fast", "repeatable"]
