"""Real services for tests: PostgreSQL and an MLflow server over HTTP.

Each is started where a test needs it, can be killed and started again, and leaves nothing behind:

    with Postgres(folder) as database, MlflowServer(folder, database.uri) as server:
        server.kill()
        server.start()  # the same port, the same record

Ray clusters are in `clusters` (and can be imported from here), separate hosts in `hosts`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest
from clusters import BIN, RayCluster
from processes import Lasting, Service, free_port

__all__ = ["MlflowServer", "Postgres", "RayCluster"]

PG_HOME = "/usr/lib/postgresql"


def postgres_programs() -> Path:
    """Return the folder of initdb and postgres, or skip the test with the reason."""
    found = shutil.which("initdb")
    newest = sorted(Path(PG_HOME).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found is None and not newest:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    pytest.importorskip("psycopg2", reason="psycopg2-binary is not installed")
    return (Path(found).resolve() if found else newest[-1]).parent


class Postgres(Lasting):
    """A PostgreSQL server on 127.0.0.1 with a database of its own and a random password.

    Parameters
    ----------
    folder : Path
        Where its log goes; the data lie in a folder of their own, because root's folders are
        closed to the user that must own them.

    Attributes
    ----------
    uri : str
        ``postgresql+psycopg2://sie:password@127.0.0.1:port/postgres``, the same after a restart.
        The driver is named because SQLAlchemy 2.1 takes psycopg 3 otherwise.
    """

    def __init__(self, folder: Path) -> None:
        self._programs = postgres_programs()
        self.port, self.password = free_port(), secrets.token_hex(8)
        self._plain = f"postgresql://sie:{self.password}@127.0.0.1:{self.port}/postgres"
        self.uri = self._plain.replace("://", "+psycopg2://", 1)
        self._folder = Path(tempfile.mkdtemp(prefix="sie-pg-"))
        self._service = Service(folder / "postgres.log")

    @property
    def _as_user(self) -> list[str]:
        """What makes a command run as somebody else when we are root, whom PostgreSQL refuses."""
        if os.getuid() != 0:
            return []
        users = {user.pw_name: user for user in pwd.getpwall()}
        user = users.get("postgres") or users["nobody"]
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def start(self) -> Self:
        """Start the server, the first time on a new database, and wait until it answers."""
        data = self._folder / "data"
        if not data.exists():
            self._create(data)
        command = [*self._as_user, self._programs / "postgres", "-D", data, "-p", self.port]
        # a killed server loses nothing without fsync; only a power cut would
        options = {"fsync": "off", "listen_addresses": "127.0.0.1", "max_connections": "60"}
        options |= {"unix_socket_directories": str(self._folder)}
        command += [f"--{name}={value}" for name, value in options.items()]
        self._service.launch(command, self.answers, folder=self._folder)
        return self

    def _create(self, data: Path) -> None:
        password = self._folder / "password"
        password.write_text(self.password)
        if self._as_user:
            user, group = (int(part.partition("=")[2]) for part in self._as_user[1:3])
            for path in (self._folder, password):
                os.chown(path, user, group)
        command = [*self._as_user, self._programs / "initdb", "-D", data, "-U", "sie", "-E", "UTF8"]
        command += ["--no-locale", "--no-sync", "--auth=scram-sha-256", f"--pwfile={password}"]
        subprocess.run(list(map(str, command)), check=True, capture_output=True, cwd=self._folder)

    def answers(self) -> bool:
        """Whether the server takes connections."""
        import psycopg2

        try:
            psycopg2.connect(self._plain, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """Kill -9 the server and all its processes; `start` brings it back with its data."""
        self._service.kill()

    def stop(self) -> None:
        """End the server at once but in order ("fast shutdown"); `start` brings it back."""
        self._service.stop(signal.SIGINT)

    def remove(self) -> None:
        """End the server and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class MlflowServer(Lasting):
    """`mlflow server` with one worker, which keeps the artifacts too.

    Parameters
    ----------
    folder : Path
        Where its log and artifacts go, and the database if none is named.
    backend_uri : str, optional
        ``postgresql://...`` or ``sqlite:///FILE``; by default a SQLite file in `folder`.
    address : str
        Where it listens: 127.0.0.1, or the address of a host's network.
    prefix : sequence of str
        Put before the command, to run it on a host of `hosts.Hosts`.

    Attributes
    ----------
    uri : str
        ``http://address:port``, once started; a restart takes the same port.
    """

    def __init__(
        self,
        folder: Path,
        backend_uri: str | None = None,
        address: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._backend = backend_uri or f"sqlite:///{folder / 'mlflow.db'}"
        self._address, self._prefix = address, prefix
        self._port: int | None = None
        self._service = Service(folder / "mlflow-server.log")

    @property
    def uri(self) -> str:
        """Where the server answers."""
        assert self._port is not None, "start the server first"
        return f"http://{self._address}:{self._port}"

    def start(self, port: int | None = None) -> Self:
        """Start the server (about 10 s, on a new database 20 s) and wait until it answers."""
        self._port = port or self._port or free_port(self._address)
        command = [*self._prefix, BIN / "mlflow", "server", "--host", self._address]
        command += ["--port", self._port, "--workers", 1, "--backend-store-uri", self._backend]
        command += ["--artifacts-destination", self._folder / "artifacts"]
        environment = {
            # MLflow starts uvicorn by its name
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        self._service.launch(command, self.answers, environment, self._folder)
        return self

    def answers(self) -> bool:
        """Whether the server says that it is well (it may be while its database is not)."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def pids(self) -> list[int]:
        """Return the server's processes."""
        return self._service.pids()

    def kill(self) -> None:
        """Kill -9 the server and its worker; `start` brings it back at the same port."""
        self._service.kill()

    def stop(self) -> None:
        """End the server in order."""
        self._service.stop()

    def remove(self) -> None:
        """Kill the server; its folder belongs to the test."""
        self.kill()
