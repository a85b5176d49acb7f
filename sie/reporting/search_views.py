"""What is worth seeing of searches in MLflow: trials of one cluster, of all, and the winners.

Choices only; how MLflow keeps a view is the business of `sie.tracking.views`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sie.search.parent import PARENT_PHASE
from sie.search.plan import SearchPlan
from sie.search.record import Phase
from sie.tracking.views import Chart, View, contour, parallel, scatter

SCORE, RANK = "best_val_auc_pr", "rank"
SLICES = 6
"""Scatter plots in a view."""


def search_views(plan: SearchPlan, parent: str) -> tuple[View, View, View]:
    """Return the views: trials of a search, trials of all clusters, winners.

    Parameters
    ----------
    plan : SearchPlan
        Of the search that has ended; its varied hyperparameters become axes.
    parent : str
        Its parent run.
    """
    varied = tuple(p.name for p in plan.space.parameters if len(set(p.values)) > 1)
    metrics = tuple(f"metrics.`{name}`" for name in (RANK, SCORE, "best_epoch"))
    trial_columns = (*metrics, "tags.`cluster`", "tags.`status`")
    columns = (*trial_columns, *(f"params.`{name}`" for name in varied))
    of_search = f"tags.phase = '{Phase.SEARCH}'"
    return (
        View(
            f"sie-cluster-{plan.cluster}",
            f"Trials of cluster {plan.cluster}",
            f"{of_search} and tags.mlflow.parentRunId = '{parent}'",
            columns,
            _charts(varied, varied),
        ),
        View(
            "sie-clusters",
            "Trials of all clusters",
            of_search,
            columns,
            _charts(("cluster", *varied), varied),
        ),
        View(
            "sie-winners",
            "Winners of the clusters",
            f"tags.phase = '{PARENT_PHASE}' and metrics.rank = 1",
            (*metrics, "metrics.`best_val_auc_pr_sd`", "metrics.`best_val_mcc`",
             "metrics.`positive_fraction`", "tags.`cluster`", "tags.`status`"),
            order=f"metrics.`{SCORE}`",
            ascending=False,
        ),
    )  # fmt: skip


def view_of(plans: Sequence[SearchPlan]) -> View:
    """Return the view that shows the trials of one search, or those of all clusters."""
    own, of_all, _ = search_views(plans[-1], "")
    return own if len(plans) == 1 else of_all


def _charts(axes: tuple[str, ...], varied: tuple[str, ...]) -> tuple[Chart, ...]:
    """Return parallel coordinates over all axes, a contour of two, a scatter plot of each."""
    if not varied:
        return ()
    charts = [parallel(axes, (RANK, SCORE))]
    if len(varied) > 1:
        charts.append(contour((varied[0], varied[1]), SCORE))
    return (*charts, *(scatter(name, SCORE) for name in varied[:SLICES]))
