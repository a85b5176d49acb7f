"""The test set: drawn first, at random, without a look at any label.

What is left is divided by loco.py, left_out.py and kfold.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from sie.errors import InputError
from sie.splits.record import HoldOut


def hold_out(ids: Iterable[str], fraction: float = 0.1, seed: int = 42) -> HoldOut:
    """Draw the test ids at random (article: 10 %, scikit-learn's train_test_split, seed 42).

    Parameters
    ----------
    ids : iterable of str
        All ids in any order; the draw is made on the sorted ones.
    fraction : float
        Share of the test ids, rounded up to whole entries.
    seed : int
        Random state of the draw.

    Returns
    -------
    HoldOut
        Both parts sorted.

    Raises
    ------
    InputError
        When the fraction is not between 0 and 1, or leaves one of the two parts empty.
    ValueError
        When an id is given twice.
    """
    from sklearn.model_selection import train_test_split

    ordered = sorted(ids)
    if len(set(ordered)) != len(ordered):
        raise ValueError("ids must be unique")
    if not 0 < fraction < 1:
        raise InputError(f"hold-out: 0 < fraction < 1 must hold, but got {fraction}")
    try:
        development, test = train_test_split(ordered, test_size=fraction, random_state=seed)
    except ValueError as error:
        raise InputError(
            f"hold-out: {fraction} of {len(ordered)} entries leaves nothing to train on; "
            "use a smaller fraction or more entries"
        ) from error
    method = {"kind": "random", "fraction": fraction, "seed": seed}
    return HoldOut(tuple(sorted(development)), tuple(sorted(test)), method)
