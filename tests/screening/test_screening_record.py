import math

import pytest

from sie.screening.record import STAGES, Speed, result_schema, shards_of


def test_shards_follow_each_other():
    shards = shards_of([(3, ("a",)), (1, ("b",)), (2, ("c",))])
    assert [(s.number, s.first, s.count) for s in shards] == [(0, 0, 3), (1, 3, 1), (2, 4, 2)]


def test_speed_is_that_of_one_core():
    speed = Speed(100, {"reading": 1.0, "features": 3.0})
    assert speed.per_core == 25.0
    assert speed.core_hours_per_million == pytest.approx(4 / 100 * 1e6 / 3600)
    assert sum(speed.share(stage) for stage in STAGES) == pytest.approx(1.0)
    assert math.isnan(Speed(0).per_core)
    assert math.isnan(Speed(5).share("reading"))


def test_every_column_has_a_type_of_arrow():
    schema = result_schema()
    assert str(schema.field("p_si").type) == "double"
    assert len(schema) == len(set(schema.names))
