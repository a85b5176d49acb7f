"""Saved views of an experiment: which runs MLflow's page shows, in which columns and charts.

MLflow keeps a view as a tag of the experiment, the state of its page deflated. It is offered under
"Views" there, and its address opens it. A version of MLflow that knows no such tag ignores it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

VIEW_TAG = "mlflow.sharedViewState."
_SECTION = "sie"
_ALL_RUNS = 500
"""More runs than a search has; MLflow's charts otherwise leave all but ten out."""

Chart = Mapping[str, Any]


@dataclass(frozen=True)
class View:
    """A view of an experiment's runs.

    Attributes
    ----------
    key, name : str
        Key in its address, and the name under "Views".
    query : str
        MLflow filter of the runs.
    columns : tuple of str
        Columns of the table, such as ``metrics.`rank```.
    charts : tuple of Chart
        Charts, first to last.
    order : str
        Column that runs are sorted by.
    ascending : bool
        Smallest first.
    """

    key: str
    name: str
    query: str
    columns: tuple[str, ...]
    charts: tuple[Chart, ...] = ()
    order: str = "metrics.`rank`"
    ascending: bool = True

    @property
    def tag(self) -> str:
        """Name of the experiment's tag that holds it."""
        return VIEW_TAG + self.key

    def value(self, at_ms: int) -> str:
        """Return the tag's content, saved at a time in milliseconds since 1970."""
        packed = base64.b64encode(zlib.compress(json.dumps(self._state()).encode(), 9))
        content = {"name": self.name, "createdAt": at_ms, "updatedAt": at_ms}
        return json.dumps({**content, "state": f"deflate;{packed.decode()}"})

    def address(self, experiment_id: str) -> str:
        """Return where the view is, within MLflow's page."""
        mode = {"compareRunsMode": "CHART"} if self.charts else {}
        query = {"workflowType": "machine_learning", **mode, "viewStateShareKey": self.key}
        return f"#/experiments/{experiment_id}/runs?{urlencode(query)}"

    def _state(self) -> dict[str, Any]:
        section: dict[str, Any] = {"uuid": _SECTION, "name": "Search", "display": True}
        section |= {"isReordered": False, "deleted": False, "isGenerated": False}
        section |= {"columns": 2, "cardHeight": 420}
        state: dict[str, Any] = {
            "searchFilter": self.query,
            "orderByKey": self.order,
            "orderByAsc": self.ascending,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": list(self.columns),
            "runsHiddenMode": "SHOWALL",
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "groupBy": None,
        }
        if self.charts:
            state["compareRunSections"] = [section]
            state["compareRunCharts"] = [
                {**_placed(number), **chart} for number, chart in enumerate(self.charts)
            ]
        return state


@dataclass(frozen=True)
class Page:
    """What MLflow's pages show of a search: the parent's description, views of its experiment."""

    note: str = ""
    views: tuple[View, ...] = ()


NO_PAGE = Page()


def parallel(params: Sequence[str], metrics: Sequence[str]) -> Chart:
    """Return a plot of parallel coordinates; its last metric colours the lines."""
    return {
        "type": "PARALLEL",
        "selectedParams": list(params),
        "selectedMetrics": list(metrics),
    }


def scatter(param: str, metric: str) -> Chart:
    """Return a scatter plot of a metric over a hyperparameter."""
    x, y = _axis(param, "PARAM"), _axis(metric, "METRIC")
    return {"type": "SCATTER", "xaxis": x, "yaxis": y}


def contour(params: tuple[str, str], metric: str) -> Chart:
    """Return a contour plot of a metric over two hyperparameters."""
    x, y = (_axis(name, "PARAM") for name in params)
    z = _axis(metric, "METRIC")
    return {"type": "CONTOUR", "xaxis": x, "yaxis": y, "zaxis": z}


def _axis(key: str, kind: str) -> dict[str, str]:
    return {"key": key, "type": kind}


def _placed(number: int) -> dict[str, Any]:
    return {
        "uuid": f"{_SECTION}-{number}",
        "metricSectionId": _SECTION,
        "runsCountToCompare": _ALL_RUNS,
        "deleted": False,
        "isGenerated": False,
    }
