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
        _section("Summary", _summary(report)),
        _section("From all entries to candidates", _funnel(ranking)),
        _section("Figures", "".join(map(_picture, report.pictures))),
        _section(f"The best {len(_top(ranking))}", _top_table(ranking)),
        _section("Entries without a score", _rejects(report.reasons)),
        _section("Speed", _speed(report.speed)),
        _section("Settings", _settings(report.settings)),
        _section("How to make this again", _commands(report.commands)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{escape(report.title)}</h1>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


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


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}</section>\n" if body else ""


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
        "P_SI is the mean over the ensemble's networks of the probability that a crystal's ionic "
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
    return _table(["filter", "left", "share", ""], rows, caption, numbers={1, 2}, wide={3})


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
    return _table(columns, rows, caption, numbers={0, 3, 4, 5, 8, 9}, wrap={10})


def _rejects(reasons: Mapping[str, int]) -> str:
    if not reasons:
        return "<p>None.</p>\n"
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rows = [[escape(reason), f"{count:,}"] for reason, count in ranked[:MOST_REASONS]]
    left = len(ranked) - MOST_REASONS
    more = f" {left} rarer reasons are not shown." if left > 0 else ""
    caption = f"Each entry with its reason is in rejects.csv.{more}"
    return _table(["reason", "entries"], rows, caption, numbers={1})


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
    return text + _table(["stage", "CPU time", "a structure", "share"], rows, caption, {1, 2, 3})


def speed_line(speed: Speed) -> str:
    """Return how fast a core is and what a million structures cost, in words."""
    return (
        f"{speed.per_core:.1f} structures per second and core; a million such structures would "
        f"take {speed.core_hours_per_million:,.1f} core hours."
    )


def _settings(settings: Mapping[str, str]) -> str:
    rows = [[escape(name), f"<code>{escape(value)}</code>"] for name, value in settings.items()]
    return _table(["setting", "value"], rows, "What determines the numbers.", wrap={1})


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


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    numbers: Iterable[int] = (),
    wide: Iterable[int] = (),
    wrap: Iterable[int] = (),
) -> str:
    """Return a table whose cells are HTML already; its headings and caption are text."""
    kinds = dict.fromkeys(numbers, "n") | dict.fromkeys(wide, "w") | dict.fromkeys(wrap, "t")

    def cell(tag: str, i: int, text: str, scope: str = "") -> str:
        kind = f' class="{kinds[i]}"' if i in kinds else ""
        return f"<{tag}{scope}{kind}>{text}</{tag}>"

    head = "".join(cell("th", i, escape(c), ' scope="col"') for i, c in enumerate(columns))
    body = "".join(
        f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>\n" for row in rows
    )
    name = escape(caption, quote=True)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">\n<table>\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


_STYLE = """
:root{--ink:#1a1a1a;--soft:#5a5a5a;--line:#d9d9d9;--blue:#0072b2}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1200px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .6em;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2em 0 .6em;border-bottom:1px solid var(--line);padding-bottom:.2em}
p{max-width:75ch}
a{color:var(--blue)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0}
.facts div{border:1px solid var(--line);border-radius:6px;padding:10px 14px;display:flex;
flex-direction:column-reverse;justify-content:flex-end}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-size:1.5rem;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{caption-side:top;text-align:left;color:var(--soft);padding-bottom:6px}
th,td{padding:5px 10px 5px 0;text-align:left;border-bottom:1px solid var(--line);
white-space:nowrap;vertical-align:top}
td:first-child,td.t{white-space:normal}
td.t{overflow-wrap:anywhere;min-width:12em}
th.n,td.n{text-align:right}
td.w{width:35%;min-width:60px}
.bar{display:block;height:.9em;margin-top:.3em;min-width:1px;background:var(--blue)}
figure{margin:0 0 24px}
img{max-width:100%;height:auto}
figcaption{color:var(--soft);font-size:.9rem;max-width:75ch}
pre{background:#f5f5f5;padding:12px;overflow-x:auto;font-size:.85rem}
code{font-size:.85em}
@media(max-width:600px){main{padding:16px 12px 40px}h1{font-size:1.35rem}
.facts{grid-template-columns:1fr 1fr}}
@media print{body{font-size:10pt}main{max-width:none;padding:0}.scroll{overflow:visible}
th,td{white-space:normal;padding:2px 6px 2px 0;font-size:8pt}
section,figure,tr{break-inside:avoid-page}section:has(table){break-inside:auto}
.bar{print-color-adjust:exact;-webkit-print-color-adjust:exact}pre{white-space:pre-wrap}}
"""
