"""Crystals of the Materials Project, fetched with the user's key into Parquet files, page by page.

Asks the documented web interface itself: mp-api's client needs another pymatgen than megnet does.
Files of a finished page are kept, and read like any others by `tables`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sie.datasets.crystal_columns import COORDS, FILLINGS, LATTICE, SITES, crystal_columns
from sie.errors import DownloadError, InputError
from sie.files import replacing, write_text
from sie.screening.attempts import Failed, attempt
from sie.screening.tables import without_properties
from sie.secrets import hidden, is_exposed, redacted

if TYPE_CHECKING:
    import pyarrow as pa
    import requests
    from pymatgen.core import Structure

ENDPOINT = "https://api.materialsproject.org"
ROUTE = "materials/summary/"
FIELDS = ("material_id", "formula_pretty", "band_gap", "structure")
PAGE = 500
TIMEOUT_S = 60
KEY_VARIABLE = "MP_API_KEY"

_CRYSTAL = (LATTICE, COORDS, FILLINGS, SITES)


@dataclass(frozen=True)
class Query:
    """What is asked for.

    Attributes
    ----------
    elements : tuple of str
        Materials that hold all of them.
    chemsys : tuple of str
        Materials of one of these systems, as "Li-P-S"; instead of `elements`.
    """

    elements: tuple[str, ...] = ("Li",)
    chemsys: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The query as the web interface takes it."""
        if self.chemsys:
            return {"chemsys": ",".join(self.chemsys)}
        return {"elements": ",".join(self.elements)}


def fetch(
    query: Query,
    key: str | None,
    folder: Path,
    endpoint: str = ENDPOINT,
    on_page: Callable[[int, int], None] | None = None,
    page: int = PAGE,
) -> list[Path]:
    """Fetch what a query finds, unless it is there; return its Parquet files.

    Parameters
    ----------
    query : Query
        What to ask for.
    key : str or None
        Of the user's account.
    folder : Path
        Holds the pages. An interrupted download goes on.
    endpoint : str
        Address of the interface.
    on_page : callable, optional
        Told after each page how many of how many materials are there.
    page : int
        Materials a page.

    Raises
    ------
    InputError
        When there is no key, it is refused, nothing is found, or the folder holds another query.
    DownloadError
        When the site does not answer.
    """
    about_path = folder / "query.json"
    about = _read_about(about_path)
    asked = {"query": json.loads(json.dumps(asdict(query))), "endpoint": endpoint, "page": page}
    if about and {k: about.get(k) for k in asked} != asked:
        raise InputError(
            f"{folder} holds the answer to another query ({about.get('query')}); choose another "
            "--out, or --fresh to remove it"
        )
    total = int(about.get("total", -1))
    paths = [folder / f"page-{i:05d}.parquet" for i in range(math.ceil(max(total, 0) / page))]
    if paths and all(path.exists() for path in paths):
        return paths
    with _session(key, endpoint) as session:
        number = 0
        while total < 0 or number * page < total:
            path = folder / f"page-{number:05d}.parquet"
            if total < 0 or not path.exists():
                documents, now = _ask(session, endpoint, query, number * page, page)
                if total not in (-1, now):
                    raise DownloadError(
                        f"the Materials Project changed during the download ({total} materials, "
                        f"now {now}); --fresh fetches all anew"
                    )
                total = now
                _write(path, documents)
                write_text(about_path, json.dumps({**asked, "total": total}, indent=1) + "\n")
            number += 1
            if on_page is not None:
                on_page(min(number * page, total), total)
    return [folder / f"page-{i:05d}.parquet" for i in range(math.ceil(total / page))]


def table_of(documents: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return documents of the summary route as rows: id, formula, band_gap and the crystal.

    A document without a usable structure keeps its row, with an empty crystal.
    """
    import pyarrow as pa

    parts = [_columns(document.get("structure")) for document in documents]
    columns = {
        "id": pa.array([str(item.get("material_id", "")) for item in documents], pa.string()),
        "formula": pa.array([_text(item.get("formula_pretty")) for item in documents], pa.string()),
        "band_gap": pa.array([_number(item.get("band_gap")) for item in documents], pa.float64()),
    }
    for name in _CRYSTAL:
        columns[name] = pa.concat_arrays([part[name] for part in parts])
    return pa.table(columns)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _columns(plain: Any) -> dict[str, pa.Array]:
    import pyarrow as pa

    empty = crystal_columns({})
    try:
        return attempt(lambda: crystal_columns({"": _bare(plain)}))
    except Failed:
        return {name: pa.nulls(1, empty[name].type) for name in _CRYSTAL}


def _bare(plain: Mapping[str, Any]) -> Structure:
    """Return a structure with elements only: no magnetic moments, no guessed charges."""
    from pymatgen.core import Structure

    given = Structure.from_dict(without_properties(plain))
    contents = [site.species.element_composition for site in given]
    return Structure(given.lattice, contents, given.frac_coords)


def _session(key: str | None, endpoint: str) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    if not key:
        raise InputError(
            "the Materials Project needs a key: --api-key KEY or the variable "
            f"{KEY_VARIABLE}; materialsproject.org/api gives one"
        )
    if is_exposed(endpoint):
        raise InputError(f"{hidden(endpoint)} would get the key over plain http; use its https")
    session = requests.Session()
    session.headers["X-API-KEY"] = key
    retry = Retry(
        total=4, connect=1, backoff_factor=1.0, status_forcelist=(429, 500, 502, 503, 504)
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _ask(
    session: requests.Session, endpoint: str, query: Query, skip: int, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Return the documents of one page and how many there are in all."""
    import requests

    parameters = {
        **query.parameters,
        "deprecated": "false",
        "_fields": ",".join(FIELDS),
        "_sort_fields": "material_id",
        "_skip": str(skip),
        "_limit": str(limit),
    }
    try:
        # a redirect would carry the key to wherever it points
        answer = session.get(
            f"{endpoint.rstrip('/')}/{ROUTE}",
            params=parameters,
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
        if answer.status_code in (401, 403):
            raise InputError(
                f"{endpoint} refuses the key ({answer.status_code}); copy it anew from "
                "materialsproject.org/api"
            )
        answer.raise_for_status()
        found = answer.json()
        documents, total = list(found["data"]), int(found["meta"]["total_doc"])
    except (requests.exceptions.RequestException, ValueError, LookupError, TypeError) as error:
        reason = redacted(" ".join(str(error).split()))[:160]
        raise DownloadError(
            f"{endpoint} does not answer as the Materials Project does: {reason}; the same "
            "command goes on from here"
        ) from error
    if not total:
        asked = ", ".join(f"{k} {v}" for k, v in query.parameters.items())
        raise InputError(f"the Materials Project has nothing with {asked}; ask for something else")
    if len(documents) != min(limit, total - skip):
        raise DownloadError(
            f"{endpoint} gave {len(documents)} materials where {min(limit, total - skip)} were "
            "due; run the same command again"
        )
    return documents, total


def _write(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow.parquet as pq

    with replacing(path) as temporary:
        pq.write_table(table_of(documents), temporary, compression="zstd")


def _read_about(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{path} is damaged; --fresh fetches all anew") from error
