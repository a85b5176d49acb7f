"""What validation entries share with training: id, reduced formula, structure, cluster.

Counting only; formulas, structure groups and clusters are found elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LeakageReport:
    """How many validation entries share something with at least one training entry.

    Attributes
    ----------
    n_train, n_validation : int
        Entries on either side.
    same_id, same_formula, same_structure : int
        Validation entries whose id, reduced formula or group of matching structures also trains.
    same_cluster : int or None
        Validation entries whose cluster also trains; None without clusters.
    """

    n_train: int
    n_validation: int
    same_id: int
    same_formula: int
    same_structure: int
    same_cluster: int | None = None

    def line(self) -> str:
        """Return the counts as one line of text."""
        parts = [
            f"id {self.same_id}",
            f"reduced formula {self.same_formula}",
            f"matching structure {self.same_structure}",
        ]
        if self.same_cluster is not None:
            parts.append(f"cluster {self.same_cluster}")
        return (
            f"of {self.n_validation} entries, these share with the {self.n_train} of training: "
            + ", ".join(parts)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return asdict(self)


def leakage(
    train_ids: Iterable[str],
    validation_ids: Iterable[str],
    *,
    formulas: Mapping[str, str],
    groups: Mapping[str, int],
    clusters: Mapping[str, int] | None = None,
) -> LeakageReport:
    """Count the validation entries that share something with training.

    Parameters
    ----------
    train_ids, validation_ids : iterable of str
        The two sides of a split, or development and test ids.
    formulas : Mapping
        Reduced formula of every id.
    groups : Mapping
        Group of matching structures of every id.
    clusters : Mapping, optional
        Cluster of every id.

    Raises
    ------
    KeyError
        When a mapping lacks an id.
    """
    train, validation = list(train_ids), list(validation_ids)

    def shared(key: Callable[[str], object]) -> int:
        seen = {key(entry) for entry in train}
        return sum(key(entry) in seen for entry in validation)

    return LeakageReport(
        n_train=len(train),
        n_validation=len(validation),
        same_id=shared(str),
        same_formula=shared(formulas.__getitem__),
        same_structure=shared(groups.__getitem__),
        same_cluster=None if clusters is None else shared(clusters.__getitem__),
    )
