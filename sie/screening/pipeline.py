"""Shards through Ray Data: an actor a core with the models in it, results handed over as they come.

Where and in which order shards are screened; what is done with one lives in `stages`.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sie.errors import SieError
from sie.screening.attempts import Failed, attempt
from sie.screening.record import Reader, Reject, Shard, ShardResult

if TYPE_CHECKING:
    from sie.screening.stages import Models

log = logging.getLogger(__name__)

MAX_LOST_WORKERS = 3
"""How often in a row workers are started again because one was lost before any result came."""


class ShardWorker:
    """An actor: screens one shard after another on one thread.

    Parameters
    ----------
    shared : list of ray.ObjectRef
        The models, once a node in shared memory: members' weights may be a gigabyte.
    reader : Reader
        Of the source.
    """

    def __init__(self, shared: Sequence[Any], reader: Reader) -> None:
        import ray

        from sie.screening.stages import Screener

        self._screener = Screener(ray.get(shared[0]))
        self._reader = reader

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Screen the shards of a batch (one), each into the bytes of a table."""
        results = [self._screened(json.loads(text)) for text in batch["shard"]]
        return {"result": [data for data, _ in results], "failed": [text for _, text in results]}

    def _screened(self, plain: Mapping[str, Any]) -> tuple[bytes, str]:
        """Return a result, or why there is none: an exception would be tried again by Ray."""
        shard = Shard(**{**plain, "where": tuple(plain["where"])})
        try:
            return _packed(attempt(lambda: self._screener.screen(shard, self._reader))), ""
        except Failed as failure:
            return b"", f"shard {shard.number}: {failure.reason}"


def run_shards(
    shards: Sequence[Shard],
    reader: Reader,
    models: Models,
    workers: int,
    on_result: Callable[[ShardResult], None],
) -> None:
    """Screen shards, `workers` at once, and hand over each result as it comes.

    Ray must be running. The driver holds the descriptions of the shards and one result at a time;
    Ray Data holds back workers whose results are not fetched.

    Parameters
    ----------
    shards : sequence of Shard
        Started in this order.
    reader : Reader
        What it reads must be at the same path on every node.
    models : Models
        Shared by all workers of a node.
    workers : int
        Shards at once.
    on_result : callable
        Called in this process.

    Raises
    ------
    SieError
        When the source cannot be read any more, or workers are lost again and again.
    """
    import ray
    from ray.exceptions import RayError

    _quieten()
    left = {shard.number: shard for shard in shards}
    shared = ray.put(models) if left else None
    lost = 0
    while left:
        try:
            for result in _results(list(left.values()), reader, shared, workers):
                on_result(result)
                del left[result.number]
                lost = 0
        except RayError as error:  # a worker died, or Ray killed it for its memory
            lost += 1
            if lost > MAX_LOST_WORKERS:
                raise SieError(
                    f"workers were lost {lost} times ({_reason(error)}); what is done is kept: "
                    "run the same command with fewer workers (--max-concurrent) or smaller shards"
                ) from error
            log.warning("a worker was lost; %d shards start again", len(left))


def _results(
    shards: Sequence[Shard], reader: Reader, shared: Any, workers: int
) -> Iterator[ShardResult]:
    """Yield the results of shards as they end."""
    import ray.data

    items = [{"shard": json.dumps(asdict(shard))} for shard in shards]
    with warnings.catch_warnings():
        # of max_restarts being a free keyword; Ray's own restarts would go on for ever
        warnings.simplefilter("ignore")
        dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            ShardWorker,
            fn_constructor_args=([shared], reader),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(
                size=min(workers, len(shards)), max_tasks_in_flight_per_actor=2
            ),
            num_cpus=1,
            max_restarts=0,
        )
    for row in dataset.iter_rows():
        if row["failed"]:
            raise SieError(
                f"the screening ended early, what is done is kept: {row['failed']}; mend the "
                "cause and run the same command again"
            )
        yield _unpacked(row["result"])


def _packed(result: ShardResult) -> bytes:
    """Return a result as the bytes of an Arrow stream, rejects and times among its metadata."""
    import pyarrow as pa

    about = {
        "number": result.number,
        "seconds": dict(result.seconds),
        "rejects": [asdict(reject) for reject in result.rejects],
    }
    table = result.table.replace_schema_metadata({b"sie.shard": json.dumps(about).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _unpacked(data: bytes) -> ShardResult:
    import pyarrow as pa

    with pa.ipc.open_stream(data) as stream:
        table = stream.read_all()
    about = json.loads(table.schema.metadata[b"sie.shard"])
    rejects = tuple(Reject(**item) for item in about["rejects"])
    plain = table.replace_schema_metadata(None)
    return ShardResult(about["number"], plain, rejects, about["seconds"])


def _reason(error: Exception) -> str:
    """Return the last line of what Ray tells, without colours."""
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()]
    return ([line for line in lines if line] or [type(error).__name__])[-1][:200]


def _quieten() -> None:
    """Keep Ray Data's own lines and bars off the screen."""
    from ray.data import DataContext

    for name in ("ray.data", "ray.data.dataset"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # results are small and may come in any order
    context.execution_options.preserve_order = False
