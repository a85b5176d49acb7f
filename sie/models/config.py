"""Hyperparameters of one network and its training, validated once at the edge.

A plain record without TensorFlow; what they mean is `sie.models.atomsets` and `sie.training`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sie.errors import InputError
from sie.features.views import parse_view
from sie.hashing import content_hash
from sie.models.registry import MODELS, find_model

CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimiser": ("lamb", "adam", "adamw"),
    "schedule": ("triangular2", "cosine", "constant"),
    "activation": ("relu", "silu", "tanh"),
    "pooling": ("set2set", "attention", "mean"),
    "class_weight": ("none", "balanced"),
}
"""What a hyperparameter that is a word may be; the first is the article's."""

ONLY_WITH: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "init_lr": ("schedule", ("triangular2", "cosine")),
    "decay_epochs": ("schedule", ("cosine",)),
    "weight_decay": ("optimiser", ("adamw",)),
    "readout_width": ("pooling", ("set2set",)),
    "readout_steps": ("pooling", ("set2set",)),
}
"""Hyperparameters that another one can make meaningless, with the values that leave them alive."""


@dataclass(frozen=True)
class TrialConfig:
    """Hyperparameters of one trial; phi is before the readout, rho after.

    The defaults from `optimiser` on are the article's recipe; what comes before them it searched
    (Table S7). What `ONLY_WITH` calls meaningless beside the other values is set to its default
    (`init_lr` to `max_lr`), so that configurations which train alike are equal.

    Attributes
    ----------
    init_lr, max_lr : float
        Bounds of the learning rate: triangular-2 climbs from `init_lr` to `max_lr` and back, its
        height halved every time; cosine falls from `max_lr` to `init_lr`; constant is `max_lr`.
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
    optimiser : str
        lamb (LAMB in Lookahead), adam, or adamw.
    weight_decay : float
        AdamW's, of kernels alone: each step takes the share rate times decay off them.
    schedule : str
        triangular2, cosine or constant.
    decay_epochs : int
        Epochs in which cosine falls to `init_lr`, where it stays; a number of its own, so that a
        training that ends earlier has gone through the same rates.
    standardise : bool
        Whether rows are brought to mean 0 and standard deviation 1 over the training part.
    activation : str
        Of the dense layers: relu, silu or tanh.
    pooling : str
        How the rows of a structure become one: set2set, attention (softmax of one learnt query) or
        mean, all weighted by multiplicity.
    label_smoothing : float
        Training aims at s/2 and 1 - s/2 instead of 0 and 1; s in [0, 1).
    class_weight : str
        none, or balanced: each class has the same share in the loss.
    model : str
        Which network: a name in `sie.models.registry.MODELS`.
    view : str
        What the network sees of a crystal, where a space lets it choose (`sie.features.views`);
        empty for all that the features have.
    pretrained : bool or None
        Whether it starts from pre-trained weights where its shape has some; None as the command
        says. False where it cannot: those weights are for relu, set2set and rows as they are.
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
    optimiser: str = "lamb"
    weight_decay: float = 0.01
    schedule: str = "triangular2"
    decay_epochs: int = 200
    standardise: bool = False
    activation: str = "relu"
    pooling: str = "set2set"
    label_smoothing: float = 0.0
    class_weight: str = "none"
    model: str = "atomsets"
    view: str = ""
    pretrained: bool | None = None

    def __post_init__(self) -> None:
        for name, allowed in (*CHOICES.items(), ("model", tuple(MODELS))):
            rule = f"{name} one of {', '.join(allowed)}"
            self._require(getattr(self, name) in allowed, rule)
        self._require(isinstance(self.standardise, bool), "standardise true or false")
        self._require(self.pretrained in (True, False, None), "pretrained true or false")
        if self.view:
            parse_view(self.view)
        if self.pretrained and not self.takes_pretrained:
            object.__setattr__(self, "pretrained", False)
        self._require_numbers()
        defaults = {item.name: item.default for item in fields(self)}
        for name in {*ONLY_WITH, *find_model(self.model).ignores}:
            if not self.uses(name):
                value = self.max_lr if name == "init_lr" else defaults[name]
                object.__setattr__(self, name, value)

    def _require_numbers(self) -> None:
        self._require(0 <= self.weight_decay < math.inf, "weight_decay >= 0")
        self._require(0 <= self.label_smoothing < 1, "0 <= label_smoothing < 1")
        self._require(min(self.init_lr, self.max_lr) > 0, "0 < init_lr <= max_lr")
        if self.uses("init_lr"):
            self._require(self.init_lr <= self.max_lr, "0 < init_lr <= max_lr")
        self._require(min(self.l2_phi, self.l2_rho) >= 0, "l2_phi and l2_rho >= 0")
        for name in ("dropout_phi", "dropout_rho"):
            self._require(0 <= getattr(self, name) < 1, f"0 <= {name} < 1")
        for name in _COUNTS:
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
        known = {item.name: str(item.type) for item in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise InputError(
                f"configuration: unknown {', '.join(unknown)}; known: {', '.join(known)}"
            )
        return cls(**{name: _cast(name, known[name], value) for name, value in values.items()})

    def uses(self, name: str) -> bool:
        """Return whether a hyperparameter means something beside the values of the others."""
        if name in find_model(self.model).ignores:
            return False
        other, values = ONLY_WITH.get(name, ("", ()))
        return not other or getattr(self, other) in values

    def as_dict(self) -> dict[str, Any]:
        """Return plain values: what the article searched, and what differs from its recipe.

        What the model ignores is left out. Hashes are made of it, so those of the article's recipe
        do not change when another hyperparameter is added.
        """
        recipe = {item.name: item.default for item in fields(self)[_SEARCHED:]}
        ignored = find_model(self.model).ignores
        plain = {k: v for k, v in asdict(self).items() if k not in ignored}
        return {k: v for k, v in plain.items() if k not in recipe or v != recipe[k]}

    def as_params(self) -> dict[str, Any]:
        """Return every hyperparameter that means something here, for tables and tracking."""
        plain = {name: value for name, value in asdict(self).items() if self.uses(name)}
        return {name: value for name, value in plain.items() if value not in ("", None)}

    @property
    def takes_pretrained(self) -> bool:
        """Whether pre-trained weights are for such networks; a shape may still lack them."""
        usual = all(getattr(self, name) == CHOICES[name][0] for name in ("pooling", "activation"))
        return usual and self.model == next(iter(MODELS)) and not self.standardise

    @property
    def shape(self) -> tuple[Any, ...]:
        """What networks must share to have weights of the same names, shapes and meaning."""
        readout = (self.readout_width, self.readout_steps)
        return self.n_layers, self.n_neurons, *readout, *self.kind, self.standardise, self.view

    @property
    def program(self) -> tuple[Any, ...]:
        """What trainings must share to run in one compiled program."""
        return *self.shape[:-2], self.optimiser == "lamb"

    @property
    def kind(self) -> tuple[str, str, str]:
        """How the network is made beyond its sizes: model, pooling and activation."""
        return self.model, self.pooling, self.activation

    @property
    def hash(self) -> str:
        """Content hash: equal configurations have equal hashes."""
        return content_hash("config-1", self.as_dict())


_SEARCHED = 11
"""Fields of `TrialConfig` that the article searched, or gives a number for; they come first."""

_COUNTS = ("batch_size", "n_layers", "n_neurons", "readout_width", "readout_steps", "decay_epochs")


def shown(value: Any) -> str:
    """Return a hyperparameter's value as tables show it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:g}"


def _cast(name: str, kind: str, value: Any) -> Any:
    """Return a plain value, perhaps one that was written down as text, as the field's type."""
    try:
        if kind.startswith("bool"):
            known = {"true": True, "false": False}
            return value if isinstance(value, bool) else known[str(value).lower()]
        if kind == "str":
            return str(value)
        return int(float(value)) if kind == "int" else float(value)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"configuration: {name} must be of type {kind}, but got {value!r}"
        ) from error
