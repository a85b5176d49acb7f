"""What a report is made from: cluster searches as MLflow holds them, and what others scored there.

Records only; they are filled by `reading` and `scores_of_others`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from sie.search.choices import Sampler, Scheduler
from sie.search.plan import Budget
from sie.search.record import EndedTrial
from sie.search.selection import RepeatedConfig, SelectionRule
from sie.search.space import SearchSpace
from sie.splits.record import Clustering, Split
from sie.tracking.queries import StoredRun
from sie.training.record import TrialStatus


@dataclass(frozen=True)
class Entry:
    """One compound of the map: its formula, log10 of its conductivity in S/cm (or NaN), class."""

    formula: str
    log10_sigma: float
    label: int | None


@dataclass(frozen=True)
class SystemScore:
    """What a baseline or a control scored on the split of a search.

    Attributes
    ----------
    name, kind : str
        Of the system; kind is "baseline" or "control".
    auc_pr, mcc : tuple of float
        One value a seed; MCC may be NaN.
    """

    name: str
    kind: str
    auc_pr: tuple[float, ...]
    mcc: tuple[float, ...]


@dataclass(frozen=True)
class ClusterSearch:
    """A finished search of one left-out cluster.

    Attributes
    ----------
    parent : StoredRun
        Its parent run.
    experiment : str
        Name of the MLflow experiment.
    trials : tuple of EndedTrial
        The search phase, by number; curves hold validation AUC-PR only.
    judged : tuple of RepeatedConfig
        Configurations after their repeats, best first; empty where nothing was repeated.
    space : SearchSpace or None
        What was searched.
    split, clustering : Split or None, Clustering or None
        What was left out, and the clusters behind it.
    entries : Mapping[str, Entry]
        Development entries by id, where the run's artifacts hold them.
    documents : Mapping
        Artifacts as plain values: dataset, leakage, hold_out (how the test set was drawn).
    others : tuple of SystemScore
        Baselines and controls on the same split.
    missing : tuple of str
        Artifacts that the run does not hold or that cannot be read, with the reason.
    """

    parent: StoredRun
    experiment: str
    trials: tuple[EndedTrial, ...]
    judged: tuple[RepeatedConfig, ...]
    space: SearchSpace | None = None
    split: Split | None = None
    clustering: Clustering | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    others: tuple[SystemScore, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def cluster(self) -> int:
        """Number of the left-out cluster."""
        return int(self.parent.tags["cluster"])

    @property
    def name(self) -> str:
        """What the user called the search."""
        return self.parent.tags["search_name"]

    @property
    def winner(self) -> RepeatedConfig | None:
        """Best configuration after the repeats."""
        return self.judged[0] if self.judged else None

    @property
    def floor(self) -> float:
        """Positive fraction of the cluster, the AUC-PR of a constant prediction; NaN if unknown."""
        return self.parent.metrics.get("positive_fraction", math.nan)

    @property
    def rule(self) -> SelectionRule:
        """How curves were ranked."""
        params = self.parent.params
        return SelectionRule(int(params["rule.window"]), int(params["rule.min_epoch"]))

    @property
    def sampler(self) -> str:
        """What drew the configurations."""
        return self.parent.params.get("sampler") or Sampler.HYPEROPT

    @property
    def scheduler(self) -> str:
        """What stopped trials that fell behind."""
        return self.parent.params.get("scheduler") or Scheduler.ASHA

    @property
    def ends(self) -> Counter[TrialStatus]:
        """How many trials of the search phase ended how."""
        return Counter(trial.result.status for trial in self.trials)

    @property
    def scored(self) -> tuple[EndedTrial, ...]:
        """Trials whose objective may be compared."""
        return tuple(t for t in self.trials if t.result.status.counts and np.isfinite(t.objective))

    def param(self, name: str) -> str:
        """Return a parameter of the plan, as logged; empty where there is none."""
        return self.parent.params.get(name, "")

    @property
    def budget(self) -> Budget:
        """The plan's budget; what was not logged keeps its default."""
        names = {item.name for item in fields(Budget)}
        logged = {name: self.param(f"budget.{name}") for name in names}
        known = {k: float(v) for k, v in logged.items() if v not in ("", "None")}
        return Budget().with_options({k: int(v) if v.is_integer() else v for k, v in known.items()})


@dataclass(frozen=True)
class Study:
    """Searches that are reported together: one, or one a cluster.

    Attributes
    ----------
    experiment : str
        Name of the MLflow experiment.
    searches : tuple of ClusterSearch
        By rising cluster; at least one.
    notes : tuple of str
        What was left out while reading, and why.
    """

    experiment: str
    searches: tuple[ClusterSearch, ...]
    notes: tuple[str, ...] = ()

    @property
    def single(self) -> bool:
        """Whether it is one cluster's search."""
        return len(self.searches) == 1

    @property
    def first(self) -> ClusterSearch:
        """The search that speaks for all in what they share."""
        return self.searches[0]

    def differences(self) -> dict[str, list[str]]:
        """Return what ought to be the same in all searches and is not, with its values."""
        shared = ("dataset_hash", "features_hash", "hold_out_hash", "space_hash", "code_hash")
        values = {name: [s.parent.tags.get(name, "") for s in self.searches] for name in shared}
        names = {key for s in self.searches for key in s.parent.params if "." in key} | {"seed"}
        values |= {name: [s.param(name) for s in self.searches] for name in sorted(names)}
        return {name: sorted(set(found)) for name, found in values.items() if len(set(found)) > 1}
