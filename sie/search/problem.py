"""From a database to what a search may see: development features, labels, clusters.

The test ids are drawn here and handed back apart; a `LearningProblem` does not hold them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sie.datasets.record import SPLIT_COLUMN, Database
from sie.datasets.report import DatabaseReport, report
from sie.errors import InputError
from sie.features.cache import cached_features, cached_view, features_hash, view_hash
from sie.features.record import OrbitFeatures
from sie.features.views import union
from sie.search.estimate import Sizes
from sie.splits.clusters_file import read_clusters
from sie.splits.holdout import hold_out, official_hold_out
from sie.splits.leakage import LeakageReport, leakage
from sie.splits.loco import loco_clusters
from sie.splits.record import Clustering, HoldOut, Split
from sie.structures.matching import matching_groups
from sie.structures.oxidation import prepare
from sie.structures.representations import Representation

if TYPE_CHECKING:
    from pymatgen.core import Structure


TEST_SETS = ("random", "official")
"""How the test set can be chosen: 10 % at random, or as the dataset states it."""


@dataclass(frozen=True)
class LearningProblem:
    """What trials are made from; development entries only.

    Attributes
    ----------
    dataset, dataset_hash : str
        Name and content hash of the whole database.
    representation : Representation
        CAMN, CAN, CAMNS or CANS.
    level : int
        0 to 3: features V0 to V3.
    features : OrbitFeatures
        Rows of the development entries.
    features_hash : str
        Names the features by what they are made from.
    labels : Mapping[str, int]
        Class of every development entry.
    clustering : Clustering
        Clusters of the development entries.
    formulas, groups : Mapping
        Reduced formula and group of matching structures, for leakage reports.
    hold_out_hash : str
        Hash of the test set that was kept away.
    report : DatabaseReport
        What the database holds and what was left out.
    log10_sigma : Mapping[str, float]
        Of development entries, for reports; NaN where only the class is known.
    views : tuple of str
        Views that configurations may choose; `features` have the columns of all of them, and
        `representation` and `level` are the first of these. Empty where all see everything.
    """

    dataset: str
    dataset_hash: str
    representation: Representation
    level: int
    features: OrbitFeatures
    features_hash: str
    labels: Mapping[str, int]
    clustering: Clustering
    formulas: Mapping[str, str]
    groups: Mapping[str, int]
    hold_out_hash: str
    report: DatabaseReport
    log10_sigma: Mapping[str, float] = field(default_factory=dict)
    views: tuple[str, ...] = ()

    @property
    def seen_as(self) -> str:
        """Name of the view that has all columns of the features, such as CAMNS-V1."""
        return str(union(self.views)) if self.views else f"{self.representation}-V{self.level}"

    @property
    def names(self) -> tuple[str, str]:
        """Representation and level as plans and records name them; with a hyphen, `seen_as`."""
        representation, _, level = self.seen_as.rpartition("-")
        return representation, level

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment that such searches belong to."""
        return f"loco/{self.dataset}/{self.seen_as}"

    def leakage(self, split: Split) -> LeakageReport:
        """Return what the validation part of a split shares with its training part."""
        members = zip(self.clustering.ids, self.clustering.labels, strict=True)
        clusters = {entry: int(number) for entry, number in members}
        return leakage(
            split.train,
            split.validation,
            formulas=self.formulas,
            groups=self.groups,
            clusters=clusters,
        )

    def sizes(self, split: Split) -> Sizes:
        """Return what the cost of an epoch depends on."""
        rows = len(self.features.rows) / len(self.features)
        return Sizes(len(split.train), len(split.validation), rows, self.features.dimension)

    def positive_fraction(self, split: Split) -> float:
        """Return the share of class 1 in validation, the AUC-PR of a constant prediction."""
        return sum(self.labels[entry] for entry in split.validation) / len(split.validation)


@dataclass(frozen=True)
class DevelopmentData:
    """The development entries before any choice of representation.

    No crystal, label or conductivity of a test entry is in it; `formulas` and `groups`, which
    leakage reports count with, name all entries.

    Attributes
    ----------
    dataset, dataset_hash : str
        Name and content hash of the whole database.
    crystals : Mapping[str, Structure]
        Crystal of every development entry, with oxidation states.
    labels : Mapping[str, int]
        Class of every development entry.
    log10_sigma : Mapping[str, float]
        Of every development entry; NaN where only the class is known.
    clustering : Clustering
        Clusters of the development entries.
    formulas, groups : Mapping
        Reduced formula and group of matching structures of all entries.
    hold_out_hash : str
        Hash of the test set that was kept away.
    report : DatabaseReport
        What the database holds and what was left out.
    """

    dataset: str
    dataset_hash: str
    crystals: Mapping[str, Structure]
    labels: Mapping[str, int]
    log10_sigma: Mapping[str, float]
    clustering: Clustering
    formulas: Mapping[str, str]
    groups: Mapping[str, int]
    hold_out_hash: str
    report: DatabaseReport

    def seen_as(self, representation: Representation, level: int) -> LearningProblem:
        """Return the learning problem with the features of one representation and level."""
        return LearningProblem(
            dataset=self.dataset,
            dataset_hash=self.dataset_hash,
            representation=representation,
            level=level,
            features=cached_features(self.crystals, representation, level),
            features_hash=features_hash(self.crystals, representation, level),
            labels=self.labels,
            clustering=self.clustering,
            formulas=self.formulas,
            groups=self.groups,
            hold_out_hash=self.hold_out_hash,
            report=self.report,
            log10_sigma=self.log10_sigma,
        )

    def seen_through(self, views: Sequence[str]) -> LearningProblem:
        """Return the learning problem of configurations that choose among views.

        All their columns stand side by side, over the orbits that their representations share.

        Raises
        ------
        InputError
            When representations that show different sites are mixed.
        """
        whole = union(views)
        (representation, level), *more = whole.blocks
        problem = self.seen_as(representation, level)
        if not more:
            return replace(problem, views=tuple(views))
        return replace(
            problem,
            features=cached_view(self.crystals, whole),
            features_hash=view_hash(self.crystals, whole),
            views=tuple(views),
        )


def draw_test_set(database: Database, groups: Mapping[str, int], test_set: str) -> HoldOut:
    """Set the test entries apart.

    Parameters
    ----------
    database : Database
        All entries.
    groups : Mapping[str, int]
        Group of matching structures of every entry.
    test_set : str
        One of `TEST_SETS`.

    Raises
    ------
    InputError
        When the dataset states no test set, or there is no such way to choose one.
    """
    if test_set not in TEST_SETS:
        raise InputError(f"--test-set {test_set}: give one of {', '.join(TEST_SETS)}")
    if test_set == "random":
        return hold_out(database.ids)
    if SPLIT_COLUMN not in database.table.columns:
        raise InputError(
            f"dataset {database.name} states no official test set (no column {SPLIT_COLUMN!r}): "
            "OBELiX needs its test.csv beside all.csv, a table a column split with train or test, "
            "a data record that was made without must be prepared anew; or use --test-set random"
        )
    return official_hold_out(database.table[SPLIT_COLUMN].to_dict(), groups)


def prepare_development(
    database: Database,
    clusters: Path | None = None,
    stage: Callable[[str], None] = lambda text: None,
    test_set: str = "random",
) -> tuple[DevelopmentData, HoldOut, LeakageReport]:
    """Draw the test set and cluster what is left.

    Parameters
    ----------
    database : Database
        Labelled crystals.
    clusters : Path, optional
        CSV with columns id and cluster instead of ElMD, UMAP and DBSCAN.
    stage : callable
        Told what is being done.
    test_set : str
        One of `TEST_SETS`.

    Returns
    -------
    DevelopmentData, HoldOut, LeakageReport
        The development entries; the test set, which no search code takes; what the two share.
    """
    stage("comparing structures")
    groups = matching_groups(database.structures)
    formulas = database.table["formula"].to_dict()
    held = draw_test_set(database, groups, test_set)
    shared = leakage(held.development, held.test, formulas=formulas, groups=groups)
    development = database.subset(held.development)
    stage("clustering compositions")
    if clusters is None:
        compositions = {k: s.composition for k, s in development.structures.items()}
        clustering = loco_clusters(compositions)
    else:
        clustering = read_clusters(clusters, development.ids)
    stage("finding oxidation states")
    decorated, methods = prepare(database.structures)
    counts = Counter(str(method) for method in methods.values())
    data = DevelopmentData(
        dataset=database.name,
        dataset_hash=database.hash,
        crystals={entry: decorated[entry] for entry in development.ids},
        labels=dict(zip(development.ids, (int(v) for v in development.labels), strict=True)),
        log10_sigma=development.table["log10_sigma"].astype(float).to_dict(),
        clustering=clustering,
        formulas=formulas,
        groups=groups,
        hold_out_hash=held.hash,
        report=report(database, groups=groups, oxidation=counts),
    )
    return data, held, shared


def prepare_problem(
    database: Database,
    representation: Representation,
    level: int,
    clusters: Path | None = None,
    stage: Callable[[str], None] = lambda text: None,
    test_set: str = "random",
    views: Sequence[str] = (),
) -> tuple[LearningProblem, HoldOut, LeakageReport]:
    """Prepare the development entries and see them as one representation and level.

    Where there are views they are seen through these instead. Other parameters and what is
    returned beside the problem are those of `prepare_development`.
    """
    data, held, shared = prepare_development(database, clusters, stage, test_set)
    stage("computing features")
    problem = data.seen_through(views) if views else data.seen_as(representation, level)
    return problem, held, shared
