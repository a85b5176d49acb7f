"""Feeds the readers of CIF, CSV, YAML, JSON, Parquet and tar files with broken input.

Every input follows from target, seed and number, so a finding can be made again:

    python benchmarks/fuzz.py --inputs 100000 --seed 1          # `make fuzz`
    python benchmarks/fuzz.py --target cif --seed 1 --only 4711
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import random
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from fuzz_targets import TARGETS, Target  # noqa: E402

SLOW_S = 5.0
"""Processor time of a reader above which an input is a finding; the largest is a few kB."""

HANGS_S = 90


class Hang(BaseException):
    """An input has not been read after a minute and a half."""


@dataclass
class Findings:
    """What came out of one target."""

    n: int = 0
    accepted: int = 0
    slowest_s: float = 0.0
    seconds: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[int]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "inputs": self.n,
            "accepted": self.accepted,
            "kinds_of_refusals": len(self.refusals),
            "slowest_s": round(self.slowest_s, 3),
            "seconds": round(self.seconds, 1),
            "findings": {what: {"times": len(n), "first": n[0]} for what, n in self.broken.items()},
        }


def mutated(target: Target, seed: int, number: int) -> bytes:
    """Return the input of a number: a seed file, changed in one to eight ways."""
    dice = random.Random(f"{target.name} {seed} {number}")
    data = dice.choice(target.seeds)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 4, 6, 8))):
        data = dice.choice(MUTATIONS if not target.binary else BINARY)(data, dice, target)
    return data[: target.most_bytes]


def _place(data: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + int(dice.expovariate(1 / 8)))


def _cut(data: bytes, dice: random.Random, target: Target) -> bytes:
    start, end = _place(data, dice)
    return data[:start] + data[end:]


def _insert(data: bytes, dice: random.Random, target: Target) -> bytes:
    start, _ = _place(data, dice)
    return data[:start] + dice.choice(target.tokens) + data[start:]


def _replace(data: bytes, dice: random.Random, target: Target) -> bytes:
    start, end = _place(data, dice)
    return data[:start] + dice.choice(target.tokens) + data[end:]


def _flip(data: bytes, dice: random.Random, target: Target) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 4))):
        if changed:
            changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def _repeat(data: bytes, dice: random.Random, target: Target) -> bytes:
    start, end = _place(data, dice)
    return data[:start] + data[start:end] * dice.choice((2, 3, 50, 400)) + data[end:]


def _word(data: bytes, dice: random.Random, target: Target) -> bytes:
    """Put something else in the place of a whole word or number: the cell of a table."""
    words = list(re.finditer(rb"[^\s,;:\[\]{}]+", data))
    if not words:
        return dice.choice(target.tokens)
    found = dice.choice(words)
    return data[: found.start()] + dice.choice(target.tokens) + data[found.end() :]


def _lines(data: bytes, dice: random.Random, target: Target) -> bytes:
    """Leave out, double or exchange lines."""
    lines = data.split(b"\n")
    i, j = dice.randrange(len(lines)), dice.randrange(len(lines))
    what = dice.randrange(3)
    if what == 0:
        del lines[i]
    elif what == 1:
        lines.insert(j, lines[i])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _splice(data: bytes, dice: random.Random, target: Target) -> bytes:
    other = dice.choice(target.seeds)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


MUTATIONS = (_cut, _insert, _replace, _flip, _repeat, _word, _word, _word, _lines, _splice)
BINARY = (_cut, _flip, _flip, _flip, _repeat, _insert, _splice)


def run(target: Target, seed: int, numbers: Iterator[int] | range, folder: Path) -> Findings:
    """Feed a target; whatever is no refusal on purpose is a finding.

    The inputs of the first finding of each kind are kept in the folder.
    """
    found = Findings()
    with tempfile.TemporaryDirectory(prefix="sie-fuzz-") as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        work = Path(temporary)
        for number in numbers:
            data = mutated(target, seed, number)
            begin = time.thread_time()
            what = _outcome(target, data, work, found)
            spent = time.thread_time() - begin
            found.n += 1
            found.seconds += spent
            found.slowest_s = max(found.slowest_s, spent)
            if spent > SLOW_S and what is None:
                what = f"slow: more than {SLOW_S:g} s"
            if what is not None:
                found.broken.setdefault(what, []).append(number)
                if len(found.broken[what]) == 1:
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{target.name}-{seed}-{number}{target.suffix}").write_bytes(data)
    return found


def _outcome(target: Target, data: bytes, work: Path, found: Findings) -> str | None:
    """Return what is wrong with how an input was taken, None if nothing is."""
    try:
        target.read(data, work)
    except target.refusal as refusal:
        message = str(refusal)
        if "\n" in message or "\r" in message or len(message) > 1500:
            return "a message of several lines" if len(message) < 1500 else "a message of pages"
        found.refusals[re.sub(r"\d+|'.*?'", "#", message)[-60:]] += 1
        return None
    except Hang:
        return "hangs"
    except Exception as error:  # noqa: BLE001 - what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/sie/" in frame.filename] or list(frames)
        last = ours[-1]
        text = re.sub(r"\d+|'.*?'|0x\w+", "#", " ".join(str(error).split()))
        return f"{type(error).__name__} by {Path(last.filename).name}, {last.name}: {text}"[:120]
    found.accepted += 1
    return None


def _stop(number: int, frame: Any) -> None:
    raise Hang


def main() -> int:
    """Run the targets and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=TARGETS, help="one of them only")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one input, with its traceback")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "fuzz")
    args = parser.parse_args()
    faulthandler.enable()
    logging.getLogger("sie").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGALRM, _stop)
    chosen = [TARGETS[args.target]] if args.target else list(TARGETS.values())
    if args.only is not None:
        data = mutated(chosen[0], args.seed, args.only)
        print(data.decode("utf-8", "replace")[:4000])
        with tempfile.TemporaryDirectory() as work:
            print(chosen[0].read(data, Path(work)))
        return 0
    shares = sum(target.share for target in chosen)
    report: dict[str, Any] = {"seed": args.seed, "targets": {}}
    for target in chosen:
        n = round(args.inputs * target.share / shares)
        found = run(target, args.seed, _watched(n, target.name), args.out)
        signal.setitimer(signal.ITIMER_REAL, 0)
        plain = report["targets"][target.name] = found.plain()
        print(f"{target.name:14} " + json.dumps(plain), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "fuzz.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    broken = sum(len(plain["findings"]) for plain in report["targets"].values())
    total = sum(plain["inputs"] for plain in report["targets"].values())
    print(f"{total} inputs, {broken} kinds of findings; {args.out / 'fuzz.json'}")
    return int(broken > 0)


def _watched(n: int, name: str) -> Iterator[int]:
    for number in range(n):
        signal.setitimer(signal.ITIMER_REAL, HANGS_S)
        if sys.stderr.isatty() and number % 100 == 0:
            print(f"\r{name} {number} of {n}", end="\r", file=sys.stderr)
        yield number


if __name__ == "__main__":
    raise SystemExit(main())
