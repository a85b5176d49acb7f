"""Registries name things as "module:attribute", so that a name costs no import before it is used.

The registries live beside what they name: models, samplers, representations, datasets.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def registered(path: str) -> Any:
    """Return what a line of a registry names, such as "sie.datasets.starter:from_source".

    A line that leads nowhere is a mistake in the source, not a user's: Python's own error says it.
    """
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
