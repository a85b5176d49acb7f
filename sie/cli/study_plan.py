"""What the steps of a study would do, in numbers: the plan of a dry run.

Counts only; nothing is trained and no feature is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sie.models.baselines import BASELINES
from sie.search.problem import DevelopmentData
from sie.splits.left_out import usable_clusters
from sie.study.settings import StudySettings, pair_name

N_FOLDS = 5
"""As `sie.splits.kfold.stratified_folds` divides by default."""

CONTROLS = 2
"""The mean and the shuffled control."""


def plan_of(steps: Sequence[str], settings: StudySettings, data: DevelopmentData) -> dict[str, str]:
    """Return in one line for each step what it evaluates how often.

    Parameters
    ----------
    steps : sequence of str
        Their names.
    settings : StudySettings
        How much of everything.
    data : DevelopmentData
        Says how many clusters can be left out.
    """
    clusters = sum(count.usable for count in usable_clusters(data.clustering, data.labels))
    lines = {
        "splits": "counts, label ranges and similarities of all clusters, folds and the test set",
        "kfold": _kfold(settings),
        "ordered": _ordered(settings, len(data.crystals)),
        "baselines": _baselines(settings, clusters, "clusters"),
        "loco": _loco(settings, clusters),
        "transfer": _transfer(settings, clusters),
    }
    return {step: lines[step] for step in steps}


def _kfold(settings: StudySettings) -> str:
    n = len(settings.pairs) * N_FOLDS * settings.network_seeds
    networks = f"{n} trainings ({len(settings.pairs)} representations and levels x {N_FOLDS} folds "
    seeds = f"x {settings.network_seeds} seeds) of {settings.epochs} epochs; "
    return networks + seeds + _baselines(settings, N_FOLDS, "folds")


def _ordered(settings: StudySettings, crystals: int) -> str:
    n = 2 * N_FOLDS * settings.network_seeds
    return (
        f"ordering of {crystals} crystals, at most {settings.ordered_limits.seconds:g} s each; {n} "
        f"trainings (2 kinds of features x {N_FOLDS} folds x {settings.network_seeds} seeds) of "
        f"{settings.epochs} epochs"
    )


def _baselines(settings: StudySettings, splits: int, what: str) -> str:
    systems = f"{len(BASELINES)} baselines and {CONTROLS} controls"
    return f"{systems} on {splits} {what}, {settings.baseline_seeds} seeds"


def _loco(settings: StudySettings, clusters: int) -> str:
    budget = settings.loco_budget
    pairs = ", ".join(map(pair_name, settings.loco_pairs))
    return (
        f"{len(settings.loco_pairs) * clusters} searches ({pairs} x {clusters} clusters) of "
        f"{budget.trials} trials and {budget.n_repeats} repeats of at most {budget.max_epochs} "
        f"epochs; {_baselines(settings, clusters, 'clusters')}"
    )


def _transfer(settings: StudySettings, clusters: int) -> str:
    splits = N_FOLDS + clusters
    n = 2 * len(settings.loco_pairs) * splits * settings.transfer_seeds
    return (
        f"at most {n} trainings (cold and pre-trained x {len(settings.loco_pairs)} representations "
        f"x {N_FOLDS} folds and {clusters} clusters x {settings.transfer_seeds} seeds) of "
        f"{settings.transfer_epochs} epochs"
    )
