"""Explain the score of one crystal: attention of each orbit, and the nearest measured compounds.

Try these:
  python experiments/explain.py candidate.cif --ensemble models:/superionic/1
  python experiments/explain.py candidate.cif --ensemble results/ensemble --neighbours 10
  python experiments/explain.py candidate.cif --ensemble results/ensemble --markdown > why.md
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sie.cli.explain import explain_parser, main
from sie.cli.main import run

if TYPE_CHECKING:
    import argparse


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    return explain_parser(__doc__ or "")


if __name__ == "__main__":
    sys.exit(run(parser(), main))
