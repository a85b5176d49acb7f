"""`make drills`: runs the drills, prints the table, writes drills.json.

What is broken, and how, is in the drills' own modules; `pytest -m faults` runs the same.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from faults.lab import Lab
from faults.suite import DRILLS, Row, markdown, read, run_drill, table, write
from rich.console import Console


def main() -> int:
    """Run the chosen drills; 0 when nothing was lost, doubled or remarkable."""
    names = [drill.name for drill in DRILLS]
    parser = argparse.ArgumentParser(prog="make drills", description="fault drills")
    parser.add_argument("--only", nargs="+", choices=names, help="these drills, by default all")
    parser.add_argument("--times", type=int, help="faults of each drill; by default 1 to 20")
    parser.add_argument("--seed", type=int, default=6, help="of random moments and victims")
    parser.add_argument("--add", action="store_true", help="to what the output says of this code")
    parser.add_argument("--no-calm", action="store_true", help="no search undisturbed, no cost")
    parser.add_argument("--output", type=Path, default=Path("results/drills.json"))
    parser.add_argument("--folder", type=Path, help="keep searches and their output here")
    parser.add_argument("--markdown", type=Path, help="write the table of docs/drills.md here")
    args = parser.parse_args()
    # in the background of a script it is ignored, and so would the searches inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="sie-drills-", ignore_cleanup_errors=True) as temporary:
        root = (args.folder or Path(temporary)).resolve()
        root.mkdir(parents=True, exist_ok=True)
        lab, rows, written = Lab(root, measure=not args.no_calm), [], []

        def save(row: Row) -> list[dict[str, Any]]:
            # after every search: twenty kills of the driver take long, and may be cut short
            return write(args.output, [*rows, row], lab.calm_seconds)

        known = read(args.output) if args.add else {}
        for drill in (drill for drill in DRILLS if drill.name in (args.only or names)):
            row = run_drill(drill, lab, args.seed, args.times, known.get(drill.name), save)
            written = save(row)
            rows.append(row)
            said = f"skipped: {row.skipped}" if row.skipped else ""
            said = said or f"{row.times} times, {row.lost} lost, {row.doubled} doubled"
            console.print(f"{drill.fault}: {said}", highlight=False, soft_wrap=True)
            for remark in row.remarks:
                console.print(f"  {remark}", markup=False, highlight=False, soft_wrap=True)
    if args.markdown:
        args.markdown.write_text(markdown(written) + "\n")
    console.print(table(written), highlight=False)
    console.print(f"written to {args.output}", highlight=False)
    return 0 if all(row.sound for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
