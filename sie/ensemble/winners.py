"""Winners of cluster searches, read from MLflow alone.

Whether searches may be combined is decided here; what follows from them in `sie.ensemble.planning`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sie.errors import InputError
from sie.search.problem import LearningProblem
from sie.search.selection import OBJECTIVE, RepeatedConfig
from sie.search.verdicts import cluster_searches, judged_repeats
from sie.splits.left_out import loco_split, usable_clusters
from sie.tracking.queries import StoredRun
from sie.tracking.store import Store, tracking_errors

SAME_TAGS = ("dataset_hash", "features_hash", "hold_out_hash", "code_hash")
SAME_PARAMS = ("pretrained", "rule.window", "rule.min_epoch")
"""Tags and parameters in which the searches of one ensemble must not differ."""

_TAGS_OF_DATA = {
    "dataset_hash": "another version of the data; give --dataset and --data-dir as for the search",
    "features_hash": "other features; search again, or use the version of sie that searched",
    "hold_out_hash": "another test set; give --test-set as for the search",
}
_SHOWN_METRICS = (OBJECTIVE, "val_mcc")


@dataclass(frozen=True)
class FoundSearches:
    """The newest searches of every cluster in one experiment.

    Attributes
    ----------
    finished : Mapping[int, StoredRun]
        Newest finished parent run of each cluster.
    unfinished : Mapping[int, StoredRun]
        Newest parent run of each cluster, where that has not finished.
    """

    finished: Mapping[int, StoredRun] = field(default_factory=dict)
    unfinished: Mapping[int, StoredRun] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """Searches that may be combined.

    Attributes
    ----------
    parents : Mapping[int, StoredRun]
        By rising cluster.
    missing : tuple of int
        Clusters that could be left out, but are neither searched nor excluded.
    remarks : tuple of str
        What the user should know.
    """

    parents: Mapping[int, StoredRun]
    missing: tuple[int, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class ClusterSearch:
    """A finished search of one cluster: its parent run and its configurations, best first."""

    cluster: int
    run: StoredRun
    judged: tuple[RepeatedConfig, ...]

    @property
    def winner(self) -> RepeatedConfig:
        """The best configuration after its repeats."""
        return self.judged[0]


def find_searches(
    store: Store, experiment: str, name: str, code: str | None = None
) -> FoundSearches:
    """Find the newest searches of a name.

    Parameters
    ----------
    store : Store
        MLflow.
    experiment : str
        Such as loco/obelix/CAMNS-V1.
    name : str
        The user's name of the searches.
    code : str, optional
        Hash of the sources that they ran with; by default any.
    """
    with tracking_errors(store.uri):
        known = store.client().get_experiment_by_name(experiment)
    if known is None:
        return FoundSearches()
    finished: dict[int, StoredRun] = {}
    unfinished: dict[int, StoredRun] = {}
    for run in cluster_searches(store, known.experiment_id):
        if run.tags.get("search_name") != name or code not in (None, run.tags.get("code_hash")):
            continue
        cluster = int(run.tags["cluster"])
        if run.status == "FINISHED":
            finished.setdefault(cluster, run)
        elif cluster not in finished:
            unfinished.setdefault(cluster, run)
    return FoundSearches(finished, unfinished)


def select_searches(
    found: FoundSearches,
    problem: LearningProblem,
    how_to_search: Callable[[Sequence[int]], str],
    exclude: Collection[int] = (),
    allow_missing: bool = False,
) -> Selection:
    """Return the searches that one ensemble can be made from.

    Parameters
    ----------
    found : FoundSearches
        In the experiment of the problem.
    problem : LearningProblem
        The data that members will be trained on.
    how_to_search : callable
        Returns the command that searches the given clusters.
    exclude : collection of int
        Clusters to do without.
    allow_missing : bool
        Go on where clusters are not searched.

    Raises
    ------
    InputError
        When searches differ in what must be the same, or were made on other data, or a usable
        cluster is missing, or none is left; the line names runs and ways out.
    """
    counts = usable_clusters(problem.clustering, problem.labels)
    usable = [count.cluster for count in counts if count.usable]
    known = {*usable, *found.finished, *found.unfinished}
    if unknown := sorted(set(exclude) - known):
        raise InputError(
            f"--exclude {_listed(unknown)}: no such cluster; there are {_listed(sorted(known))}"
        )
    finished = {k: found.finished[k] for k in sorted(found.finished) if k not in exclude}
    parents = {k: run for k, run in finished.items() if run.has_window}
    require_alike(parents)
    require_same_data(parents, problem)
    missing = tuple(k for k in usable if k not in parents and k not in exclude)
    if missing and (not allow_missing or not parents):
        raise InputError(_missing(missing, found, how_to_search(missing), bool(parents)))
    if not parents:
        raise InputError("every searched cluster is excluded; leave one in")
    return Selection(parents, missing, _remarks(parents, missing, found))


def require_alike(parents: Mapping[int, StoredRun]) -> None:
    """Make sure that searches differ in nothing that decides what their winners mean.

    Raises
    ------
    InputError
        With every tag that differs, and in which runs.
    """
    differing = [
        f"{name} is {_by_value(values, parents)}"
        for name, values in _values(parents).items()
        if len(set(values.values())) > 1
    ]
    if differing:
        raise InputError(
            f"these searches cannot be combined: {'; '.join(differing)}; choose searches by --name "
            "or --code HASH, leave clusters out with --exclude, or search them again"
        )


def require_same_data(parents: Mapping[int, StoredRun], problem: LearningProblem) -> None:
    """Make sure that searches were made on the problem's data, test set and clusters.

    Raises
    ------
    InputError
        With the hashes on both sides.
    """
    for name, hint in _TAGS_OF_DATA.items():
        now = getattr(problem, name)
        for cluster, run in parents.items():
            if (then := run.tags.get(name)) != now:
                raise InputError(
                    f"the search of {_run(cluster, run)} has {name} {then}, these data have {now}: "
                    f"{hint}"
                )
    for cluster, run in parents.items():
        try:
            now = loco_split(problem.clustering, cluster, problem.labels).hash
        except InputError:
            now = "none"
        if (then := run.tags.get("split_hash")) != now:
            raise InputError(
                f"the search of {_run(cluster, run)} left out other entries than cluster {cluster} "
                f"of these data (split_hash {then}, now {now}): give --clusters as for the search, "
                f"or --exclude {cluster}"
            )


def judge_searches(
    store: Store, experiment_id: str, parents: Mapping[int, StoredRun]
) -> tuple[ClusterSearch, ...]:
    """Judge the repeats of every search anew by the rule that it ranked by.

    Only curves of repeats count: those of the search itself chose the configurations.

    Raises
    ------
    InputError
        When no repeat of a search can be judged.
    """
    searches = []
    for cluster, run in sorted(parents.items()):
        judged = judged_repeats(store, experiment_id, run, metrics=_SHOWN_METRICS)
        if not judged:
            raise InputError(
                f"the search of {_run(cluster, run)} has no repeats that count; search it again or "
                f"--exclude {cluster}"
            )
        searches.append(ClusterSearch(cluster, run, tuple(item.verdict for item in judged)))
    return tuple(searches)


def _values(parents: Mapping[int, StoredRun]) -> dict[str, dict[int, str]]:
    tags = {n: {k: run.tags.get(n, "none") for k, run in parents.items()} for n in SAME_TAGS}
    params = {
        n: {k: run.params.get(n) or "none" for k, run in parents.items()} for n in SAME_PARAMS
    }
    return tags | params


def _by_value(values: Mapping[int, str], parents: Mapping[int, StoredRun]) -> str:
    parts = []
    for value in dict.fromkeys(values.values()):
        runs = [_run(k, parents[k]) for k, own in values.items() if own == value]
        parts.append(f"{value} in {', '.join(runs)}")
    return " but ".join(parts)


def _missing(missing: Sequence[int], found: FoundSearches, command: str, others: bool) -> str:
    why = {k: _why_missing(k, found) for k in missing}
    listed = ", ".join(f"{k} ({text})" if text else str(k) for k, text in why.items())
    without = f"; or do without: --exclude {_listed(missing)} or --allow-missing" if others else ""
    noun = "cluster" if len(missing) == 1 else "clusters"
    return f"no finished search of {noun} {listed}; search with: {command}{without}"


def _why_missing(cluster: int, found: FoundSearches) -> str:
    if (run := found.unfinished.get(cluster)) is not None:
        return f"run {run.run_id[:8]} is unfinished"
    if (run := found.finished.get(cluster)) is not None:
        return f"run {run.run_id[:8]} ended without a winner"
    return ""


def _remarks(
    parents: Mapping[int, StoredRun], missing: Sequence[int], found: FoundSearches
) -> tuple[str, ...]:
    remarks = []
    if missing:
        remarks.append(f"clusters without a finished search: {_listed(missing)}")
    remarks += [
        f"cluster {cluster}: the newest search, run {newer.run_id[:8]}, is unfinished; the "
        f"finished run {run.run_id[:8]} before it is used"
        for cluster, run in parents.items()
        if (newer := found.unfinished.get(cluster)) is not None
    ]
    spaces = {k: run.tags.get("space_hash", "") for k, run in parents.items()}
    if len(set(spaces.values())) > 1:
        remarks.append(f"the searched spaces differ: {_by_value(spaces, parents)}")
    names = sorted({n for run in parents.values() for n in run.params if n.startswith("budget.")})
    for name in names:
        values = {k: run.params.get(name, "none") for k, run in parents.items()}
        if len(set(values.values())) > 1:
            short = name.removeprefix("budget.")
            remarks.append(f"the searches' budgets differ: {short} is {_by_value(values, parents)}")
    return tuple(remarks)


def _run(cluster: int, run: StoredRun) -> str:
    return f"cluster {cluster} (run {run.run_id[:8]})"


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in numbers)
