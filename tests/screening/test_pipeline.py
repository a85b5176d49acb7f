import os
import signal
import sys

import pytest
from ensemble_examples import small_ensemble
from ray.cloudpickle import register_pickle_by_value
from screening_examples import lithium_salts, mixed_folder, write_parquet

from sie.ensemble.predictor import SuperionicEnsemble
from sie.errors import SieError
from sie.screening.folder import ScreeningFolder
from sie.screening.pipeline import _packed, _unpacked, run_shards
from sie.screening.record import Manifest, Shard
from sie.screening.sources import open_source
from sie.screening.stages import Models, Screener

MANIFEST = Manifest("s", "s", "e", "r", "CAMNS", "V1", {}, "c")


@pytest.fixture(scope="module")
def models():
    return Models(SuperionicEnsemble(small_ensemble()))


@pytest.fixture(scope="module")
def ray():
    from sie.search.session import start_ray, stop_ray

    # the readers below travel with their code: workers do not find the modules of tests
    register_pickle_by_value(sys.modules[__name__])
    start_ray(None)
    yield
    stop_ray()


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "salts.parquet"
    return write_parquet(path, lithium_salts(24), [None] * 12 + [2.0] * 12, 10)


def assert_same(results, expected):
    assert [row["id"] for row in results] == [row["id"] for row in expected]
    for row, other in zip(results, expected, strict=True):
        assert row == pytest.approx(other, abs=1e-6, nan_ok=True)


def in_this_process(path, models, size):
    source = open_source(str(path), size)
    screener = Screener(models)
    tables = [screener.screen(shard, source.reader).table for shard in source.shards]
    return [row for table in tables for row in table.to_pylist()]


def through_ray(path, models, folder, size, workers, stop_after=None):
    """Screen what is missing; return the rows, or None where it was interrupted."""
    source, kept = open_source(str(path), size), ScreeningFolder(folder)
    kept.begin(MANIFEST)
    done = kept.done(source)
    seen = []

    def on_result(result):
        kept.write(result)
        seen.append(result.number)
        if len(seen) == stop_after:
            raise KeyboardInterrupt

    pending = [shard for shard in source.shards if shard.number not in done]
    run_shards(pending, source.reader, models, workers, on_result)
    assert sorted(seen) == [shard.number for shard in pending]
    return kept.table().to_pylist()


def test_a_result_survives_the_way_through_bytes(models, tmp_path):
    source = open_source(str(mixed_folder(tmp_path)))
    result = Screener(models).screen(source.shards[0], source.reader)
    back = _unpacked(_packed(result))
    assert back.table.schema == result.table.schema
    assert_same(back.table.to_pylist(), result.table.to_pylist())
    assert back.rejects == result.rejects
    assert len(back.rejects) == 2
    assert back.seconds == result.seconds


def test_no_shard_needs_no_ray(models):
    run_shards([], None, models, 2, print)


@pytest.mark.end_to_end
@pytest.mark.parametrize(("size", "workers"), [(24, 1), (5, 2)])
def test_results_depend_neither_on_shards_nor_on_workers(
    ray, models, parquet, tmp_path, size, workers
):
    results = through_ray(parquet, models, tmp_path, size, workers)
    assert len(results) == 24
    assert_same(results, in_this_process(parquet, models, 7))


@pytest.mark.end_to_end
def test_an_interrupted_screening_goes_on_to_the_same_results(ray, models, parquet, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        through_ray(parquet, models, tmp_path, 5, 2, stop_after=2)
    kept = ScreeningFolder(tmp_path).table()
    assert len(kept) == 10
    results = through_ray(parquet, models, tmp_path, 5, 2)
    assert_same(results, in_this_process(parquet, models, 24))


class Deadly:
    """A reader that ends its process once, as a machine without memory would."""

    def __init__(self, reader, marker):
        self.reader, self.marker = reader, marker

    def read(self, shard):
        if shard.number == 1 and not self.marker.exists():
            self.marker.write_text("dead")
            os.kill(os.getpid(), signal.SIGKILL)
        yield from self.reader.read(shard)


class Away:
    """A reader whose source is gone."""

    def read(self, shard):
        raise SieError("the source is gone")
        yield


@pytest.mark.end_to_end
def test_a_lost_worker_costs_nothing_but_time(ray, models, parquet, tmp_path):
    source, rows = open_source(str(parquet), 8), {}

    def on_result(result):
        assert result.number not in rows
        rows[result.number] = result.table.to_pylist()

    run_shards(source.shards, Deadly(source.reader, tmp_path / "dead"), models, 1, on_result)
    assert (tmp_path / "dead").exists()
    results = [row for number in sorted(rows) for row in rows[number]]
    assert_same(results, in_this_process(parquet, models, 8))


@pytest.mark.end_to_end
def test_a_source_that_is_gone_ends_the_screening_with_one_line(ray, models):
    with pytest.raises(SieError, match="what is done is kept: shard 0: the source is gone"):
        run_shards([Shard(0, 0, 1, ())], Away(), models, 1, print)
