"""The ensemble in MLflow: logged as a pyfunc, registered, and found again.

Nothing of MLflow's global state is used or changed; what the model answers is in `pyfunc_model`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import sie
from sie.ensemble.calibrated import SET_COLUMNS
from sie.ensemble.predictor import THRESHOLD
from sie.ensemble.storage import CALIBRATION, HEAD
from sie.errors import InputError
from sie.tracking.recorder import Recorder
from sie.tracking.store import Store, open_store, tracking_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MODEL = "ensemble"
"""Where the model lies below its run, and the ensemble's files below the model's artifacts."""

REQUIREMENTS = ("mlflow", "numpy", "pandas", "pymatgen", "scipy", "spglib")
"""What scoring a CIF imports; a model asks for the versions that were there when it was made."""


def register(recorder: Recorder, run_id: str, folder: Path, name: str) -> str:
    """Log an ensemble with a run as a pyfunc, and register it.

    The model brings its sources along, so that an environment with `REQUIREMENTS` serves it
    whether sie is installed there or not. It holds no pickle.

    Parameters
    ----------
    recorder : Recorder
        Of the store whose registry is meant.
    run_id : str
        Run that the model belongs to; the files go to its artifact folder `ensemble`.
    folder : Path
        What `save_ensemble` wrote.
    name : str
        Of the registered model; created where it is new.

    Returns
    -------
    str
        The version that the registry gave.

    Raises
    ------
    InputError
        When the folder holds no ensemble.
    TrackingError
        When the store does not take the model.
    """
    if not (folder / HEAD).is_file():
        raise InputError(f"no ensemble in {folder}: {HEAD} is missing; build it first")
    store = recorder.store
    with tracking_errors(store.uri), tempfile.TemporaryDirectory() as temporary:
        client = store.client()
        model = _packed(Path(temporary), folder)
        client.log_artifacts(run_id, str(model), MODEL)
        source = f"{client.get_run(run_id).info.artifact_uri}/{MODEL}"
        _create(client, name)
        return str(client.create_model_version(name, source, run_id).version)


@contextmanager
def fetched(uri: str, tracking_uri: str | None = None) -> Iterator[Path]:
    """Yield the folder of an ensemble that a store holds; a download is removed afterwards.

    Parameters
    ----------
    uri : str
        "models:/NAME/VERSION", "models:/NAME/latest", "models:/NAME@ALIAS" or "runs:/ID/PATH".
    tracking_uri : str, optional
        By default MLFLOW_TRACKING_URI, else mlruns/mlflow.db below the working folder.

    Raises
    ------
    InputError
        When the store holds no such model or run, or what it holds is no ensemble.
    TrackingError
        When the store cannot be reached.
    """
    store = _store(tracking_uri)
    with tempfile.TemporaryDirectory() as temporary:
        with tracking_errors(store.uri):
            location = _location(store, uri)
            path = _local(location) or _download(store, location, temporary)
        yield _ensemble_below(path, uri)


def example_cif() -> str:
    """Return the text of a small CIF: rock-salt LiCl, its lattice parameter rounded to 5.1 Å."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.cif import CifWriter

    places = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
    crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.1), ["Li", "Cl"], places)
    return str(CifWriter(crystal, symprec=1e-2))


def pinned_requirements() -> list[str]:
    """Return `REQUIREMENTS` with the versions that are installed here."""
    return [f"{name}=={version(name)}" for name in REQUIREMENTS]


def _packed(temporary: Path, folder: Path) -> Path:
    """Write the pyfunc below a temporary folder and return its folder."""
    import pandas as pd
    from mlflow.pyfunc import save_model

    sources = Path(sie.__file__).parent
    # weights of searches and the starter set are not needed for scoring
    ignored = shutil.ignore_patterns("data", "__pycache__")
    code = shutil.copytree(sources, temporary / "code" / "sie", ignore=ignored)
    example = pd.DataFrame({"id": ["rock-salt LiCl"], "cif": [example_cif()]})
    save_model(
        temporary / "model",
        python_model=sources / "ensemble" / "pyfunc_model.py",
        artifacts={MODEL: str(folder.resolve())},
        code_paths=[str(code)],
        signature=_signature((folder / CALIBRATION).is_file()),
        input_example=example,
        pip_requirements=pinned_requirements(),
    )
    return temporary / "model"


def _signature(calibrated: bool) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    text, number = DataType.string, DataType.double
    inputs = [ColSpec(text, "cif"), ColSpec(text, "id", required=False)]
    outputs = [
        ColSpec(text, "id"),
        ColSpec(number, "p_si"),
        ColSpec(number, "p_si_sd"),
        ColSpec(DataType.long, "class"),
    ]
    if calibrated:
        outputs += [ColSpec(number, "p_si_raw"), *(ColSpec(text, name) for name in SET_COLUMNS)]
    params = [
        ParamSpec("threshold", number, THRESHOLD),
        ParamSpec("errors", text, "raise"),
    ]
    return ModelSignature(Schema(inputs), Schema(outputs), ParamSchema(params))


def _create(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _store(tracking_uri: str | None) -> Store:
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    folder = Path("mlruns")
    database = Path(uri.partition(":///")[2]) if uri else folder / "mlflow.db"
    # opening would create it
    if (not uri or uri.startswith("sqlite")) and not database.is_file():
        raise InputError(
            f"no MLflow store at {database}; set MLFLOW_TRACKING_URI or give the folder of an "
            "ensemble"
        )
    return open_store(uri, folder)


def _location(store: Store, uri: str) -> str:
    """Return where the store keeps the files that a models:/ or runs:/ address names."""
    from mlflow.exceptions import MlflowException

    client = store.client()
    kind, _, rest = uri.partition(":/")
    rest = rest.strip("/")
    try:
        if kind == "runs":
            run_id, _, path = rest.partition("/")
            return f"{client.get_run(run_id).info.artifact_uri}/{path}".rstrip("/")
        name, number = _version(client, rest)
        return str(client.get_model_version_download_uri(name, number))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise InputError(
                f"{store.shown} holds no {uri}; look for its name and version in the UI"
            ) from error
        raise


def _version(client: MlflowClient, rest: str) -> tuple[str, str]:
    """Return name and version from NAME/VERSION, NAME/latest or NAME@ALIAS."""
    if "@" in rest:
        name, alias = rest.rsplit("@", 1)
        return name, str(client.get_model_version_by_alias(name, alias).version)
    name, _, number = rest.rpartition("/")
    if not name or not (number.isdecimal() or number == "latest"):
        raise InputError(f"models:/{rest}: write models:/NAME/VERSION, as in models:/superionic/1")
    if number == "latest":
        found: list[Any] = list(client.search_model_versions(f"name = '{name}'"))
        if not found:
            raise InputError(f"the registry holds no model {name}; look for its name in the UI")
        number = str(max(int(item.version) for item in found))
    return name, number


def _local(location: str) -> Path | None:
    """Return the folder where the files lie on this machine, or None."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path))


def _download(store: Store, location: str, temporary: str) -> Path:
    from mlflow.artifacts import download_artifacts

    found = download_artifacts(
        artifact_uri=location, dst_path=temporary, tracking_uri=store.uri, registry_uri=store.uri
    )
    return Path(found)


def _ensemble_below(path: Path, uri: str) -> Path:
    """Return the folder of the ensemble: `path` itself, or among the artifacts of a pyfunc."""
    for folder in (path, path / "artifacts" / MODEL, *path.glob("artifacts/*")):
        if (folder / HEAD).is_file():
            return folder
    raise InputError(f"{uri} is no ensemble of sie; give one that build_ensemble.py registered")
