"""What the scripts do, as functions for a notebook: data to search to ensemble to ranked crystals.

Each function calls the body of its script in `sie.cli` without a terminal and returns what came
out; nothing is computed here. The names are exported by `sie` and stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.cli import arguments
from sie.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from sie.cli.prepare import PreparedDatabase
    from sie.datasets.record import Database
    from sie.ensemble.predictor import SuperionicEnsemble
    from sie.evaluation.record import EvaluationRecord
    from sie.reporting.search_report.record import Study
    from sie.screening.ranking import Ranking

FilePath = str | Path
RECORD_FOLDER = Path("mlruns")
"""Where results are recorded unless a store is named, below the working folder."""


@dataclass(frozen=True)
class Data:
    """Which labelled crystals are learnt from, and how the network sees them.

    The fields are the scripts' options of the same names; search, ensemble and evaluation must be
    given the same.

    Attributes
    ----------
    dataset : str
        "starter" (embedded), "obelix", "table" (your own), or the folder of a data record.
    data_dir : Path, optional
        Local copy of a dataset, instead of a download.
    table, cifs : Path, optional
        Your CSV and the folder of its CIFs, with "table".
    test_set : str
        "random" (10 %) or "official" (what the dataset states).
    clusters : Path, optional
        Your own clusters: a CSV with the columns id and cluster.
    representation : str
        CAMN, CAN, CAMNS or CANS.
    level : int
        MEGNet features: 0 for embeddings, 1-3 after so many convolutions.
    """

    dataset: str = "starter"
    data_dir: FilePath | None = None
    table: FilePath | None = None
    cifs: FilePath | None = None
    test_set: str = "random"
    clusters: FilePath | None = None
    representation: str = "CAMNS"
    level: int = 1

    def __post_init__(self) -> None:
        """Refuse what the scripts' parser refuses."""
        for name in ("data_dir", "table", "cifs", "clusters"):
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else Path(given))
        _one_of("representation", self.representation, arguments.REPRESENTATIONS)
        _one_of("level", self.level, (0, 1, 2, 3))
        _one_of("test_set", self.test_set, ("random", "official"))

    @property
    def options(self) -> dict[str, Any]:
        """The fields by name, as the scripts take them."""
        return asdict(self)


@dataclass(frozen=True)
class BuiltEnsemble:
    """An ensemble that scores structures, and the folder that holds its files."""

    ensemble: SuperionicEnsemble
    folder: Path

    def __str__(self) -> str:
        """Return the folder, which the other functions and the scripts take."""
        return str(self.folder)


def load_data(data: Data) -> Database:
    """Load labelled crystals.

    Raises
    ------
    SieError
        When the source is unknown, unusable or cannot be fetched.
    """
    from sie.datasets.registry import load_dataset

    source = {name: data.options[name] for name in ("data_dir", "table", "cifs")}
    return load_dataset(data.dataset, **source)


def prepare_data(
    data: Data, folder: FilePath | None = None, *, keep_duplicates: bool = False
) -> PreparedDatabase:
    """Load, keep the median of each group of duplicates, count; write a data record to a folder.

    Parameters
    ----------
    data : Data
        What to load.
    folder : Path, optional
        Where a data record goes, to be used as ``Data(str(folder))``; none is written otherwise.
    keep_duplicates : bool
        Name the groups of duplicates, but keep all of their entries.

    Raises
    ------
    SieError
        When the source or the folder cannot be used.
    """
    from sie.cli.prepare import PrepareOptions, prepare_database, prepare_dataset

    prepared = prepare_database(load_data(data), keep_duplicates)
    if folder is not None:
        source = {name: data.options[name] for name in ("dataset", "data_dir", "table", "cifs")}
        values = {**source, "out": Path(folder), "keep_duplicates": keep_duplicates}
        prepare_dataset(PrepareOptions(**values), _quiet(None))
    return prepared


def search_clusters(
    data: Data,
    cluster: int | str | Sequence[int] = "all",
    *,
    space: FilePath | None = None,
    preset: str | None = None,
    name: str = "search",
    tracking_uri: str | None = None,
    record_folder: FilePath = RECORD_FOLDER,
    console: Console | None = None,
    **options: Any,
) -> Study:
    """Search hyperparameters for left-out clusters; return what MLflow has recorded.

    The same call goes on where an earlier one was stopped.

    Parameters
    ----------
    data : Data
        What to learn from.
    cluster : int, "all" or sequence of int
        Clusters to leave out, one after the other.
    space : str or Path, optional
        Name of a space or a YAML file; default: the preset's.
    preset : str, optional
        "quick" or "paper" (default).
    name : str
        Name of the search.
    tracking_uri : str, optional
        MLflow store or server; default: SQLite in `record_folder`.
    console : rich.console.Console, optional
        Shows plan, progress and results; nothing is printed without one.
    **options
        The script's other options by their names, such as ``trials=8, max_epochs=60``.

    Raises
    ------
    SieError
        When data, clusters or options cannot be used, or trials keep failing.
    KeyboardInterrupt
        When it was stopped; what had ended is recorded.
    """
    from sie.cli.loco import LocoOptions
    from sie.cli.loco import search_clusters as run
    from sie.search.space import read_space, space_path

    _known(
        LocoOptions,
        options,
        ("rerun_trial", "one_of_several", "dry_run", "search_space"),
    )
    _one_of("preset", preset, (None, "quick", "paper"))
    chosen = str(space) if space is not None else preset or "paper"
    values = {**data.options, **options, "preset": preset, "name": name}
    loco = LocoOptions(
        space=read_space(space_path(chosen, arguments.REPOSITORY / "search_spaces")),
        record_folder=Path(record_folder),
        cluster=_cluster_words(cluster),
        search_space=chosen,
        tracking_uri=tracking_uri,
        **values,
    )
    if run(loco, _quiet(console)).interrupted:
        raise KeyboardInterrupt
    return read_searches(
        data, name=name, space=space, tracking_uri=tracking_uri, record_folder=record_folder
    )


def read_searches(
    data: Data,
    *,
    name: str = "search",
    space: FilePath | None = None,
    tracking_uri: str | None = None,
    record_folder: FilePath = RECORD_FOLDER,
) -> Study:
    """Return the newest finished search of every cluster from MLflow.

    A space is only needed where its configurations chose a view.

    Raises
    ------
    SieError
        When the store does not answer or holds no such search.
    """
    from sie.cli.report import open_existing
    from sie.reporting.search_report.reading import read_study

    store = open_existing(tracking_uri, Path(record_folder))
    return read_study(store, _experiment(data, space), name)


def trials_table(study: Study) -> pd.DataFrame:
    """Return the searched trials as a table: cluster, trial, status, objective, configuration."""
    import pandas as pd

    rows = [
        {
            "cluster": search.cluster,
            "trial": trial.task.number,
            "status": str(trial.result.status),
            "best_val_auc_pr": trial.objective,
            **trial.task.config.as_dict(),
        }
        for search in study.searches
        for trial in search.trials
    ]
    return pd.DataFrame(rows)


def winners_table(study: Study) -> pd.DataFrame:
    """Return every cluster's winner: AUC-PR (mean, sd), epoch, a constant's score, configuration.

    The score is optimistic, because the cluster itself chose configuration and epoch.
    """
    import pandas as pd

    rows = [
        {
            "cluster": search.cluster,
            "auc_pr": winner.mean,
            "sd": winner.sd,
            "epoch": winner.window.centre,
            "constant": search.floor,
            **winner.config.as_dict(),
        }
        for search in study.searches
        if (winner := search.winner) is not None
    ]
    return pd.DataFrame(rows)


def build_ensemble(
    data: Data,
    *,
    out: FilePath | None = None,
    record_folder: FilePath = RECORD_FOLDER,
    console: Console | None = None,
    **options: Any,
) -> BuiltEnsemble:
    """Train the ensemble of the searches' winners on all development entries.

    What the same recipe has made already is not trained again.

    Parameters
    ----------
    data : Data
        As for the searches.
    out : Path, optional
        The ensemble's files; default: results/<dataset>/ensemble.
    console : rich.console.Console, optional
        Shows plan, progress and results; nothing is printed without one.
    **options
        The script's other options by their names, such as ``seeds=10, top_configs=1``.

    Raises
    ------
    SieError
        When searches are missing or do not fit, or the training fails.
    """
    from sie.cli.ensemble import build_ensemble as run
    from sie.cli.ensemble_options import EnsembleOptions
    from sie.ensemble.predictor import SuperionicEnsemble

    _known(EnsembleOptions, options, ("dry_run",))
    values = {**data.options, **options, "record_folder": Path(record_folder)}
    values["out"] = None if out is None else Path(out)
    folder = run(EnsembleOptions(**values), _quiet(console)).folder
    return BuiltEnsemble(SuperionicEnsemble.load(folder), folder)


def evaluate(
    data: Data,
    ensemble: BuiltEnsemble | FilePath,
    *,
    out: FilePath | None = None,
    tracking_uri: str | None = None,
    record_folder: FilePath = RECORD_FOLDER,
    console: Console | None = None,
) -> EvaluationRecord:
    """Open the test set once for an ensemble; a second call returns the first one's record.

    Parameters
    ----------
    data : Data
        As for the searches.
    ensemble : BuiltEnsemble, folder, or address as models:/NAME/VERSION
        What is scored.
    out : Path, optional
        Tables and figures; default: results/<dataset>/evaluation.

    Raises
    ------
    SieError
        When ensemble, data and test set do not belong together.
    """
    from sie.cli.evaluate import EvaluateOptions, evaluate_ensemble

    options = EvaluateOptions(
        ensemble=str(ensemble),
        out=None if out is None else Path(out),
        tracking_uri=tracking_uri,
        record_folder=Path(record_folder),
        **data.options,
    )
    found = evaluate_ensemble(options, _quiet(console))
    if found is None:
        raise InputError("a dry run scores nothing")
    return found.record


def screen(
    ensemble: BuiltEnsemble | FilePath,
    source: FilePath,
    *,
    out: FilePath = Path("results/screening"),
    record_folder: FilePath = RECORD_FOLDER,
    console: Console | None = None,
    **options: Any,
) -> Ranking:
    """Score crystals that nobody has measured and rank them; the best are `.candidates`.

    Parameters
    ----------
    ensemble : BuiltEnsemble, folder, or address as models:/NAME/VERSION
        What scores.
    source : str or Path
        Folder of CIFs, a list of them, .parquet, .jsonl, or "mp" (Materials Project).
    out : Path
        Results and report.
    **options
        The script's other options by their names, such as ``band_gap="off", min_p_si=0.5``.

    Raises
    ------
    SieError
        When an option, the ensemble or the source cannot be used.
    """
    from sie.cli.screen import ScreenOptions
    from sie.cli.screen import screen as run

    _known(ScreenOptions, options, ("dry_run",))
    values = {**options, "record_folder": Path(record_folder)}
    settings = ScreenOptions(ensemble=str(ensemble), source=str(source), out=Path(out), **values)
    screened = run(settings, _quiet(console))
    if screened is None:
        raise InputError(f"nothing was ranked of {source}")
    return screened.ranking


def write_report(
    data: Data,
    *,
    name: str = "search",
    space: FilePath | None = None,
    out: FilePath | None = None,
    tracking_uri: str | None = None,
    record_folder: FilePath = RECORD_FOLDER,
    console: Console | None = None,
) -> Path:
    """Write the searches as one HTML file that works offline, and return its path.

    Parameters
    ----------
    data : Data
        As for the searches.
    name : str
        Name of the searches.
    space : str or Path, optional
        That of the searches; only needed where its configurations chose a view.
    out : Path, optional
        The file; default: below results/reports.

    Raises
    ------
    SieError
        When no such search has ended, or the file cannot be written.
    """
    from sie.cli.report import ReportOptions
    from sie.cli.report import write_report as run

    options = ReportOptions(
        experiment=_experiment(data, space),
        name=name,
        out=None if out is None else Path(out),
        tracking_uri=tracking_uri,
        record_folder=Path(record_folder),
    )
    return run(options, _quiet(console))


def _quiet(console: Console | None) -> Console:
    from rich.console import Console

    return console or Console(quiet=True)


def _experiment(data: Data, space: FilePath | None) -> str:
    from sie.features.views import union
    from sie.search.space import read_space, space_path

    folder = arguments.REPOSITORY / "search_spaces"
    views = () if space is None else read_space(space_path(str(space), folder)).views
    seen_as = str(union(views)) if views else f"{data.representation}-V{data.level}"
    return f"loco/{load_data(data).name}/{seen_as}"


def _cluster_words(cluster: int | str | Sequence[int]) -> list[str]:
    if isinstance(cluster, int | str):
        return [str(cluster)]
    return [str(number) for number in cluster]


def _one_of(name: str, given: object, known: Sequence[object]) -> None:
    if given not in known:
        listed = ", ".join(repr(item) for item in known)
        raise InputError(f"{name} must be one of {listed}, got {given!r}")


def _known(settings: Any, given: dict[str, Any], others: Sequence[str]) -> None:
    """Refuse options that the script does not have, naming the nearest."""
    import difflib

    hidden = (*others, "run_options")
    names = [name for name in settings.__dataclass_fields__ if name not in hidden]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]}?" if near else f" (known: {', '.join(names)})"
            raise InputError(f"unknown option {name}{hint}")
