"""The test set: set apart first, without a look at any label, at random or as the source says.

What is left is divided by loco.py, left_out.py and kfold.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sie.datasets.record import TEST, TRAIN
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


def official_hold_out(parts: Mapping[str, str], groups: Mapping[str, int]) -> HoldOut:
    """Take the test set that a source states itself.

    A test entry whose crystal matches that of a training entry goes over to training: a smaller
    test set is better than one that was learnt.

    Parameters
    ----------
    parts : Mapping[str, str]
        "train" or "test" for every id; a case or spaces around do not matter.
    groups : Mapping[str, int]
        Group of matching structures of every id.

    Returns
    -------
    HoldOut
        Both parts sorted; the method names those that went over.

    Raises
    ------
    InputError
        When an entry is in neither part, or a part is empty.
    """
    plain = {entry: part.strip().lower() for entry, part in parts.items()}
    if odd := sorted(entry for entry, part in plain.items() if part not in (TRAIN, TEST)):
        raise InputError(
            f"official test set: split of {odd[0]} is {parts[odd[0]]!r} ({len(odd)} such entries); "
            f"write {TRAIN} or {TEST} for each"
        )
    seen = {groups[entry] for entry, part in plain.items() if part == TRAIN}
    stated = sorted(entry for entry, part in plain.items() if part == TEST)
    moved = tuple(entry for entry in stated if groups[entry] in seen)
    test = tuple(entry for entry in stated if groups[entry] not in seen)
    if not test or not seen:
        empty, other = (TRAIN, TEST) if not seen else (TEST, TRAIN)
        raise InputError(
            f"official test set: no entry is left in {empty} ({len(parts)} entries, {len(moved)} "
            f"match one in {other}); use --test-set random"
        )
    development = tuple(sorted(set(plain) - set(test)))
    return HoldOut(development, test, {"kind": "official", "moved_to_training": list(moved)})
