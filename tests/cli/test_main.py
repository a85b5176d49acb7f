import argparse
import logging
import os
import warnings

import pytest

from sie.cli import arguments
from sie.cli.main import INTERRUPTED, run
from sie.errors import DownloadError, InputError


@pytest.fixture(autouse=True)
def process_left_as_it_was(monkeypatch):
    """A script may quieten its whole process; the tests share theirs."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    ours, root = logging.getLogger("sie"), logging.getLogger()
    levels = ours.level, root.level, list(root.handlers)
    with warnings.catch_warnings():
        yield
    ours.setLevel(levels[0])
    root.setLevel(levels[1])
    root.handlers[:] = levels[2]


def raising(error):
    def main(args, console):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("wrong [key]"), 2, "error: wrong [key]"),
        (DownloadError("no answer"), 1, "error: no answer"),
        (KeyboardInterrupt(), INTERRUPTED, "stopped"),
        (OSError(28, "No space left on device", "file"), 1, "No space left on device (file)"),
    ],
)
def test_errors_become_one_line_and_a_code(monkeypatch, capsys, error, code, text):
    monkeypatch.setattr("sys.argv", ["script"])
    parser = argparse.ArgumentParser()
    arguments.add_common_options(parser)
    assert run(parser, raising(error)) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.err.count("\n") == 1


def test_a_bug_is_not_hidden(monkeypatch):
    monkeypatch.setattr("sys.argv", ["script"])
    parser = argparse.ArgumentParser()
    arguments.add_common_options(parser)
    with pytest.raises(ZeroDivisionError):
        run(parser, raising(ZeroDivisionError()))


@pytest.mark.parametrize(("text", "value"), [("V0", 0), ("v3", 3), ("2", 2)])
def test_levels(text, value):
    assert arguments.level(text) == value


@pytest.mark.parametrize("text", ["V4", "-1", "x", ""])
def test_other_levels_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="V0, V1, V2 or V3"):
        arguments.level(text)
