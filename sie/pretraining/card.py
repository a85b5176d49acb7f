"""The card of a pre-trained network: what it was trained on, for how long, how good it is.

A JSON file beside the weights; how weights are packed and found lives in `sie.models.pretrained`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.models.pretrained import pack, unpack, write_pretrained
from sie.pretraining.parts import TEST_SHARE, VALIDATION_SHARE, Parts
from sie.pretraining.sources import Source

if TYPE_CHECKING:
    from sie.pretraining.training import Learner, Trained

FORMAT = 1
TASK = "metal (1) or not (0)"


def save_network(
    path: Path,
    source: Source,
    learner: Learner,
    trained: Trained,
    parts: Parts,
    about: Mapping[str, Any],
) -> tuple[Path, dict[str, Any]]:
    """Score a network on the parts it was not trained on, and write it with its card.

    Parameters
    ----------
    path : Path
        Of the weight file; the card gets the suffix .json.
    about : Mapping
        Further sections of the card, plain values.

    Returns
    -------
    Path, dict
        Of the weight file, and the card.
    """
    as_read = unpack(pack(trained.weights))
    card = {
        "format": FORMAT,
        "task": TASK,
        "data": data_section(source, parts),
        **about,
        "settings": learner.settings.as_dict(),
        "key": learner.key,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "ended": trained.reason,
        "seconds_training": round(trained.seconds, 1),
        "test": rounded(learner.scores(as_read, parts.test)),
        "test_before_packing": rounded(learner.scores(trained.weights, parts.test)),
        "validation": rounded(learner.scores(as_read, parts.validation)),
        "curves": {name: [round(v, 5) for v in curve] for name, curve in trained.curves.items()},
    }
    config, dimension = learner.settings.config(0), learner.dimension
    return write_pretrained(path, config, dimension, trained.weights, card), card


def data_section(source: Source, parts: Parts) -> dict[str, Any]:
    """Return what the card says of the data."""
    crystals = source.crystals
    return {
        "name": source.name,
        "sha256": source.sha256,
        "hash": crystals.hash,
        "n_structures": len(crystals),
        "n_used": len(parts.train) + len(parts.validation) + len(parts.test),
        "n_train": len(parts.train),
        "n_validation": len(parts.validation),
        "n_test": len(parts.test),
        "held_out": f"by reduced composition: {VALIDATION_SHARE:.0%} end the training, "
        f"{TEST_SHARE:.0%} are only scored",
        "positive_fraction": round(crystals.positive_fraction, 4),
        "left_out": dict(crystals.left_out),
    }


def rounded(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores with four digits."""
    return {name: round(value, 4) for name, value in scores.items()}
