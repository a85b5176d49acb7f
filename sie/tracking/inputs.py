"""The dataset of a run as MLflow's input: its name, its hash, where it comes from; no data.

What a user filters by and MLflow shows beside the run; the data themselves are not read for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

CONTEXT_TAG = "mlflow.data.context"
"""What a run used the dataset for; MLflow's own name."""


@dataclass(frozen=True)
class DataInput:
    """A dataset that a run has used.

    Attributes
    ----------
    name, digest : str
        Of the dataset; the digest is its content hash.
    source : str
        An address, a path, or the name of the package that holds it.
    context : str
        What the run used it for, such as ``cluster 3 left out``.
    profile : Mapping
        Counts that MLflow shows: plain values.
    """

    name: str
    digest: str
    source: str = ""
    context: str = ""
    profile: Mapping[str, Any] = field(default_factory=dict)

    def as_entity(self) -> DatasetInput:
        """Return it as MLflow logs it (a dataset of metadata alone)."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        kind, source = self._source()
        dataset = Dataset(
            name=self.name,
            digest=self.digest,
            source_type=kind,
            source=json.dumps(source),
            profile=json.dumps(dict(self.profile)) if self.profile else None,
        )
        return DatasetInput(dataset, [InputTag(CONTEXT_TAG, self.context)] if self.context else [])

    def _source(self) -> tuple[str, dict[str, Any]]:
        """Return MLflow's kind of the source, and what that kind is read back from."""
        if self.source.startswith(("http://", "https://")):
            return "http", {"url": self.source}
        if "/" in self.source:
            return "local", {"uri": self.source}
        return "code", {"tags": {"mlflow.source.name": self.source or self.name}}
