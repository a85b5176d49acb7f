"""Options from a file, overridden by the command line, and back: --config and run.yaml.

A key is an option's name with underscores or dashes. Values are read as they are written, and
treated as if they stood on the command line; so both have the same rules.
"""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sie.cli.parser import MISTAKE, OneLineParser, actions_of, exclusive_with, is_shown, name_of
from sie.secrets import hidden

if TYPE_CHECKING:
    from sie.tracking.recorder import Recorder

RUN_YAML = "run.yaml"
MAX_BYTES = 100_000
NOT_OF_THE_RUN = ("config", "json", "quiet", "verbose", "dry_run")
"""Left out of the resolved file: they say how a run is shown, or that there is none."""

SECRET = ("api_key",)
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NOTHING = ("", "null", "~")
"""A key with such a value is as good as absent."""


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line and of the file that its --config names.

    Exits with code 2 after one line when one of them cannot be used.
    """
    if {"-h", "--help"}.isdisjoint(words):
        given = _given(parser, words)
        if "config" in given:
            # behind the file's words, so that a value of the command line is the last one
            words = [*_words_of_file(parser, Path(given["config"]), set(given)), *words]
    return parser.parse_args(words)


def resolved(parser: argparse.ArgumentParser, args: argparse.Namespace) -> dict[str, Any]:
    """Return every option of a run by its name in a file, with plain values and no secrets."""
    options = {}
    for action in actions_of(parser):
        if not is_shown(action) or action.dest in (*NOT_OF_THE_RUN, *SECRET):
            continue
        value = getattr(args, action.dest, None)
        options[name_of(action).replace("-", "_")] = _plain(value)
    return options


def as_yaml(options: Mapping[str, Any]) -> str:
    """Return options as a file for --config; JSON's values are YAML too."""
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in options.items()]
    return "\n".join(["# every option of this run; to run it again: --config run.yaml", *lines, ""])


def log_options(recorder: Recorder, run_id: str, options: Mapping[str, Any]) -> None:
    """Keep the options of a command as an artifact of a run; those called from Python have none."""
    if options:
        recorder.save_text(run_id, as_yaml(options), RUN_YAML)


def write_options(path: Path, options: Mapping[str, Any]) -> None:
    """Keep the options of a command beside its results, where it makes no run."""
    from sie.files import write_text

    if options:
        write_text(path, as_yaml(options))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return hidden(str(value))


def _given(parser: argparse.ArgumentParser, words: Sequence[str]) -> dict[str, Any]:
    """Return what stands on the command line itself, by destination, unchecked."""
    probe = OneLineParser(prog=parser.prog, add_help=False, allow_abbrev=False)
    for action in actions_of(parser):
        how: dict[str, Any] = {"default": argparse.SUPPRESS}
        if not action.option_strings:
            probe.add_argument(action.dest, nargs="?", **how)
        elif action.nargs == 0:
            probe.add_argument(*action.option_strings, dest=action.dest, action="store_true", **how)
        else:
            how["nargs"] = action.nargs
            probe.add_argument(*action.option_strings, dest=action.dest, **how)
    return vars(probe.parse_known_args(list(words))[0])


def _words_of_file(parser: argparse.ArgumentParser, path: Path, given: set[str]) -> list[str]:
    """Return a file's options as words, without those that the command line replaces."""
    replaced = given.union(*(exclusive_with(parser, dest) for dest in given))
    options: list[str] = []
    free: list[str] = []
    seen: set[str] = set()
    for key, value, where in _entries(parser, path):
        action = _action(parser, key, where)
        if action.dest in seen:
            _refuse(parser, f"{where}: {key} stands there twice, or with an older name")
        seen.add(action.dest)
        if action.dest in replaced:
            continue
        words = _words(parser, action, key, value, where)
        (options if action.option_strings else free).extend(words)
    return [*options, *free]


def _entries(parser: argparse.ArgumentParser, path: Path) -> list[tuple[str, Any, str]]:
    """Return key, value and place of every entry of a file."""
    import yaml

    from sie.bounded_yaml import load_bounded
    from sie.reading import TooLarge, lines_of, read_bytes

    try:
        content, lines = load_bounded(lines_of(read_bytes(path, MAX_BYTES)), as_text=True)
    except (OSError, TooLarge, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        _refuse(parser, f"--config {path}: cannot read it ({reason})")
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        _refuse(parser, f"{where}: not valid YAML: {' '.join(problem.split())}")
    if content in (None, ""):
        return []
    if not isinstance(content, dict):
        _refuse(parser, f"{path}: must hold options, one a line, such as dataset: starter")
    return [(str(k), v, f"{path}:{lines.get((str(k),), 1)}") for k, v in content.items()]


def _action(parser: argparse.ArgumentParser, key: str, where: str) -> argparse.Action:
    """Return what a key stands for."""
    known = {
        name.lstrip("-").replace("-", "_"): action
        for action in actions_of(parser)
        for name in (action.option_strings or [action.dest])
        if action.dest != "config"
    }
    name = key.replace("-", "_")
    if name not in known:
        shown = [text for text, action in known.items() if is_shown(action)]
        near = difflib.get_close_matches(name, shown, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"see {parser.prog} --help"
        _refuse(parser, f"{where}: unknown option {key[:80]}; {hint}")
    return known[name]


def _words(
    parser: argparse.ArgumentParser, action: argparse.Action, key: str, value: Any, where: str
) -> list[str]:
    """Return what would stand on the command line for a key and its value."""
    several = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in several):
        _refuse(parser, f"{where}: {key} takes a value or a list of values, nothing nested")
    if not isinstance(value, list) and value.lower() in NOTHING:
        return []
    option = action.option_strings[0] if action.option_strings else ""
    if action.nargs == 0:
        truth = TRUTHS.get(str(value).lower())
        if truth is None:
            _refuse(parser, f"{where}: {key} is true or false, got {value}")
        return [option] if truth else []
    if action.nargs not in (None, "?"):
        for item in several:
            _check(parser, action, item, key, where)
        return [option, *several] if several else []
    if isinstance(action, argparse._AppendAction):
        for item in several:
            _check(parser, action, item, key, where)
        return [f"{option}={item}" for item in several]
    if not several:
        return []
    text = ",".join(several)
    _check(parser, action, text, key, where)
    return [f"{option}={text}" if option else text]


def _check(
    parser: argparse.ArgumentParser, action: argparse.Action, text: str, key: str, where: str
) -> None:
    """Refuse a value that the option does not take, naming its place in the file."""
    try:
        parser._check_value(action, parser._get_value(action, text))
    except argparse.ArgumentError as error:
        _refuse(parser, f"{where}: {key}: {error.message}")


def _refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    parser.exit(MISTAKE, f"error: {message}\n")
