"""The command line's parser: help with examples, and one line for a mistake.

Which options there are is decided in `arguments` and by the scripts.
"""

from __future__ import annotations

import argparse
import difflib
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with a guess at what was meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 after one line: what is wrong, what to do."""
        hints = [hint for word in message.split() if (hint := self._meant(word))]
        did_you_mean = f"; did you mean {hints[0]}?" if hints else ""
        self.exit(2, f"error: {message}{did_you_mean} (see {self.prog} --help)\n")

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
