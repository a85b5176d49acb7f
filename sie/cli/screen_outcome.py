"""What a screening leaves for people: lines and a table, files, figures, a report, a run in MLflow.

Shows results and decides nothing; the command itself is in `sie.cli.screen`.
"""

from __future__ import annotations

import math
import shlex
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich import progress as bars
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sie.files import replacing, write_text
from sie.hashing import content_hash
from sie.reporting.console import duration
from sie.screening.record import PREDICTED, STAGES, ShardResult, Speed
from sie.secrets import hidden

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from sie.cli.screen import Prepared, ScreenOptions
    from sie.reporting.screening_report import Picture
    from sie.screening.ranking import Ranking

LINE_SECONDS = 30.0
"""Where the output is no terminal, at most one line in so many seconds."""

SHOWN = 10
REPORT = "report.html"
FIGURES = "figures"
ABOUT_PREDICTED_GAPS = (
    "MEGNet's regressor was trained on crystals that have a gap and gives most metals one: a "
    "predicted gap says how wide a gap is, not that there is one."
)


def say(console: Console, text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_plan(prepared: Prepared, n_done: int, console: Console) -> None:
    """Print what is screened with what, and what is done already."""
    source, manifest, models = prepared.source, prepared.manifest, prepared.models
    recipe = models.ensemble.recipe
    gaps = {True: "given, else MEGNet's", False: "given only" if models.given_gaps else "none"}
    say(console, f"source: {source.name}, {len(source):,} entries in {len(source.shards)} shards "
        f"({source.hash})")  # fmt: skip
    say(console, f"ensemble: {models.ensemble.words}, {recipe.representation}-"
        f"{recipe.level}, trained on {len(models.ensemble.known.ids)} compounds of "
        f"{recipe.dataset} ({manifest.ensemble_hash})")  # fmt: skip
    say(console, f"band gaps: {gaps[models.band_gap is not None]}; novelty: element fractions "
        f"within {models.novelty_tolerance:g} of a training compound's are known")  # fmt: skip
    if n_done:
        say(console, f"done before: {n_done} of {len(source.shards)} shards")


class Progress:
    """Structures done, how many a second, the time left: a bar, or plain lines elsewhere.

    Parameters
    ----------
    console : Console
        Where to.
    total, done : int
        Entries of the source, and how many an earlier run treated.
    """

    def __init__(self, console: Console, total: int, done: int) -> None:
        self._console, self._total, self._done = console, total, done
        self._first, self._rejects = done, 0
        self._began = self._shown = time.monotonic()
        self._bars = bars.Progress(
            bars.TextColumn("screening"),
            bars.BarColumn(bar_width=30),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[note]}"),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar = self._bars.add_task("", total=total, completed=done, note="starting workers")

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def advance(self, result: ShardResult) -> None:
        """Count a shard."""
        self._done += result.n_entries
        self._rejects += len(result.rejects)
        now = time.monotonic()
        rate = max(self._done - self._first, 1) / max(now - self._began, 1e-9)
        note = f"{rate:.1f} a second"
        if self._rejects:
            note += f", {self._rejects} rejected"
        self._bars.update(self._bar, completed=self._done, note=note)
        last = self._done == self._total
        if not self._console.is_terminal and (last or now - self._shown > LINE_SECONDS):
            self._shown = now
            left = duration((self._total - self._done) / rate)
            say(self._console, f"screening: {self._done}/{self._total}, {note}, about {left} left")


def finish(options: ScreenOptions, prepared: Prepared, speed: Speed, console: Console) -> Ranking:
    """Rank all results, write files, figures and report, record them, and say where they are."""
    from sie.reporting.screening_report import speed_line
    from sie.screening.ranking import Filters, rank, write_ranking

    folder = prepared.folder
    with console.status("ranking") as status:
        reasons = folder.write_rejects()
        filters = Filters(options.min_gap, options.min_p_si, options.top)
        results = folder.table().to_pandas()
        ranking = rank(results, prepared.source, filters, sum(reasons.values()))
        write_ranking(folder.path, ranking)
        status.update("drawing the figures and the report")
        pictures = draw(prepared, ranking)
        write_report(options, prepared, ranking, speed, reasons, pictures)
        status.update("recording (a new MLflow store takes about ten seconds)")
        ui_command = record(options, prepared, ranking, speed, pictures)
    print_funnel(ranking, console)
    print_top(ranking, console)
    say(console, speed_line(speed) + " " + shares_line(speed))
    if reasons:
        reason, n = reasons.most_common(1)[0]
        say(console, f"{sum(reasons.values()):,} entries have no score (rejects.csv); most often: "
            f"{reason} ({n:,})")  # fmt: skip
    path = folder.path
    say(console, f"results: {path}/{REPORT}, ranked.csv, ranked.parquet, candidates.csv, cifs/")
    say(console, f"recorded: {ui_command}")
    say(console, f"next: {_next_command(options, ranking)}")
    return ranking


def shares_line(speed: Speed) -> str:
    """Return what the CPU time went to, in one line."""
    if not speed.cpu_s:
        return ""
    return ", ".join(f"{title} {speed.share(stage):.0%}" for stage, title in STAGES.items())


def draw(prepared: Prepared, ranking: Ranking) -> dict[str, Picture]:
    """Draw the figures and write them as PNG and SVG; return them by name."""
    from sie.reporting.screening_figures import map_figure, score_figure
    from sie.reporting.screening_report import Picture

    if not len(ranking.table):
        return {}
    known = prepared.models.ensemble.known
    table, filters = ranking.table, ranking.filters
    above = int((table["p_si"] > filters.min_p_si).sum())
    pictures = {
        "scores": Picture(
            score_figure(table, filters.min_p_si),
            f"Two panels. Left: histogram of P_SI of {len(table):,} structures, ordered and "
            f"disordered stacked, with an inset of the {above:,} above {filters.min_p_si:g}. "
            "Right: P_SI of every structure against its distance to the training set.",
            "Scores of all structures, and how far they are from what the networks have seen.",
        ),
        "map": Picture(
            map_figure(table, _known_on_map(known.mean_vectors), known.labels),
            "Scatter plot of the first two principal components of the mean atom vectors: "
            f"{len(table):,} screened structures, {len(known.ids):,} training compounds by class, "
            f"and the {len(ranking.candidates):,} candidates that pass every filter.",
            "Where screened structures and candidates lie beside the training compounds.",
        ),
    }
    for name, picture in pictures.items():
        for suffix in ("png", "svg"):
            _save(picture.figure, prepared.folder.path / FIGURES / f"{name}.{suffix}")
    return pictures


def write_report(
    options: ScreenOptions,
    prepared: Prepared,
    ranking: Ranking,
    speed: Speed,
    reasons: Counter[str],
    pictures: dict[str, Picture],
) -> None:
    """Write the HTML report."""
    from sie.reporting.screening_report import Report, render

    recipe, manifest = prepared.models.ensemble.recipe, prepared.manifest
    about = prepared.models.ensemble.about
    settings = {
        "source": f"{manifest.source} ({manifest.source_hash})",
        "ensemble": f"{options.ensemble} ({manifest.ensemble_hash})",
        "recipe": f"{recipe.hash}: {recipe.dataset} ({recipe.dataset_hash}), "
        f"{recipe.representation}-{recipe.level}, {len(recipe.members)} members, "
        f"{recipe.epochs} epochs",
        **{name.replace("_", " "): str(value) for name, value in manifest.options.items()},
        "filters": f"band gap > {options.min_gap:g} eV, P_SI > {options.min_p_si:g}",
        "code": manifest.code_hash,
        **environment(),
    }
    notes = [f"The ensemble says of itself: {about['note']}"] if "note" in about else []
    if (ranking.table["band_gap_from"] == PREDICTED).any():
        notes.append(ABOUT_PREDICTED_GAPS)
    report = Report(
        title=f"Screening of {options.source}",
        ranking=ranking,
        pictures=list(pictures.values()),
        speed=speed,
        reasons=reasons,
        settings={name: value for name, value in settings.items() if value},
        commands=[options.command(), _next_command(options, ranking)],
        notes=notes,
    )
    write_text(prepared.folder.path / REPORT, render(report))


def environment() -> dict[str, str]:
    """Return the versions that the report names."""
    from sie.tracking.environment import environment_tags

    tags = environment_tags()
    return {name: tags[name] for name in ("code_version", "python", "packages")}


def record(
    options: ScreenOptions,
    prepared: Prepared,
    ranking: Ranking,
    speed: Speed,
    pictures: dict[str, Picture],
) -> str:
    """Write one finished run, unless the same results are recorded; return how to look at it."""
    from sie.tracking.environment import environment_tags
    from sie.tracking.queries import search
    from sie.tracking.recorder import KEY_TAG, Recorder
    from sie.tracking.store import open_store
    from sie.training.record import TrialStatus

    recipe, manifest = prepared.models.ensemble.recipe, prepared.manifest
    store = open_store(options.tracking_uri, options.record_folder)
    title = f"screening/{recipe.dataset}/{recipe.representation}-{recipe.level}"
    recorder = Recorder(store, title)
    plain = {k: v for k, v in manifest.as_dict().items() if k != "options"}
    filters = vars(ranking.filters)
    key = content_hash("screening-1", manifest.as_dict(), filters)
    earlier = search(store, [recorder.experiment_id], f"tags.`{KEY_TAG}` = '{key}'")
    if any(run.status == "FINISHED" for run in earlier):
        return store.ui_command()
    tags = {
        "phase": "screening",
        "recipe_hash": recipe.hash,
        "ensemble_hash": manifest.ensemble_hash,
        "source_hash": manifest.source_hash,
        "dataset_hash": recipe.dataset_hash,
        "features_hash": recipe.features_hash,
        **environment_tags(),
    }
    name = Path(manifest.source).name or manifest.source
    run = recorder.open_run(key, name, tags, {**plain, **manifest.options, **filters})
    path = prepared.folder.path
    for file in ("candidates.csv", "rejects.csv", REPORT):
        recorder.save_file(run, path / file)
    for name in pictures:
        for suffix in ("png", "svg"):
            recorder.save_file(run, path / FIGURES / f"{name}.{suffix}", FIGURES)
    metrics = metrics_of(ranking, speed)
    recorder.close_run(run, TrialStatus.COMPLETED, metrics=metrics)
    return store.ui_command()


def metrics_of(ranking: Ranking, speed: Speed) -> dict[str, float]:
    """Return counts of the funnel, and speeds."""
    counts = {f"count_{_slug(step.name)}": float(step.kept) for step in ranking.funnel}
    return {
        **counts,
        "structures_per_core_second": speed.per_core,
        "core_hours_per_million": speed.core_hours_per_million,
        "seconds_wall": speed.wall_s,
        **{f"seconds_{stage}": seconds for stage, seconds in speed.seconds.items()},
    }


def print_funnel(ranking: Ranking, console: Console) -> None:
    """Print how many pass which filter."""
    table = Table(title="From all entries to candidates", title_justify="left")
    table.add_column("filter")
    table.add_column("left", justify="right")
    for step in ranking.funnel:
        table.add_row(Text(step.name), f"{step.kept:,}")
    console.print(table)


def print_top(ranking: Ranking, console: Console) -> None:
    """Print the best candidates, or the best of all where none passes."""
    passing = ranking.candidates
    title = "Best candidates" if len(passing) else "Nothing passes every filter; the best of all"
    # narrow: eight columns in 80 characters
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("rank", "id", "formula", "P_SI ± sd", "E_g (eV)", "d_training", "most like"):
        left = name in ("id", "formula", "most like")
        foldable = name in ("formula", "most like")
        table.add_column(name, justify="left" if left else "right", no_wrap=not foldable)
    for row in (passing if len(passing) else ranking.table).head(SHOWN).to_dict("records"):
        gap = row["band_gap_eV"]
        table.add_row(
            str(row["rank"]),
            Text(row["id"]),
            Text(row["reduced_formula"]),
            f"{row['p_si']:.3f} ± {row['p_si_sd']:.3f}",
            f"{gap:.2f}" if math.isfinite(gap) else "?",
            f"{row['d_training']:.2f}",
            Text(row["closest_known"]),
        )
    console.print(table)


def _known_on_map(vectors: np.ndarray) -> np.ndarray:
    from sie.screening.distance import TrainingDistance
    from sie.screening.stages import MAP_COMPONENTS

    return TrainingDistance.fit(vectors).project(vectors)[:, :MAP_COMPONENTS]


def _save(figure: Figure, path: Path) -> None:
    # without the date the same figure gives the same bytes
    metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)


def _next_command(options: ScreenOptions, ranking: Ranking) -> str:
    from sie.screening.ranking import CIFS, cif_name

    best = ranking.candidates.head(1).to_dict("records")
    file = str(options.out / CIFS / cif_name(best[0]["rank"], best[0]["id"])) if best else "FILE"
    words = ["python", "experiments/explain.py", file, "--ensemble", options.ensemble]
    if options.tracking_uri:
        words += ["--tracking-uri", hidden(options.tracking_uri)]
    return shlex.join(words)


def _slug(name: str) -> str:
    text = name.lower().replace(">", "above")
    return "_".join("".join(c if c.isalnum() or c == "." else " " for c in text).split())
