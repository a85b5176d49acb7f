"""What every step of a study shares: data, record, results folder, workers.

Holds and writes; what is compared is decided by the steps.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.files import replacing, write_text
from sie.search.problem import DevelopmentData, LearningProblem
from sie.splits.kfold import stratified_folds
from sie.splits.leakage import LeakageReport
from sie.splits.left_out import loco_split, usable_clusters
from sie.splits.record import HoldOut, Split
from sie.study.settings import Pair, StudySettings
from sie.tracking.environment import environment_tags
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store
from sie.training.record import TrialStatus

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sie.comparison.compare import Advance

Started = Callable[[str, int, int], "Advance"]
"""Called with a title, what is done already and the total; returns what is told of each advance."""


@dataclass
class Workbench:
    """Data and places of one study.

    Attributes
    ----------
    data : DevelopmentData
        Development entries, without any choice of representation.
    held : HoldOut
        The test set; only split statistics look at it.
    test_leakage : LeakageReport
        What both share.
    settings : StudySettings
        Sizes of the steps.
    store : Store
        MLflow.
    folder : Path
        Results folder: tables/ and figures/ below it.
    workers : int
        Trainings at once.
    started : Started
        Shows progress.
    pretrained : Path or None
        The user's own pre-trained weights, besides those of the package.
    written : list of Path
        Files that the present step has written.
    """

    data: DevelopmentData
    held: HoldOut
    test_leakage: LeakageReport
    settings: StudySettings
    store: Store
    folder: Path
    workers: int
    started: Started
    pretrained: Path | None = None
    written: list[Path] = field(default_factory=list)

    @cached_property
    def folds(self) -> list[Split]:
        """The article's five stratified folds."""
        return stratified_folds(list(self.data.labels), self.data.labels)

    @cached_property
    def left_out_clusters(self) -> list[Split]:
        """A split for every cluster that can be left out."""
        counts = usable_clusters(self.data.clustering, self.data.labels)
        return [
            loco_split(self.data.clustering, count.cluster, self.data.labels)
            for count in counts
            if count.usable
        ]

    @property
    def marks(self) -> dict[str, Any]:
        """Tags that name the data in every run."""
        return {
            "dataset": self.data.dataset,
            "dataset_hash": self.data.dataset_hash,
            "hold_out_hash": self.data.hold_out_hash,
        }

    def problem(self, pair: Pair) -> LearningProblem:
        """Return the development entries as one representation and level."""
        return self.data.seen_as(*pair)

    def positive_fractions(self, splits: list[Split]) -> dict[str, float]:
        """Return the share of class 1 in every split's validation part, by its name."""
        labels = self.data.labels
        return {
            split.name: sum(labels[i] for i in split.validation) / len(split.validation)
            for split in splits
        }

    def recorder(self, experiment: str) -> Recorder:
        """Return a recorder of an experiment below the dataset's name."""
        return Recorder(self.store, experiment.format(dataset=self.data.dataset))

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table as CSV, six significant digits."""
        path = self.folder / "tables" / f"{name}.csv"
        buffer = io.StringIO()
        table.to_csv(buffer, index=False, float_format="%.6g")
        write_text(path, buffer.getvalue())
        self.written.append(path)

    def write_figure(self, name: str, figure: Figure) -> None:
        """Write a figure as PNG and SVG."""
        import matplotlib.pyplot as plt

        from sie.reporting.style import drawing

        for suffix in ("png", "svg"):
            path = self.folder / "figures" / f"{name}.{suffix}"
            with drawing(), replacing(path) as temporary:
                figure.savefig(temporary, format=suffix, bbox_inches="tight")
            self.written.append(path)
        plt.close(figure)

    def record_step(self, step: str, run_yaml: str = "") -> str:
        """Keep what the step has written as artifacts of a run of its own; return its id.

        `run_yaml` are the options of the command, as a file that it reads.
        """
        recorder = self.recorder("study/{dataset}")
        tags = {**self.marks, "phase": "study", "step": step, **environment_tags()}
        run_id = recorder.open_run(step, step, tags, {})
        recorder.save_json(run_id, self.settings.as_dict(), "settings.json")
        for path in self.written:
            recorder.save_file(run_id, path, path.parent.name)
        if run_yaml:
            recorder.save_text(run_id, run_yaml, "run.yaml")
        recorder.close_run(run_id, TrialStatus.COMPLETED)
        return run_id
