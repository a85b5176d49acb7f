"""Explain the score of one crystal: attention of each orbit, and the nearest measured compounds.

Try these:
  python experiments/explain.py candidate.cif --ensemble models:/superionic/1
  python experiments/explain.py candidate.cif --ensemble results/ensemble --neighbours 10
  python experiments/explain.py candidate.cif --ensemble results/ensemble --markdown > why.md
"""

from __future__ import annotations

import sys

from sie.cli.explain import main, parser
from sie.cli.main import run

if __name__ == "__main__":
    sys.exit(run(parser(__doc__ or ""), main))
