"""The body of experiments/screen.py: models and source, shards on Ray, the ranked list.

The top of the flow: puts rooms together; what is printed and recorded lives in `screen_outcome`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sie.cli import screen_outcome as outcome
from sie.cli.screen_answer import Screened
from sie.ensemble.storage import files_that_score
from sie.errors import DownloadError, InputError
from sie.hashing import DIGITS, content_hash, file_sha256
from sie.screening.folder import ScreeningFolder
from sie.screening.materials_project import ENDPOINT, KEY_VARIABLE, Query, fetch
from sie.screening.provenance import sources_hash
from sie.screening.record import Manifest, ShardResult, Source, Speed
from sie.screening.sources import SHARD, open_source
from sie.screening.tables import open_parquet
from sie.secrets import hidden

if TYPE_CHECKING:
    from sie.ensemble.predictor import SuperionicEnsemble
    from sie.screening.stages import Models

MATERIALS_PROJECT = "mp"
FETCHED = "source"
"""Folder below --out for what was fetched from the Materials Project."""

BAND_GAPS = ("given", "megnet", "off")
_NOT_SHOWN = ("api_key", "record_folder", "fresh", "dry_run", "run_options")


@dataclass(frozen=True)
class ScreenOptions:
    """Options of the command, by their names there."""

    ensemble: str = ""
    source: str = ""
    out: Path = Path("results/screening")
    api_key: str | None = None
    elements: tuple[str, ...] = ("Li",)
    chemsys: tuple[str, ...] = ()
    band_gap: str = "megnet"
    band_gap_weights: Path | None = None
    novelty: float = 0.05
    min_gap: float = 1.0
    min_p_si: float = 0.5
    top: int = 50
    max_concurrent: int | None = None
    address: str | None = None
    shard_size: int = SHARD
    fresh: bool = False
    dry_run: bool = False
    tracking_uri: str | None = None
    record_folder: Path = Path("mlruns")
    run_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_command_line(cls, values: Mapping[str, Any]) -> ScreenOptions:
        """Pick the options out of parsed arguments."""
        given = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        for name in ("elements", "chemsys"):
            given[name] = tuple(given.get(name) or getattr(cls, name))
        return cls(**given)

    @property
    def key(self) -> str | None:
        """Key for the Materials Project: the option, else the variable."""
        return self.api_key or os.environ.get(KEY_VARIABLE)

    def command(self) -> str:
        """Return the command that has these options, without the key."""
        words = ["python", "experiments/screen.py"]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in _NOT_SHOWN or value == item.default:
                continue
            texts = [str(v) for v in value] if isinstance(value, tuple) else [hidden(str(value))]
            words += [f"--{item.name.replace('_', '-')}", *texts]
        return shlex.join(words)


@dataclass(frozen=True)
class Prepared:
    """What a screening runs with."""

    source: Source
    models: Models
    manifest: Manifest
    folder: ScreeningFolder


def screen(options: ScreenOptions, console: Console) -> Screened | None:
    """Screen a source: score what is not scored yet, rank everything, write and record it.

    Returns None of a dry run.

    Raises
    ------
    SieError
        When an option, the ensemble or the source cannot be used.
    """
    folder = ScreeningFolder(options.out)
    if options.fresh and not options.dry_run and options.source == "mp":
        shutil.rmtree(options.out / FETCHED, ignore_errors=True)
    prepared = _prepare(options, folder, console)
    if prepared is None:
        return None
    source, manifest = prepared.source, prepared.manifest
    if not options.dry_run:
        folder.begin(manifest, options.fresh)
    done = set() if options.dry_run else folder.done(source)
    outcome.print_plan(prepared, len(done), console)
    if options.dry_run:
        return None
    speed = _run(options, prepared, done, console)
    return outcome.finish(options, prepared, speed, console)


def load_models(options: ScreenOptions) -> tuple[Models, str]:
    """Read ensemble and band-gap network; return them and the hash of the ensemble's files.

    Raises
    ------
    SieError
        When they cannot be read.
    """
    from sie.screening.stages import Models

    ensemble, digest = _load_ensemble(options)
    model = None
    if options.band_gap == "megnet":
        from sie.features.band_gap import BandGapModel

        try:
            model = BandGapModel.load(options.band_gap_weights)
        except DownloadError as error:
            raise DownloadError(
                f"{error}, and name it with --band-gap-weights FILE; --band-gap given or off does "
                "without"
            ) from error
    return Models(ensemble, model, options.band_gap != "off", options.novelty), digest


def _load_ensemble(options: ScreenOptions) -> tuple[SuperionicEnsemble, str]:
    from sie.ensemble.predictor import SuperionicEnsemble

    if not options.ensemble.startswith(("models:/", "runs:/")):
        path = Path(options.ensemble)
        return SuperionicEnsemble.load(path), _ensemble_hash(path)
    from sie.ensemble.registry import fetched

    with fetched(options.ensemble, options.tracking_uri) as path:
        return SuperionicEnsemble.load(path), _ensemble_hash(path)


def _ensemble_hash(folder: Path) -> str:
    """Hash what scores: members, forest, calibration, known compounds, parent network."""
    files = files_that_score(folder)
    return content_hash("ensemble-1", [file_sha256(path) for path in files])


def _prepare(options: ScreenOptions, folder: ScreeningFolder, console: Console) -> Prepared | None:
    _check(options)
    with console.status("reading the ensemble"):
        models, digest = load_models(options)
    if options.source == MATERIALS_PROJECT and options.dry_run:
        outcome.say(console, f"would ask {_endpoint()} for {_query(options).parameters}")
        return None
    with console.status("opening the source") as status:
        source = _open(options, folder, status.update)
    recipe = models.ensemble.recipe
    how = {
        "band_gap": options.band_gap,
        "band_gap_weights": models.band_gap.sha256[:DIGITS] if models.band_gap else "",
        "novelty": options.novelty,
        "shard_size": options.shard_size,
    }
    manifest = Manifest(
        source=options.source,
        source_hash=source.hash,
        ensemble_hash=digest,
        recipe_hash=recipe.hash,
        representation=recipe.representation,
        level=recipe.level,
        options=how,
        code_hash=sources_hash(),
    )
    return Prepared(source, models, manifest, folder)


def _check(options: ScreenOptions) -> None:
    if not 0 <= options.min_p_si < 1:
        raise InputError(f"--min-p-si {options.min_p_si:g} must be from 0 to below 1")
    if options.novelty < 0:
        raise InputError(f"--novelty {options.novelty:g} must be 0 or more")
    asked = options.elements != ("Li",) or options.chemsys or options.api_key
    if asked and options.source != MATERIALS_PROJECT:
        raise InputError("--elements, --chemsys and --api-key go with --source mp, and only there")
    _check_places(options)
    if options.band_gap_weights is not None and options.band_gap != "megnet":
        raise InputError("--band-gap-weights goes with --band-gap megnet, and only with it")


def _check_places(options: ScreenOptions) -> None:
    """Refuse an output folder that would be read as source, or whose cleaning would empty it."""
    source, out = Path(options.source).resolve(), options.out.resolve()
    if options.source == MATERIALS_PROJECT or not source.is_dir():
        return
    if source == out or source in out.parents or out in source.parents:
        raise InputError(
            f"--out {options.out} and --source {options.source} must lie apart: results are "
            "written and removed in the one, and read from the other"
        )


def _open(options: ScreenOptions, folder: ScreeningFolder, say: Any) -> Source:
    if options.source != MATERIALS_PROJECT:
        return open_source(options.source, options.shard_size)

    def on_page(done: int, total: int) -> None:
        say(f"fetching from the Materials Project: {done} of {total}")

    where = folder.path / FETCHED
    paths = fetch(_query(options), options.key, where, _endpoint(), on_page)
    return open_parquet(MATERIALS_PROJECT, paths, options.shard_size)


def _query(options: ScreenOptions) -> Query:
    return Query(options.elements, options.chemsys)


def _endpoint() -> str:
    # the variable of mp-api
    return os.environ.get("MP_API_ENDPOINT", ENDPOINT)


def _run(options: ScreenOptions, prepared: Prepared, done: set[int], console: Console) -> Speed:
    """Screen the shards that are missing; what has ended is kept whatever happens."""
    source, folder = prepared.source, prepared.folder
    pending = [shard for shard in source.shards if shard.number not in done]
    if not pending:
        return Speed(len(source), folder.seconds())
    from sie.screening.pipeline import run_shards
    from sie.search.session import start_ray, stop_ray

    with console.status("starting Ray"):
        cores = start_ray(options.address)
    workers = min(options.max_concurrent or cores, cores, len(pending))
    waiting = sum(shard.count for shard in pending)
    treated = 0
    began = time.perf_counter()
    try:
        with outcome.Progress(console, len(source), len(source) - waiting) as progress:

            def on_result(result: ShardResult) -> None:
                nonlocal treated
                folder.write(result)
                treated += result.n_entries
                progress.advance(result)

            run_shards(pending, source.reader, prepared.models, workers, on_result)
    except KeyboardInterrupt:
        folder.write_rejects()
        kept = len(source) - waiting + treated
        outcome.say(
            console,
            f"{kept:,} of {len(source):,} entries are kept in {folder.path}; the same command goes "
            "on from there",
        )
        raise
    finally:
        stop_ray()
    wall = time.perf_counter() - began
    return Speed(len(source), folder.seconds(), wall, treated, workers)
