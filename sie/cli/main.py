"""From a script's main function to an exit code: one clear line for every error.

0: done; 1: could not be done; 2: the user's mistake; 130: stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sie.cli import config_file
from sie.cli.answer import Answer, stdout_for_answer
from sie.errors import SieError
from sie.secrets import RedactingFormatter, redacted

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130

_OF_RAY = {"ray.exceptions.RayError", "ray.tune.error.TuneError"}
_OF_A_WORKER = "ray.exceptions.RayTaskError"

Main = Callable[[argparse.Namespace, "Console"], "int | Answer"]


def run(parser: argparse.ArgumentParser, main: Main, words: Sequence[str] | None = None) -> int:
    """Parse the command line, run `main` and return the exit code.

    `main` finds in the arguments, besides the options, `run_options`: all of them as they stand in
    a file for --config, to be kept with the results.
    """
    args = config_file.parse(parser, sys.argv[1:] if words is None else words)
    args.run_options = options = config_file.resolved(parser, args)
    _quieten(args.verbose)
    from rich.console import Console

    console = Console(stderr=args.json, quiet=args.quiet)
    if not args.json:
        return _guarded(main, args, console).exit_code
    with stdout_for_answer() as answer_to:
        answer = _guarded(main, args, console)
        answer_to.write(answer.as_json(Path(parser.prog).stem, options) + "\n")
        answer_to.flush()
    return answer.exit_code


def _guarded(main: Main, args: argparse.Namespace, console: Console) -> Answer:
    """Run `main`; turn what it raises on purpose into a line and a code."""
    try:
        answer = main(args, console)
        return answer if isinstance(answer, Answer) else Answer(exit_code=answer)
    except SieError as error:
        return _failed(redacted(str(error)), error.exit_code)
    except ModuleNotFoundError as error:
        return _failed(
            f"{error.name} is not installed; pip install '.[search]', or '.[screen]' to screen only"
        )
    except KeyboardInterrupt:
        _say("stopped", "yellow")
        return Answer(exit_code=INTERRUPTED, error="stopped")
    except OSError as error:
        if _is_rays(error):
            return _failed(_ray_line(error))
        where = f" ({error.filename})" if error.filename else ""
        what = f"{error.strerror or error}{where}; check the path, its rights and free space"
        return _failed(what)
    except Exception as error:
        cause = _unwrapped(error)
        if isinstance(cause, SieError):
            return _failed(redacted(str(cause)), cause.exit_code)
        if not _is_rays(cause):
            raise
        return _failed(_ray_line(cause))


def _unwrapped(error: BaseException) -> BaseException:
    """Return what Tune has made an error of its own of."""
    while type(error).__name__ == "TuneError" and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__ or error
    return error


def _is_rays(error: BaseException) -> bool:
    """Return whether Ray itself failed, not code of ours in one of its workers."""
    # by name: Ray takes seconds to import, and most commands do without
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return bool(kinds & _OF_RAY) and _OF_A_WORKER not in kinds


def _ray_line(error: BaseException) -> str:
    text = " ".join(redacted(str(error)).split())[:200]
    return (
        f"Ray failed ({type(error).__name__}: {text}); look whether its head and nodes are up, "
        "then give the same command again"
    )


def _failed(text: str, code: int = SieError.exit_code) -> Answer:
    _say(f"error: {text}", "red")
    return Answer(exit_code=code, error=text)


def _say(line: str, style: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(line, style=style, markup=False, highlight=False, soft_wrap=True)


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
