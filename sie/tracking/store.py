"""The MLflow store: where it is, that it can be reached, that it exists before others come.

Creating and checking only; what is written into it lives in `sie.tracking.recorder`.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sie.errors import InputError, TrackingError
from sie.secrets import hidden, is_exposed, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")
REACH_SECONDS = 10
UI_ADDRESS = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless told otherwise."""

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Makes the UI open on training runs instead of on its pages for language models."""


REFUSALS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
"""MLflow's codes of answers that asking again does not change: of a run that was deleted.

A proxy in between may say that something is forbidden, or not there, and take it back.
"""


@dataclass(frozen=True)
class Store:
    """A tracking store that answers.

    Attributes
    ----------
    uri : str
        MLflow tracking URI.
    artifacts : Path or None
        Folder of the artifacts; None where the server keeps them.
    """

    uri: str
    artifacts: Path | None = None

    def client(self) -> MlflowClient:
        """Return a client that talks to this store and to no other."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri)

    def experiment(self, name: str) -> str:
        """Return the id of the experiment, created where it is new.

        Raises
        ------
        InputError
            When its artifacts would lie elsewhere than below `artifacts`.
        """
        location = self._location(name)
        with tracking_errors(self.uri):
            client = self.client()
            found = client.get_experiment_by_name(name)
            if found is not None and found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            if found is not None:
                return str(found.experiment_id)
            try:
                return str(client.create_experiment(name, location, EXPERIMENT_TAGS))
            except Exception as error:  # another process may have been a moment faster
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise error
                return str(found.experiment_id)

    def _location(self, name: str) -> str | None:
        """Return the address of the experiment's artifacts; None where a server decides."""
        if self.artifacts is None:
            return None
        # by its parts alone: folders in between may be the user's own links to another disk
        parts = Path(name).parts
        if not parts or Path(name).is_absolute() or ".." in parts:
            raise InputError(
                f"{name!r} is not a name for an experiment: its artifacts would lie outside "
                f"{self.artifacts}; rename the dataset or what else it is made of"
            )
        return (self.artifacts / name).resolve().as_uri()

    @property
    def shown(self) -> str:
        """The URI without a password, for messages."""
        return hidden(self.uri)

    def page(self, address: str) -> str:
        """Return the full address of something in MLflow's page, as `ui_command` serves it."""
        served = urlsplit(self.uri).scheme in ("http", "https")
        return f"{self.shown.rstrip('/') if served else UI_ADDRESS}/{address}"

    def ui_command(self) -> str:
        """Return the command that shows this store in a browser, or the server's address."""
        if urlsplit(self.uri).scheme in ("http", "https"):
            return f"open {self.shown}"
        database = self.uri.removeprefix("sqlite:///")
        uri = self.shown if self.artifacts is None else f"sqlite:///{_shown(Path(database))}"
        # one worker and no job runner: half a gigabyte instead of two
        light = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"
        program = installed_program("mlflow")
        return f"{light} {program} ui --workers 1 --backend-store-uri {shlex.quote(uri)}"


def open_store(uri: str | None, folder: Path) -> Store:
    """Return a store that answers; by default SQLite and artifacts inside `folder`.

    A new SQLite database is created here, under a lock, because processes that race to create
    one fail in its migrations.

    Raises
    ------
    InputError
        When the URI is of no known kind.
    TrackingError
        When the store cannot be created or reached.
    """
    # the plain client asks nobody's home page and prints no advice
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    # of each attempt: by default two minutes, in which nothing is recorded and nobody told
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    # read by PostgreSQL's own library; by default it waits as long as TCP does
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if not log.isEnabledFor(logging.INFO):
        # it prints the traceback of what it raises, and who catches that says it in a line
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    if uri is None:
        return _open_sqlite(folder / "mlflow.db")
    scheme = urlsplit(uri).scheme.split("+")[0]
    if scheme not in SCHEMES:
        raise InputError(
            f"--tracking-uri {hidden(uri)}: not a store that MLflow 3 keeps; "
            "use sqlite:///FILE, postgresql://... or the http:// address of a server"
        )
    if scheme == "sqlite":
        path = uri.partition(":///")[2]
        if not path or path.endswith(":memory:"):
            raise InputError(
                f"--tracking-uri {hidden(uri)}: name a file, as in sqlite:///mlruns/mlflow.db"
            )
        return _open_sqlite(Path(path))
    if is_exposed(uri):
        log.warning(
            "%s is plain http to another machine: whoever is on the way can read and change what "
            "is sent, passwords too; use https or an SSH tunnel (docs/security.md)",
            hidden(uri),
        )
    if scheme in ("http", "https"):
        _reach_server(uri)
    with tracking_errors(uri):
        Store(uri).client().search_experiments(max_results=1)
    return Store(uri)


@contextmanager
def tracking_errors(uri: str) -> Iterator[None]:
    """Turn whatever MLflow raises into one `TrackingError` line that names the store."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        reason = " ".join(redacted(str(error), uri).split())[:200]
        refused = getattr(error, "error_code", "") in REFUSALS
        raise TrackingError(f"MLflow store {hidden(uri)}: {reason}", refused) from error


def _open_sqlite(database: Path) -> Store:
    from filelock import FileLock

    database = database.resolve()
    folder = database.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store = Store(f"sqlite:///{database}", folder / "artifacts")
        with FileLock(folder / ".create.lock"):
            if not database.exists():
                log.info("creating the MLflow store %s (once, about ten seconds)", database)
            with tracking_errors(store.uri):
                store.client().search_experiments(max_results=1)
    except OSError as error:
        raise TrackingError(
            f"cannot write the MLflow store in {folder}: {error.strerror}; "
            "free space or name another store with --tracking-uri"
        ) from error
    return store


def _reach_server(uri: str) -> None:
    import requests

    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=REACH_SECONDS)
        answer.raise_for_status()
    except requests.exceptions.RequestException as error:
        status = getattr(error.response, "status_code", None)
        what = f"answers {status}" if status else "cannot be reached"
        raise TrackingError(
            f"the MLflow server {hidden(uri)} {what}; start it (mlflow server), correct "
            "--tracking-uri, or leave the option out for a local store in mlruns/"
        ) from error


def installed_program(name: str) -> str:
    """Return how a program of this environment is called from here, whatever is on the path."""
    own = Path(sys.executable).with_name(name)
    on_path = shutil.which(name)
    if not own.exists() or (on_path is not None and Path(on_path).samefile(own)):
        return name
    return shlex.quote(_shown(own))


def _shown(path: Path) -> str:
    # not resolved: a program of a virtual environment may be a link out of it
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path.absolute())
