"""sie: hyperparameter search for crystal-structure classifiers that must extrapolate.

The names of `sie.api` are exported from here and loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sie.api import (
        BuiltEnsemble,
        Data,
        build_ensemble,
        evaluate,
        load_data,
        prepare_data,
        read_searches,
        screen,
        search_clusters,
        trials_table,
        winners_table,
        write_report,
    )
    from sie.errors import SieError

__version__ = "0.1.0"
__all__ = [
    "BuiltEnsemble",
    "Data",
    "SieError",
    "__version__",
    "build_ensemble",
    "evaluate",
    "load_data",
    "prepare_data",
    "read_searches",
    "screen",
    "search_clusters",
    "trials_table",
    "winners_table",
    "write_report",
]


if not TYPE_CHECKING:  # a type checker would take it for a promise that every name is there

    def __getattr__(name: str) -> Any:
        """Load a public name when it is first used, so that importing sie stays light."""
        if name not in __all__:
            raise AttributeError(f"module 'sie' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module("sie.errors" if name == "SieError" else "sie.api"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
