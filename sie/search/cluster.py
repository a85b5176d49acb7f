"""Whether a Ray cluster answers, asked before Ray itself waits for minutes.

Only the question; joining the cluster is done in `sie.search.session`.
"""

from __future__ import annotations

import socket
import subprocess
import sys

from sie.errors import InputError, SieError

PORT_SECONDS = 10
STATUS_SECONDS = 40


def require_cluster(address: str) -> None:
    """Make sure that a Ray cluster answers at `address`.

    Parameters
    ----------
    address : str
        ``host:port`` of the head node, or ``auto``.

    Raises
    ------
    InputError
        When the address is one of Ray's client mode.
    SieError
        When nothing listens, something else does, or the token is refused.
    """
    if address.startswith("ray://"):
        # there Tune runs on the head, and what watches and records a search is lost on the way
        raise InputError(
            f"--address {address}: a search does not run through Ray's client; give HOST:6379 of "
            "the head, from a node of the cluster (docs/cluster.md)"
        )
    host, colon, port = address.rpartition(":")
    if address != "auto" and colon and port.isdigit():
        try:
            connection = (host.strip("[]"), int(port))
            socket.create_connection(connection, timeout=PORT_SECONDS).close()
        except OSError as error:
            raise _unreachable(address, error.strerror or str(error)) from error
    _require_status(address)


def _require_status(address: str) -> None:
    # in a process of its own: Ray's client cannot be told to give up, a process can be ended
    command = [sys.executable, "-m", "ray.scripts.scripts", "status"]
    if address != "auto":
        command += ["--address", address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=STATUS_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, "what listens there does not answer as Ray does") from error
    if asked.returncode == 0:
        return
    if "auth" in (asked.stdout + asked.stderr).lower():
        raise _unreachable(
            address,
            "it refuses the token; give this shell the head node's RAY_AUTH_MODE and "
            "RAY_AUTH_TOKEN_PATH",
        )
    raise _unreachable(address, "no Ray cluster answers")


def _unreachable(address: str, reason: str) -> SieError:
    return SieError(
        f"cannot reach the Ray cluster at {address}: {reason}; start it (ray start --head), "
        "correct --address, or leave it out to run here"
    )
