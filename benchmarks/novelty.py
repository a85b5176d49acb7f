"""The novelty rule for 10,000 candidates against 600 known compounds, and that it is exact.

    python benchmarks/novelty.py [--candidates N] [--known K] [--checked C] [--json FILE]

Compositions are random: two to six of sixty elements in whole numbers up to 12, half of the
candidates a known one with a little of another element, so that the rule has something to decide.
The first C candidates are decided again by plain loops over compounds and elements, in both
readings of "within 5 %", and must agree.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from sie.screening.novelty import novelty

N_ELEMENTS = 60


def compositions(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw element fractions, shape (n, N_ELEMENTS)."""
    amounts = np.zeros((n, N_ELEMENTS))
    for row in amounts:
        elements = rng.choice(N_ELEMENTS, size=rng.integers(2, 7), replace=False)
        row[elements] = rng.integers(1, 13, size=len(elements))
    return amounts / amounts.sum(axis=1, keepdims=True)


def doped(known: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return known compositions with 0 to 20 % of some element put in."""
    share = rng.uniform(0, 0.2, size=(n, 1))
    dopant = np.eye(N_ELEMENTS)[rng.integers(N_ELEMENTS, size=n)]
    return (1 - share) * known[rng.integers(len(known), size=n)] + share * dopant


def is_novel_by_loops(candidate: np.ndarray, known: np.ndarray, relative: bool) -> bool:
    """Decide one candidate as the rule reads, element by element."""
    for compound in known.tolist():
        limits = [0.05 * b if relative else 0.05 for b in compound]
        pairs = zip(candidate.tolist(), compound, limits, strict=True)
        if all(abs(a - b) <= limit + 1e-9 for a, b, limit in pairs):
            return False
    return True


def main() -> None:
    """Print times of both readings, and stop where the loops decide otherwise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--known", type=int, default=600, help="default: %(default)s")
    parser.add_argument("--checked", type=int, default=500, help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="write the result here too")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    known = compositions(options.known, rng)
    half = options.candidates // 2
    candidates = np.vstack([doped(known, half, rng), compositions(options.candidates - half, rng)])
    candidates = candidates[rng.permutation(len(candidates))]
    rows = []
    for relative in (False, True):
        wall, cpu = time.perf_counter(), time.process_time()
        novel = novelty(candidates, known, relative=relative).novel
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        few = candidates[: options.checked]
        expected = [is_novel_by_loops(row, known, relative) for row in few]
        if novel[: len(few)].tolist() != expected:
            raise SystemExit("the loops decide otherwise")
        row = {
            "rule": "5 % of the fraction itself" if relative else "5 % of all atoms",
            "candidates": len(candidates),
            "known": len(known),
            "novel": int(novel.sum()),
            "equal_to_loops": len(few),
            "seconds_wall": round(wall, 3),
            "seconds_processor": round(cpu, 3),
        }
        rows.append(row)
        print(", ".join(f"{key} {value}" for key, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
