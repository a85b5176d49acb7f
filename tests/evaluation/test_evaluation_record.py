import dataclasses
import json

import numpy as np
import pytest
from evaluation_examples import made_up, made_up_record

from sie.errors import InputError
from sie.evaluation.record import EvaluationRecord


def test_a_record_comes_back_as_it_was():
    record = made_up_record()
    back = EvaluationRecord.from_json(record.to_json(), "here")
    assert back.systems == record.systems
    assert back.about == record.about
    assert back.reference == record.reference
    for name in ("ids", "formulas"):
        assert getattr(back.predictions, name) == getattr(record.predictions, name)
    for name in ("labels", "log10_sigma", "censored", "p_si", "sd"):
        ours, theirs = getattr(record.predictions, name), getattr(back.predictions, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert back.predictions.others.keys() == record.predictions.others.keys()
    assert back.to_json() == record.to_json()


@pytest.mark.parametrize("damage", ["edited", "cut", "version", "list"])
def test_a_record_that_is_not_as_written_is_refused(damage):
    text = made_up_record().to_json()
    plain = json.loads(text)
    plain["predictions"][0]["p_si"] = 0.99
    changed = {
        "edited": json.dumps(plain),
        "cut": text[:-20],
        "version": text.replace('"version": 1', '"version": 2'),
        "list": "[]",
    }[damage]
    with pytest.raises(InputError, match="here is") as caught:
        EvaluationRecord.from_json(changed, "here")
    assert "\n" not in str(caught.value)


def test_predictions_of_another_length_are_a_mistake():
    with pytest.raises(ValueError, match="do not fit"):
        dataclasses.replace(made_up(), p_si=np.zeros(3))
