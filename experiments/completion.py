"""Write the completion of all scripts' options for bash, zsh or fish.

Try these:
  source <(python experiments/completion.py bash)
  python experiments/completion.py bash > ~/.sie-completion.bash
  source <(python experiments/completion.py zsh)
  python experiments/completion.py fish | source

TAB then completes options and their values behind python experiments/loco_search.py and the
others. Write the file anew after an update.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sie.cli import arguments
from sie.cli.answer import Answer
from sie.cli.main import run
from sie.cli.parser import new_parser

if TYPE_CHECKING:
    from rich.console import Console


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    built = new_parser(__doc__ or "")
    built.add_argument("shell", choices=("bash", "zsh", "fish"), help="what reads it")
    arguments.add_common_options(built)
    return built


def main(args: argparse.Namespace, console: Console) -> Answer:
    """Ask every script for its options and print the file."""
    from sie.cli.completion import completion, options_of

    scripts = sorted(Path(__file__).parent.glob("*.py"))
    parsers = {path.name: runpy.run_path(str(path))["parser"]() for path in scripts}
    text = completion(args.shell, {name: options_of(made) for name, made in parsers.items()})
    console.out(text, highlight=False, end="")
    return Answer({"shell": args.shell, "text": text})


if __name__ == "__main__":
    sys.exit(run(parser(), main))
