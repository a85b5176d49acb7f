"""The models by name: what the hyperparameter `model` may be, and what stands behind it.

What a model must offer is `sie.models.model`; nothing of a model is imported before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from sie.registered import registered

if TYPE_CHECKING:
    from sie.models.model import Model

MODELS: Mapping[str, str] = {
    "atomsets": "sie.models.atomsets_model:AtomSetsModel",
}
"""The registry: a new model is a file and a line here; the first is the article's."""


@cache
def find_model(name: str) -> Model:
    """Return the model of a name in `MODELS`; `TrialConfig` refuses others."""
    model: Model = registered(MODELS[name])()
    return model
