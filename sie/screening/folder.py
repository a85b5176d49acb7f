"""The folder of a screening: its manifest, finished shards, rejects; what a restart finds.

Files only; nothing here knows how a score is made.
"""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.datasets.parquet import open_plain
from sie.errors import InputError
from sie.files import replacing, write_text
from sie.screening.record import Manifest, Reject, ShardResult, Source, result_schema

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
PARTS = "parts"
REJECTS = "rejects.csv"
_SECONDS = b"sie.seconds"


class ScreeningFolder:
    """Results of one screening, a file a shard.

    Parameters
    ----------
    path : Path
        Created where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_dir():
            raise InputError(f"--out {path} is a file; name a folder")

    def begin(self, manifest: Manifest, fresh: bool = False) -> None:
        """Make the folder that of a manifest, or go on in it.

        Parameters
        ----------
        manifest : Manifest
            What is about to be screened, with what.
        fresh : bool
            Remove results of before.

        Raises
        ------
        InputError
            When the folder holds the results of something else, with what differs.
        """
        stored = None if fresh else self.manifest()
        if stored is not None:
            if differences := manifest.differences(stored):
                raise InputError(
                    f"{self.path} holds another screening: {'; '.join(differences)}; choose "
                    "another --out, or --fresh to remove it"
                )
            return
        shutil.rmtree(self.path / PARTS, ignore_errors=True)
        text = json.dumps(manifest.as_dict(), indent=1, ensure_ascii=False)
        write_text(self.path / MANIFEST, text + "\n")

    def manifest(self) -> dict[str, Any] | None:
        """Return the stored manifest, or None where there is none.

        Raises
        ------
        InputError
            When it is damaged.
        """
        path = self.path / MANIFEST
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged; --fresh starts anew") from error

    def write(self, result: ShardResult) -> None:
        """Keep a shard's results. Its rejects first: a shard is done when its table is there."""
        import pyarrow.parquet as pq

        lines = [json.dumps(asdict(reject), ensure_ascii=False) for reject in result.rejects]
        write_text(self._rejects(result.number), "".join(f"{line}\n" for line in lines))
        seconds = json.dumps(dict(result.seconds)).encode()
        table = result.table.replace_schema_metadata({_SECONDS: seconds})
        with replacing(self._part(result.number)) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def done(self, source: Source) -> set[int]:
        """Return the numbers of the shards whose files are there and sound."""
        return {shard.number for shard in source.shards if self._sound(shard.number, shard.count)}

    def table(self) -> pa.Table:
        """Return the results of all finished shards, in the order of the source."""
        import pyarrow as pa

        parts = [open_plain(path).read() for path in sorted((self.path / PARTS).glob("*.parquet"))]
        plain = [part.replace_schema_metadata(None) for part in parts]
        # all of one manifest, and so of one ensemble and its columns
        return pa.concat_tables(plain or [result_schema().empty_table()])

    def seconds(self) -> Counter[str]:
        """Return the CPU time of every stage, all finished shards together."""
        import pyarrow.parquet as pq

        total: Counter[str] = Counter()
        for path in sorted((self.path / PARTS).glob("*.parquet")):
            total.update(json.loads((pq.read_schema(path).metadata or {}).get(_SECONDS, b"{}")))
        return total

    def rejects(self) -> Iterator[Reject]:
        """Yield the entries without a score, in the order of the source."""
        for path in sorted((self.path / PARTS).glob("*.rejects.jsonl")):
            if not path.with_name(path.name.replace(".rejects.jsonl", ".parquet")).exists():
                continue
            with path.open(encoding="utf-8") as handle:
                for line in handle:
                    yield Reject(**json.loads(line))

    def write_rejects(self) -> Counter[str]:
        """Write rejects.csv, a line an entry, and return how often each reason came."""
        reasons: Counter[str] = Counter()
        with (
            replacing(self.path / REJECTS) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as handle,
        ):
            reasons.update(_as_csv(handle, self.rejects()))
        return reasons

    def _sound(self, number: int, count: int) -> bool:
        import pyarrow as pa
        import pyarrow.parquet as pq

        part = self._part(number)
        if not part.exists():
            return False
        try:
            n = pq.ParquetFile(part).metadata.num_rows
            text = self._rejects(number).read_text(encoding="utf-8")
            if n + text.count("\n") == count:
                return True
            reason = f"{n} results for {count} entries"
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
        log.warning("%s is damaged (%s); its shard is screened again", part, reason)
        return False

    def _part(self, number: int) -> Path:
        return self.path / PARTS / f"part-{number:06d}.parquet"

    def _rejects(self, number: int) -> Path:
        return self.path / PARTS / f"part-{number:06d}.rejects.jsonl"


def _as_csv(handle: Any, rejects: Iterable[Reject]) -> Iterator[str]:
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(("id", "file", "reason"))
    for reject in rejects:
        writer.writerow((reject.id, reject.file, reject.reason))
        yield reject.reason
