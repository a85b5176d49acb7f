"""What a database holds and what was left out, for people and for files.

Counting and wording only; drawing belongs to the reporting room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sie.datasets.assemble import has_lithium
from sie.datasets.duplicates import REASON as DUPLICATE_OF
from sie.datasets.record import SUPERIONIC_SIGMA_S_PER_CM, Database, LeftOut


@dataclass(frozen=True)
class DatabaseReport:
    """Counts of one database.

    Attributes
    ----------
    unique : int or None
        Groups of matching crystals; None where they were not computed.
    class_only : int
        Entries with a class but no conductivity.
    without_lithium : int
        Entries whose crystal has no Li site.
    oxidation : Mapping[str, int]
        Entries by the way their oxidation states were found.
    left_out : Mapping[str, tuple of LeftOut]
        Entries that were left out, by reason, the most frequent reason first.
    """

    name: str
    hash: str
    entries: int
    unique: int | None
    space_groups: int
    ordered: int
    disordered: int
    positive: int
    negative: int
    censored: int
    class_only: int
    without_lithium: int
    oxidation: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, tuple[LeftOut, ...]] = field(default_factory=dict)

    @property
    def n_left_out(self) -> int:
        """Number of entries that were left out."""
        return sum(len(items) for items in self.left_out.values())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        plain = asdict(self)
        plain["oxidation"] = dict(self.oxidation)
        plain["left_out"] = {
            reason: [_plain(item, reason) for item in items]
            for reason, items in self.left_out.items()
        }
        return plain

    def lines(self) -> list[str]:
        """Return the counts as short lines of plain text."""
        texts = [f"{label}: {value}" for label, value in self._facts()]
        texts.append(f"left out: {self.n_left_out}")
        for reason, items in self.left_out.items():
            texts.append(f"  {len(items)} x {reason}{_few(items)}")
        return texts

    def to_markdown(self) -> str:
        """Return the report as Markdown, with every entry that was left out."""
        texts = [f"# Dataset {_escape(self.name)}", "", "| what | count |", "| --- | --- |"]
        texts += [f"| {_escape(label)} | {_escape(value)} |" for label, value in self._facts()[1:]]
        texts += ["", f"## Left out: {self.n_left_out}"]
        for reason, items in self.left_out.items():
            texts += ["", f"### {_escape(reason)} ({len(items)})", ""]
            texts += [
                f"- {_escape(item.id)}"
                + (f": {_escape(item.reason)}" if item.reason != reason else "")
                + (f" ({_escape(item.file)})" if item.file else "")
                for item in items
            ]
        return "\n".join(texts) + "\n"

    def _facts(self) -> list[tuple[str, str]]:
        threshold = f"{SUPERIONIC_SIGMA_S_PER_CM:g} S/cm"
        facts = [
            ("dataset", f"{self.name} ({self.hash})"),
            ("entries", str(self.entries)),
            ("unique structures", "not computed" if self.unique is None else str(self.unique)),
            ("space groups", str(self.space_groups)),
            ("ordered / disordered", f"{self.ordered} / {self.disordered}"),
            (f"positive / negative (from {threshold})", f"{self.positive} / {self.negative}"),
            ("upper bounds only", str(self.censored)),
        ]
        if self.class_only:
            facts.append(("class without conductivity", str(self.class_only)))
        if self.without_lithium:
            facts.append(("without a Li site", str(self.without_lithium)))
        facts += [
            (f"oxidation states: {method}", str(count)) for method, count in self.oxidation.items()
        ]
        return facts


def report(
    database: Database,
    groups: Mapping[str, int] | None = None,
    oxidation: Mapping[str, int] | None = None,
) -> DatabaseReport:
    """Count what a database holds.

    Parameters
    ----------
    database : Database
        The database.
    groups : Mapping, optional
        Group of matching crystals per id (`sie.structures.matching.matching_groups`).
    oxidation : Mapping, optional
        Number of entries by the way their oxidation states were found.
    """
    table = database.table
    ordered, positive = int(table["ordered"].sum()), int(table["label"].sum())
    return DatabaseReport(
        name=database.name,
        hash=database.hash,
        entries=len(database),
        unique=None if groups is None else len({groups[entry] for entry in database.ids}),
        space_groups=int(table["space_group"].nunique()),
        ordered=ordered,
        disordered=len(database) - ordered,
        positive=positive,
        negative=len(database) - positive,
        censored=int(table["censored"].sum()),
        class_only=int(table["sigma_S_per_cm"].isna().sum()),
        without_lithium=sum(not has_lithium(item) for item in database.structures.values()),
        oxidation=dict(oxidation or {}),
        left_out=_by_reason(database.left_out),
    )


def _by_reason(left_out: tuple[LeftOut, ...]) -> dict[str, tuple[LeftOut, ...]]:
    """Group by reason; duplicates are one group, although each names the entry that stays."""
    groups: dict[str, list[LeftOut]] = defaultdict(list)
    for item in left_out:
        duplicate = item.reason.startswith(DUPLICATE_OF)
        groups[f"{DUPLICATE_OF}an entry that stays" if duplicate else item.reason].append(item)
    ranked = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return {reason: tuple(items) for reason, items in ranked}


def _plain(item: LeftOut, reason: str) -> dict[str, str]:
    own = {"reason": item.reason} if item.reason != reason else {}
    return {"id": item.id, "file": item.file, **own}


def _few(items: tuple[LeftOut, ...], most: int = 4) -> str:
    """Name the entries where they are few enough for a line."""
    return f": {', '.join(item.id for item in items)}" if len(items) <= most else ""


def _escape(text: str) -> str:
    """Keep a user's text on one line and out of Markdown's and HTML's grammar."""
    flat = " ".join(text.split())
    for sign in "\\`*_[]<>|#":
        flat = flat.replace(sign, "\\" + sign)
    return flat
