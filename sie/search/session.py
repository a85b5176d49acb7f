"""Starting Ray on this machine, joining a cluster, and leaving it.

What runs there is the business of `sie.search`, `sie.comparison`, `sie.ensemble`, `sie.screening`.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray.exceptions import RayError

from sie.errors import SieError
from sie.search.cluster import require_cluster
from sie.search.lifeline import Lifeline, ask_head
from sie.secrets import keep_private

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    # the record is MLflow; Ray's own CSV, JSON and TensorBoard files per trial are not needed
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_WORKER_ENV = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
}

LOOPBACK = "127.0.0.1"

STARTS = 3
"""How often Ray is started here: it gives a node 30 s, which a busy machine may need twice."""

log = logging.getLogger(__name__)

_lifeline: Lifeline | None = None
_joined = False


def start_ray(address: str | None) -> int:
    """Start Ray on this machine, or join the cluster at `address`; return its CPUs.

    Raises
    ------
    SieError
        When no cluster answers at the address, or Ray does not start here.
    """
    os.environ.update(_QUIET)
    _start_only_when_told()
    # Tune would print the tracebacks of workers that are lost; their trials have a reason instead
    verbose = logging.getLogger("sie").isEnabledFor(logging.INFO)
    level = logging.INFO if verbose else logging.CRITICAL
    logging.getLogger("ray").setLevel(level)
    if not ray.is_initialized():
        options: dict[str, Any] = {"log_to_driver": verbose, "logging_level": level}
        if address is None:
            options |= {"address": "local", "include_dashboard": False}
        else:
            options |= {"address": address}
        if address is not None:
            require_cluster(address)
        if not verbose:
            _hide_ray_lines()
        env = {"env_vars": _worker_env(verbose)}
        if address is None:
            _start_here(env, options)
        else:
            _join(address, env, options)
        # Ray makes it readable for all users of the machine, and it opens the cluster
        keep_private(Path.home() / ".ray" / "auth_token")
    _stop_gently_on_sigterm()
    _take_note_of(address)
    return int(ray.cluster_resources().get("CPU", 1))


def _start_only_when_told() -> None:
    """Let a call after Ray has left fail: Ray would start itself again, on this machine."""
    from ray._private import auto_init_hook

    # Ray reads RAY_ENABLE_AUTO_CONNECT when it is imported, which is before this
    auto_init_hook.enable_auto_connect = False


def _worker_env(verbose: bool) -> dict[str, str]:
    return {**_WORKER_ENV, "TF_CPP_MIN_LOG_LEVEL": "0"} if verbose else _WORKER_ENV


def _join(address: str, env: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    try:
        ray.init(runtime_env=env, **options)
    except Exception as error:
        # a node that does not answer is a bare Exception; other kinds are mistakes of ours
        known = isinstance(error, (ConnectionError, RuntimeError, ValueError, RayError))
        if not known and type(error) is not Exception:
            raise
        raise SieError(
            f"cannot reach the Ray cluster at {address}: {_reason(error)}; check --address, or "
            "leave it out to run here"
        ) from error


def _start_here(env: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Start Ray, and start it again where the machine is too busy for Ray's patience."""
    for left in reversed(range(STARTS)):
        try:
            with _for_this_machine_only():
                ray.init(runtime_env=env, _node_ip_address=LOOPBACK, **options)
        except Exception as error:
            # a node that is too slow is a bare Exception; other kinds are mistakes of ours
            if type(error) not in (Exception, RuntimeError, ConnectionError):
                raise
            _end_half_a_node(error)
            if not left:
                raise SieError(
                    f"cannot start Ray on this machine: {_reason(error)}; when it is less busy, "
                    "the same command goes on"
                ) from error
            log.info("Ray did not start (%s); trying again", _reason(error))
        else:
            return


@contextmanager
def _for_this_machine_only() -> Iterator[None]:
    """Let a node that is started now listen on 127.0.0.1 alone, as Ray does on macOS.

    On Linux it takes the network's address instead, for others to join; nobody joins this one.
    """
    from ray._private import services

    resolve = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve


def _end_half_a_node(error: Exception) -> None:
    """End what a start that failed has left running: Ray itself does so with this process only."""
    from ray._private.node import Node

    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    ray.shutdown()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _hide_ray_lines() -> None:
    """Keep what Ray says of lost nodes and raylets (pages of their state) off the terminal.

    Ray 2.60 prints it from a thread of its own, whatever `log_to_driver` says.
    """
    from ray._private import worker

    worker.print_to_stdstream = lambda *lines, **options: None


def stop_ray() -> None:
    """Leave the cluster, or end the local one."""
    global _lifeline, _joined
    try:
        # still watched: with a dead head it may hang
        ray.shutdown()
    finally:
        if _lifeline is not None:
            _lifeline.leave()
        _lifeline, _joined = None, False


def is_shared() -> bool:
    """Return whether Ray runs on a cluster that other drivers may use too."""
    return _joined


def lifeline() -> Lifeline | None:
    """Return who watches the head of the running cluster, or None."""
    return _lifeline


def _take_note_of(address: str | None) -> None:
    global _lifeline, _joined
    _joined = address is not None
    if _lifeline is None:
        _lifeline = Lifeline(ray.get_runtime_context().gcs_address, ask_head)
        _lifeline.start()


def _stop_gently_on_sigterm() -> None:
    """Treat the signal of Slurm and docker as Ctrl-C: states are saved, Ray's own would exit."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _as_ctrl_c)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    # a shell script's background jobs ignore Ctrl-C, and would ignore this too
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
