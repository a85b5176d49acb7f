import pytest

from sie.errors import InputError
from sie.pretraining.parts import TEST_SHARE, VALIDATION_SHARE, divide

IDS = [f"s{i}" for i in range(6000)]
FORMULAS = [f"3:1 {i // 2}:1" for i in range(6000)]


def test_every_crystal_is_in_one_part_and_the_shares_are_about_right():
    parts = divide(IDS, FORMULAS, 1)
    assert sorted(parts.train + parts.validation + parts.test) == sorted(IDS)
    assert len(parts.test) / len(IDS) == pytest.approx(TEST_SHARE, abs=0.02)
    assert len(parts.validation) / len(IDS) == pytest.approx(VALIDATION_SHARE, abs=0.015)


def test_equal_formulas_stay_together():
    formula = dict(zip(IDS, FORMULAS, strict=True))
    parts = divide(IDS, FORMULAS, 1)
    seen = [
        {formula[entry] for entry in part} for part in (parts.train, parts.validation, parts.test)
    ]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_more_crystals_move_none_and_another_seed_does():
    few, many = divide(IDS[:3000], FORMULAS[:3000], 1), divide(IDS, FORMULAS, 1)
    assert set(few.test) == set(many.test) & set(IDS[:3000])
    assert set(few.train) == set(many.train) & set(IDS[:3000])
    assert divide(IDS, FORMULAS, 2) != many


def test_too_few_crystals_are_refused():
    with pytest.raises(InputError, match="2 crystals are too few to divide"):
        divide(IDS[:2], FORMULAS[:2], 1)
