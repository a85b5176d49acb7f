"""The report of a screening: one HTML file that needs nothing else, for a screen, paper or phone.

Words and layout only; numbers come from `sie.screening.ranking`, figures from `screening_figures`.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sie.reporting.console import duration
from sie.reporting.html import page, section, table
from sie.screening.ranking import NO_GROUP, Ranking
from sie.screening.record import PREDICTED, STAGES, Speed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MATERIALS_PROJECT = "https://materialsproject.org/materials/"
_MATERIALS_PROJECT_ID = re.compile(r"(?:mp|mvc)-[0-9a-z]+")
MOST_REASONS = 20
SCREEN_DPI = 160


@dataclass(frozen=True)
class Picture:
    """A figure and what it shows, in words for those who cannot see it."""

    figure: Figure
    alt: str
    caption: str


@dataclass(frozen=True)
class Report:
    """What a report tells.

    Attributes
    ----------
    title : str
        Heading.
    ranking : Ranking
        The list and its filters.
    pictures : sequence of Picture
        In their order.
    speed : Speed
        What the screening cost.
    reasons : Mapping[str, int]
        How often which reason left an entry without a score.
    settings : Mapping[str, str]
        Hashes, options, versions by name.
    commands : sequence of str
        What makes this report again.
    notes : sequence of str
        What a reader must know before trusting the list.
    """

    title: str
    ranking: Ranking
    pictures: Sequence[Picture]
    speed: Speed
    reasons: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()
    notes: Sequence[str] = ()


def render(report: Report) -> str:
    """Return a report as one HTML page; every text that came from outside is escaped."""
    ranking = report.ranking
    sections = [
        section("Summary", _summary(report)),
        section("From all entries to candidates", _funnel(ranking)),
        section("Figures", "".join(map(_picture, report.pictures))),
        section(f"The best {len(_top(ranking))}", _top_table(ranking)),
        section("Entries without a score", _rejects(report.reasons)),
        section("Speed", _speed(report.speed)),
        section("Settings", _settings(report.settings)),
        section("How to make this again", _commands(report.commands)),
    ]
    return page(report.title, "".join(sections))


def link(entry: str) -> str:
    """Return an id as HTML: a link where it is one of the Materials Project."""
    shown = escape(entry)
    if not _MATERIALS_PROJECT_ID.fullmatch(entry):
        return shown
    return f'<a href="{MATERIALS_PROJECT}{quote(entry)}">{shown}</a>'


def formula_html(formula: str) -> str:
    """Return a formula with its numbers as subscripts."""
    return re.sub(r"(\d+(?:\.\d+)?)", r"<sub>\1</sub>", escape(formula))


def gap_text(row: Mapping[str, Any]) -> str:
    """Return a band gap in eV, and that it is predicted where it is."""
    gap = float(row["band_gap_eV"])
    origin = " (MEGNet)" if row["band_gap_from"] == PREDICTED else ""
    return f"{gap:.2f}{origin}" if math.isfinite(gap) else "unknown"


def _summary(report: Report) -> str:
    ranking, table = report.ranking, report.ranking.table
    ordered = int(table["ordered"].sum())
    predicted = int((table["band_gap_from"] == PREDICTED).sum())
    facts = [
        (f"{len(table):,}", "crystals scored"),
        (f"{len(ranking.candidates):,}", "pass every filter"),
        (f"{ranking.funnel[-1].kept:,}", "distinct structures among them"),
        (f"{sum(report.reasons.values()):,}", "entries without a score"),
    ]
    cards = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(number)}</dd></div>" for number, what in facts
    )
    lines = [
        f"{ordered:,} of the crystals are ordered, {len(table) - ordered:,} disordered; "
        f"{int(table['intermetallic'].sum()):,} are intermetallic. {predicted:,} band gaps are "
        "MEGNet's, the others were given.",
        "P_SI is the mean over the ensemble's members of the probability that a crystal's ionic "
        "conductivity at room temperature reaches 10⁻⁴ S/cm, ± its standard deviation over them. "
        "Far from the training set (large d_training) it is an extrapolation.",
        *report.notes,
    ]
    return f'<dl class="facts">{cards}</dl>\n' + "".join(f"<p>{escape(x)}</p>\n" for x in lines)


def _funnel(ranking: Ranking) -> str:
    most = max(ranking.funnel[0].kept, 1)
    rows = []
    for step in ranking.funnel:
        share = step.kept / most
        bar = f'<span class="bar" style="width:{100 * share:.2f}%" aria-hidden="true"></span>'
        rows.append([escape(step.name), f"{step.kept:,}", f"{share:.1%}", bar])
    caption = (
        f"Each line counts what passes it and all above. {ranking.n_compared:,} structures, the "
        "best ones, were compared with each other for the last line."
    )
    return table(["filter", "left", "share", ""], rows, caption, numbers={1, 2}, wide={3})


def _top(ranking: Ranking) -> pd.DataFrame:
    """Return what the top table shows: those that pass, or the best where none does."""
    passing = ranking.candidates
    return (passing if len(passing) else ranking.table).head(ranking.filters.top)


def _top_table(ranking: Ranking) -> str:
    columns = ["rank", "id", "formula", "P_SI", "E_g (eV)", "d_training", "most like",
               "space group", "sites", "group", "remarks"]  # fmt: skip
    rows = []
    for row in _top(ranking).to_dict("records"):
        remarks = [
            text
            for text, holds in (
                ("disordered", not row["ordered"]),
                ("intermetallic", row["intermetallic"]),
                ("no anion former", row["lacks_anion_former"] and not row["intermetallic"]),
                ("known composition", not row["novel"]),
            )
            if holds
        ]
        group = row["duplicate_group"]
        rows.append(
            [
                str(row["rank"]),
                link(str(row["id"])),
                formula_html(str(row["reduced_formula"])),
                f"{row['p_si']:.3f} ± {row['p_si_sd']:.3f}",
                escape(gap_text(row)),
                f"{row['d_training']:.2f}",
                formula_html(str(row["closest_known"])),
                escape(str(row["space_group"])),
                str(row["n_sites"]),
                "" if group == NO_GROUP else str(group),
                escape(", ".join(remarks)),
            ]
        )
    caption = (
        "Best first; entries of one group are the same structure. "
        "“Most like” is the training compound with the nearest composition."
        if len(ranking.candidates)
        else "Nothing passes every filter: these are the best of all."
    )
    return table(columns, rows, caption, numbers={0, 3, 4, 5, 8, 9}, wrap={10})


def _rejects(reasons: Mapping[str, int]) -> str:
    if not reasons:
        return "<p>None.</p>\n"
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rows = [[escape(reason), f"{count:,}"] for reason, count in ranked[:MOST_REASONS]]
    left = len(ranked) - MOST_REASONS
    more = f" {left} rarer reasons are not shown." if left > 0 else ""
    caption = f"Each entry with its reason is in rejects.csv.{more}"
    return table(["reason", "entries"], rows, caption, numbers={1})


def _speed(speed: Speed) -> str:
    if not speed.cpu_s:
        return "<p>Nothing was measured.</p>\n"
    rows = [
        [
            escape(title),
            duration(speed.seconds.get(stage, 0.0)),
            f"{1000 * speed.seconds.get(stage, 0.0) / speed.n:.2f} ms",
            f"{speed.share(stage):.1%}",
        ]
        for stage, title in STAGES.items()
    ]
    rows.append(["all", duration(speed.cpu_s), f"{1000 * speed.cpu_s / speed.n:.2f} ms", "100 %"])
    caption = "CPU time by stage, all workers together."
    lines = [speed_line(speed)]
    if speed.wall_s:
        lines.append(
            f"The last run treated {speed.computed:,} entries in {duration(speed.wall_s)} of wall "
            f"time on {speed.workers} worker{'s' * (speed.workers != 1)}: "
            f"{speed.computed / speed.wall_s:.1f} a second."
        )
    text = "".join(f"<p>{escape(line)}</p>\n" for line in lines)
    return text + table(["stage", "CPU time", "a structure", "share"], rows, caption, {1, 2, 3})


def speed_line(speed: Speed) -> str:
    """Return how fast a core is and what a million structures cost, in words."""
    return (
        f"{speed.per_core:.1f} structures per second and core; a million such structures would "
        f"take {speed.core_hours_per_million:,.1f} core hours."
    )


def _settings(settings: Mapping[str, str]) -> str:
    rows = [[escape(name), f"<code>{escape(value)}</code>"] for name, value in settings.items()]
    return table(["setting", "value"], rows, "What determines the numbers.", wrap={1})


def _commands(commands: Iterable[str]) -> str:
    lines = "\n".join(escape(command) for command in commands)
    return f"<pre>{lines}</pre>\n" if lines else ""


def _picture(picture: Picture) -> str:
    data = io.BytesIO()
    picture.figure.savefig(data, format="png", dpi=SCREEN_DPI)
    text = base64.b64encode(data.getvalue()).decode("ascii")
    return (
        f'<figure>\n<img src="data:image/png;base64,{text}" alt="{escape(picture.alt)}">\n'
        f"<figcaption>{escape(picture.caption)}</figcaption>\n</figure>\n"
    )
