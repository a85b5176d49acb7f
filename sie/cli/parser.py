"""The command line's parser: help with examples, and one line for a mistake.

Which options there are is decided in `arguments` and by the scripts.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from typing import NoReturn

MISTAKE = 2
"""Exit code of a command line or a file of options that cannot be used."""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with a guess at what was meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 after one line: what is wrong, what to do."""
        hints = [hint for word in message.split() if (hint := self._meant(word))]
        did_you_mean = f"; did you mean {hints[0]}?" if hints else ""
        self.exit(MISTAKE, f"error: {message}{did_you_mean} (see {self.prog} --help)\n")

    def _meant(self, word: str) -> str | None:
        if not word.startswith("--") or word in self._option_string_actions:
            return None
        name = word.partition("=")[0]
        close = difflib.get_close_matches(name, self._option_string_actions, n=1, cutoff=0.7)
        return close[0] if close else None


def new_parser(documentation: str) -> OneLineParser:
    """Return a parser from a script's docstring: a summary, a blank line, examples."""
    summary, examples = documentation.split("\n\n", 1)
    return OneLineParser(
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser takes, but for --help: options and positional arguments."""
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction):
            yield action


def is_shown(action: argparse.Action) -> bool:
    """Return whether --help shows an option: older names and those of sie itself it does not."""
    return action.help is not argparse.SUPPRESS


def name_of(action: argparse.Action) -> str:
    """Return what an option is called, without dashes before it."""
    long = [text for text in action.option_strings if text.startswith("--")]
    return long[0][2:] if long else action.dest


def exclusive_with(parser: argparse.ArgumentParser, dest: str) -> set[str]:
    """Return the destinations that cannot be given together with this one."""
    groups = [
        {action.dest for action in group._group_actions}
        for group in parser._mutually_exclusive_groups
    ]
    return set().union(*(group for group in groups if dest in group)) - {dest}
