"""Hyperparameters of one network and its training, validated once at the edge.

A plain record without TensorFlow; what they mean is `sie.models.atomsets` and `sie.training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sie.errors import InputError
from sie.hashing import content_hash


@dataclass(frozen=True)
class TrialConfig:
    """Hyperparameters of one trial (article's Table S7); phi is before the readout, rho after.

    Attributes
    ----------
    init_lr, max_lr : float
        Bounds of the triangular-2 cyclical learning rate.
    batch_size : int
        Structures per step.
    dropout_phi, dropout_rho : float
        Share of units dropped after each dense layer, in [0, 1).
    l2_phi, l2_rho : float
        L2 penalty on the kernels of the dense layers.
    n_layers, n_neurons : int
        Depth and width of phi and of rho.
    readout_width, readout_steps : int
        Set2Set's n_hidden and T.
    """

    init_lr: float = 4e-5
    max_lr: float = 3e-3
    batch_size: int = 64
    dropout_phi: float = 0.1
    dropout_rho: float = 0.1
    l2_phi: float = 1e-4
    l2_rho: float = 1e-4
    n_layers: int = 3
    n_neurons: int = 64
    readout_width: int = 512
    readout_steps: int = 3

    def __post_init__(self) -> None:
        self._require(0 < self.init_lr <= self.max_lr, "0 < init_lr <= max_lr")
        self._require(min(self.l2_phi, self.l2_rho) >= 0, "l2_phi and l2_rho >= 0")
        for name in ("dropout_phi", "dropout_rho"):
            self._require(0 <= getattr(self, name) < 1, f"0 <= {name} < 1")
        for name in ("batch_size", "n_layers", "n_neurons", "readout_width", "readout_steps"):
            value = getattr(self, name)
            self._require(value == int(value) and value >= 1, f"{name} a whole number >= 1")

    def _require(self, holds: bool, rule: str) -> None:
        if not holds:
            raise InputError(f"configuration: {rule} must hold, but got {asdict(self)}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TrialConfig:
        """Build a configuration from plain values, e.g. a sampled point.

        Raises
        ------
        InputError
            When a key is unknown or a value is out of range.
        """
        known = {item.name: item.type for item in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise InputError(
                f"configuration: unknown {', '.join(unknown)}; known: {', '.join(known)}"
            )
        cast: dict[str, Any] = {
            k: int(v) if known[k] == "int" else float(v) for k, v in values.items()
        }
        return cls(**cast)

    def as_dict(self) -> dict[str, Any]:
        """Return the hyperparameters as plain values."""
        return asdict(self)

    @property
    def hash(self) -> str:
        """Content hash: equal configurations have equal hashes."""
        return content_hash("config-1", asdict(self))
