"""The report as one page: which section holds which figure and which table.

Layout only; words are in `sections`, figures in `curves`, `parameter_plots` and `splits_map`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import count

from sie.reporting.html import page, section
from sie.reporting.search_report import curves, parameter_plots, sections, splits_map, tables
from sie.reporting.search_report.importance import Importance, caution, obstacle
from sie.reporting.search_report.others import baselines_experiment
from sie.reporting.search_report.plotting import Plot, plot_html, plotly_source
from sie.reporting.search_report.record import ClusterSearch, Study
from sie.reporting.search_report.trial_table import TrialTable


@dataclass(frozen=True)
class SearchReport:
    """What a report tells.

    Attributes
    ----------
    study : Study
        The searches.
    table : TrialTable
        Their scored trials.
    importances : tuple of Importance
        Empty where they are not given.
    warnings : tuple of str
        What a reader must know of single winners, one line each.
    commands : tuple of str
        What makes the searches again, and this page.
    command_notes : tuple of str
        What the commands cannot know.
    space_yaml : str
        The search space as a file, where no name stands for it.
    """

    study: Study
    table: TrialTable
    importances: tuple[Importance, ...] = ()
    warnings: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    command_notes: tuple[str, ...] = ()
    space_yaml: str = ""

    @property
    def title(self) -> str:
        """Heading of the page."""
        first = self.study.first
        what = f"{first.param('dataset')}, {first.param('representation')}-{first.param('level')}"
        which = f"cluster {first.cluster} left out" if self.study.single else "every cluster"
        return f"Search “{first.name}”: {what}, {which}"


def render(report: SearchReport) -> str:
    """Return the report as one HTML page that needs no network."""
    drawing = _Drawing()
    study = report.study
    parts = [
        ("Summary", sections.summary(study, report.warnings)),
        ("Splits", _splits(study, drawing)),
        ("Progress", _progress(study, drawing)),
        ("Learning curves", _grid_or_one(study.searches, drawing, curves.learning_curves)),
        ("Hyperparameters: all trials", _trials(report, drawing)),
        ("Hyperparameters: one at a time", _slices(report, drawing)),
        ("Hyperparameters: importance", _importances(report, drawing)),
        ("Repeats of the best", _repeats(study, drawing)),
        ("Winners against controls and baselines", _others(study, drawing)),
        ("Environment and hashes", tables.environment_table(study)),
        ("How to make this again", _commands(report)),
    ]
    links = "".join(
        f'<li><a href="#part-{i}">{escape(title)}</a></li>' for i, (title, _) in enumerate(parts)
    )
    body = f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n'
    for i, (title, content) in enumerate(parts):
        body += section(title, content).replace("<section>", f'<section id="part-{i}">', 1)
    head = f"{_POLICY}<style>{_STYLE}</style>\n{plotly_source()}"
    return page(report.title, f"{_NO_SCRIPT}{body}{_PRINTING}", head)


class _Drawing:
    """Turns figures into HTML with names that are unique within the page."""

    def __init__(self) -> None:
        self._number = count(1)

    def __call__(self, plots: Sequence[Plot]) -> str:
        return "".join(plot_html(plot, f"plot-{next(self._number)}") for plot in plots)

    def grid(self, plots: Sequence[Plot]) -> str:
        return f'<div class="plots">\n{self(plots)}</div>\n'


def _splits(study: Study, drawing: _Drawing) -> str:
    first = study.first
    plot = splits_map.splits_map(first, tuple(s.cluster for s in study.searches))
    missing = splits_map.what_is_missing(first)
    return (
        (drawing([plot]) if plot else "")
        + sections.paragraphs([missing] if missing else [])
        + tables.clusters_table(first)
    )


def _progress(study: Study, drawing: _Drawing) -> str:
    plot = curves.progress(study.first) if study.single else curves.progress_of_all(study.searches)
    return drawing([plot])


def _trials(report: SearchReport, drawing: _Drawing) -> str:
    table = report.table
    varied = [axis.name for axis in table.axes]
    folded = "".join(
        _folded(
            f"Table of all {len(search.trials)} trials of cluster {search.cluster}",
            tables.trials_table(search, varied),
        )
        for search in report.study.searches
    )
    if not len(table) or not table.axes:
        return sections.paragraphs(["No two scored trials differ in a hyperparameter."]) + folded
    return drawing([parameter_plots.parallel_coordinates(table)]) + folded


def _slices(report: SearchReport, drawing: _Drawing) -> str:
    table = report.table
    if not len(table) or not table.axes:
        return ""
    what = parameter_plots.outcome_words(table)
    how = "Later trials are darker. " if table.single else ""
    note = (
        f"Each mark is a trial: its {what}. {how}Red: the mean of a choice. Samplers "
        "other than random draw what has done well more often, and hyperparameters vary together, "
        "so a mean is no effect. Trials that were stopped early stand with what they had reached."
    )
    return (
        sections.paragraphs([note])
        + drawing.grid(parameter_plots.slices(table))
        + _folded("Table of the means", tables.slices_table(table))
    )


def _importances(report: SearchReport, drawing: _Drawing) -> str:
    found = report.importances
    if not found:
        reason = obstacle(report.table) or "Importances were not asked for (--resamplings 0)."
        return sections.paragraphs([reason])
    weak = caution(report.table)
    lines = [weak] if weak else []
    if not report.study.single:
        lines.append(
            "All clusters together: trials are compared by the share of their own cluster's "
            "trials that they beat."
        )
    plots = [parameter_plots.importance_plot(item) for item in found]
    return (
        sections.paragraphs([*lines, *sections.importance_words(found)])
        + drawing.grid(plots)
        + _folded("Table of the importances", tables.importance_table(found))
    )


def _repeats(study: Study, drawing: _Drawing) -> str:
    judged = [search for search in study.searches if search.judged]
    without = [
        f"Cluster {s.cluster} has no repeats that gave a score, and so no winner."
        for s in study.searches
        if not s.judged
    ]
    plots = _grid_or_one(judged, drawing, curves.repeats) if judged else ""
    below = "".join(tables.repeats_table(search) for search in judged)
    return sections.paragraphs(without) + plots + below


def _others(study: Study, drawing: _Drawing) -> str:
    experiment = baselines_experiment(study.first.param("dataset"))
    lacking = [str(search.cluster) for search in study.searches if not search.others]
    note = (
        [
            f"No baselines are recorded on the split of cluster {', '.join(lacking)} (experiment "
            f"{experiment}); experiments/baselines.py makes them."
        ]
        if lacking
        else []
    )
    shown = [search for search in study.searches if search.others]
    plots = _grid_or_one(shown, drawing, curves.against_others) if shown else ""
    optimism = (
        [
            "Baselines were not chosen on the left-out cluster, the winner was: the comparison "
            "favours the winner."
        ]
        if shown
        else []
    )
    return sections.paragraphs([*optimism, *note]) + plots + tables.others_table(study)


def _commands(report: SearchReport) -> str:
    lines = "\n".join(escape(command) for command in report.commands)
    space = (
        sections.paragraphs(["The search space, to be saved as space.yaml:"])
        + f'<pre tabindex="0">{escape(report.space_yaml)}</pre>\n'
        if report.space_yaml
        else ""
    )
    return f'<pre tabindex="0">{lines}</pre>\n{sections.paragraphs(report.command_notes)}{space}'


def _grid_or_one(
    searches: Sequence[ClusterSearch],
    drawing: _Drawing,
    draw: Callable[[ClusterSearch, str, bool], Plot],
) -> str:
    if len(searches) == 1:
        return drawing([draw(searches[0], "", True)])
    plots = [draw(search, f"Cluster {search.cluster}", False) for search in searches]
    captions = {plot.caption for plot in plots}
    if len(captions) > 1:
        return drawing.grid(plots)
    bare = [replace(plot, caption="") for plot in plots]
    return sections.paragraphs(list(captions)) + drawing.grid(bare)


def _folded(title: str, content: str) -> str:
    return f"<details>\n<summary>{escape(title)}</summary>\n{content}</details>\n"


_POLICY = (
    # nothing can be fetched; unsafe-eval is for the WebGL of the parallel coordinates
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:\">\n"
)
_NO_SCRIPT = (
    '<noscript><p class="warning">The plots need JavaScript; the tables hold the same numbers.'
    "</p></noscript>\n"
)
_PRINTING = """<script>
// plotly draws in pixels of the screen: give paper its own width while it is printed
addEventListener("beforeprint", () => document.querySelectorAll(".js-plotly-plot").forEach((plot) =>
  Plotly.relayout(plot, {width: 680})));
addEventListener("afterprint", () => document.querySelectorAll(".js-plotly-plot").forEach((plot) =>
  Plotly.relayout(plot, {width: null, autosize: true})));
</script>
"""
_STYLE = """
nav ul{list-style:none;margin:0 0 1.4em;padding:0;display:flex;flex-wrap:wrap;gap:4px 18px}
h3{font-size:1rem;margin:0 0 .2em}
.warning{border-left:4px solid #b45309;background:#fff7ed;padding:8px 14px;margin:1em 0;
max-width:80ch}
.warning p{margin:.3em 0}.warning ul{margin:.4em 0;padding-left:1.3em}
p code{white-space:nowrap}pre{white-space:pre-wrap;overflow-wrap:anywhere}
.facts{grid-template-columns:repeat(auto-fit,minmax(min(100%,158px),1fr))}
.facts div{padding:10px}
.facts dd{font-size:1.15rem;white-space:nowrap}
.plots{display:grid;gap:20px 28px;
grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))}
.plots .plot{min-width:0;margin:0 0 4px}
.plot{min-width:0}
details{margin:.6em 0}
summary{cursor:pointer;color:var(--blue);padding:4px 0}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
@media print{h2,h3{break-after:avoid-page}
nav,.modebar,details:not([open]){display:none}.plots{display:block}
.scroll>div{min-width:0!important}.warning{print-color-adjust:exact}}
"""
