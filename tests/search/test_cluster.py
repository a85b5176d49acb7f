"""Addresses where no cluster is, asked for real."""

import socket
from threading import Thread

import pytest

from sie.errors import InputError, SieError
from sie.search import cluster


def test_a_port_where_nothing_listens_is_one_line():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(SieError, match=rf"cluster at 127\.0\.0\.1:{port}: .*refused") as caught:
        cluster.require_cluster(f"127.0.0.1:{port}")
    assert "\n" not in str(caught.value)


def test_rays_client_mode_is_refused():
    with pytest.raises(InputError, match=r"ray://head:10001: .*give HOST:6379") as caught:
        cluster.require_cluster("ray://head:10001")
    assert "\n" not in str(caught.value)


def test_something_else_that_listens_is_one_line(monkeypatch):
    monkeypatch.setattr(cluster, "STATUS_SECONDS", 8)
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_accept_and_say_nothing, args=(server,), daemon=True).start()
        port = server.getsockname()[1]
        with pytest.raises(SieError, match=r"does not answer as Ray|no Ray cluster") as caught:
            cluster.require_cluster(f"127.0.0.1:{port}")
    assert "\n" not in str(caught.value)


def _accept_and_say_nothing(server):
    kept = []
    try:
        while True:
            kept.append(server.accept())
    except OSError:
        pass
