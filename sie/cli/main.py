"""From a script's main function to an exit code: one clear line for every error.

0: done; 1: could not be done; 2: the user's mistake; 130: stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from sie.errors import SieError
from sie.secrets import RedactingFormatter, redacted

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130


def run(parser: argparse.ArgumentParser, main: Callable[[argparse.Namespace, Console], int]) -> int:
    """Parse the command line, run `main` and return the exit code."""
    args = parser.parse_args()
    _quieten(args.verbose)
    from rich.console import Console

    console, errors = Console(), Console(stderr=True)
    try:
        return main(args, console)
    except SieError as error:
        line = f"error: {redacted(str(error))}"
        errors.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
        return error.exit_code
    except ModuleNotFoundError as error:
        errors.print(
            f"error: {error.name} is not installed; pip install '.[search]', or '.[screen]' to "
            "screen only",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return SieError.exit_code
    except KeyboardInterrupt:
        errors.print("stopped", style="yellow")
        return INTERRUPTED
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        errors.print(
            f"error: {error.strerror or error}{where}; check the path, its rights and free space",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return SieError.exit_code


def _quieten(verbose: bool) -> None:
    """Keep the libraries' own messages off the screen, unless asked for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, handlers=[handler])
    logging.getLogger("sie").setLevel(logging.INFO if verbose else logging.WARNING)
    if not verbose:
        warnings.simplefilter("ignore")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
