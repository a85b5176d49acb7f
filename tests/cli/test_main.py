import argparse
import json
import logging
import os
import sys
import traceback
import warnings

import pytest
from ray.exceptions import AuthenticationError, GetTimeoutError, RaySystemError, RayTaskError
from ray.tune import TuneError

from sie.cli import arguments
from sie.cli.answer import Answer
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


@pytest.fixture
def parser():
    built = argparse.ArgumentParser(prog="script.py")
    built.add_argument("--trials", type=int, default=3)
    arguments.add_common_options(built)
    return built


def found(args, console):
    console.print("for people")
    sys.stdout.write("from a library")
    return Answer({"trials": args.trials, "kept": dict(args.run_options)}, 1 if args.quiet else 0)


def test_without_json_people_are_answered(parser, capsys):
    assert run(parser, found, []) == 0
    assert "for people" in capsys.readouterr().out


def test_with_json_standard_output_is_one_document(parser, capsys):
    assert run(parser, found, ["--json", "--trials", "5"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["script"], document["exit_code"]) == ("script", 0)
    assert document["options"] == {"trials": 5}
    assert document["result"] == {"trials": 5, "kept": {"trials": 5}}
    assert "for people" in captured.err and "from a library" in captured.err


def test_quiet_says_nothing_and_keeps_the_code(parser, capsys):
    assert run(parser, found, ["--quiet"]) == 1
    assert "for people" not in "".join(capsys.readouterr())


def test_with_json_an_error_is_in_the_document_too(parser, capsys):
    assert run(parser, raising(InputError("wrong key")), ["--json", "--quiet"]) == 2
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["exit_code"], document["error"]) == (2, "wrong key")
    assert captured.err == "error: wrong key\n"


@pytest.mark.parametrize(
    "error",
    [
        RaySystemError("the head is\ngone"),
        GetTimeoutError("the head is\ngone"),
        AuthenticationError("the head is\ngone"),
        TuneError("the head is\ngone"),
    ],
)
def test_what_ray_fails_with_is_one_line_about_ray(parser, capsys, error):
    assert run(parser, raising(error), []) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: Ray failed ({type(error).__name__}: ")
    assert "the head is gone" in line and "path" not in line


def test_of_what_tune_wraps_the_cause_is_said(parser, capsys):
    def main(args, console):
        raise TuneError("a page\nof advice") from RaySystemError("no head")

    assert run(parser, main, []) == 1
    assert "no head" in capsys.readouterr().err


def wrapped(error):
    """As Tune raises what a callback raised: another error with the traceback as its text."""

    def main(args, console):
        try:
            raise error
        except Exception:  # noqa: BLE001 - as Tune does
            raise TuneError(traceback.format_exc())  # noqa: B904 - as Tune does

    return main


def test_what_tune_wraps_of_ours_is_our_line(parser, capsys):
    assert run(parser, wrapped(InputError("wrong key")), []) == 2
    assert capsys.readouterr().err == "error: wrong key\n"


def test_a_bug_that_tune_wraps_is_not_hidden(parser):
    with pytest.raises(TuneError, match="KeyError"):
        run(parser, wrapped(KeyError("a")), [])


def test_a_bug_in_a_worker_is_not_hidden(parser):
    bug = RayTaskError("work", "traceback", ZeroDivisionError()).as_instanceof_cause()
    with pytest.raises(ZeroDivisionError):
        run(parser, raising(bug), [])


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
