"""docker/compose.yaml, by Docker Compose itself where it is installed, and by what it must say."""

import json
import os
import subprocess

import pytest
from launch_files import DOCKER, documents, given, locked, options, tool

SECRETS = {"SIE_DATABASE_PASSWORD": "a-password-of-a-test", "SIE_RAY_TOKEN": "a-token-of-a-test"}


@pytest.fixture(scope="module")
def services():
    (composed,) = documents("compose.yaml")
    return composed["services"]


@pytest.fixture(scope="module")
def resolved():
    command = [tool("docker-compose"), "-f", DOCKER / "compose.yaml", "--profile", "search"]
    told = {**os.environ, **SECRETS, "SIE_WORKERS": "5", "SIE_CPUS": "8"}
    ran = subprocess.run(
        [*command, "config", "--format", "json"],
        capture_output=True,
        text=True,
        env=told,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def test_compose_itself_takes_it(resolved):
    composed = json.loads(resolved)["services"]
    assert composed["ray-worker"]["deploy"]["replicas"] == 5
    assert "--num-cpus=8" in composed["ray-worker"]["command"]


def test_no_secret_is_in_what_compose_shows(resolved):
    assert not [value for value in SECRETS.values() if value in resolved]


def test_nothing_is_published_beyond_this_machine(services):
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert not [name for name, service in services.items() if "network_mode" in service]


def test_passwords_have_no_default_and_travel_as_secrets():
    (composed,) = documents("compose.yaml")
    assert composed["secrets"] == {
        "database_password": {"environment": "SIE_DATABASE_PASSWORD"},
        "ray_token": {"environment": "SIE_RAY_TOKEN"},
    }
    for service in composed["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "TOKEN" in name:
                assert value.startswith("/run/secrets/"), name


def test_whatever_stays_up_has_a_healthcheck_and_gives_up_its_rights(services):
    for name, service in services.items():
        if name != "search":
            assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name != "postgres":  # which starts as root to take over its folder
            assert service["cap_drop"] == ["ALL"], name


def test_every_ray_node_has_the_token(services):
    for name in ("ray-head", "ray-worker", "search"):
        assert services[name]["secrets"] == ["ray_token"]
        assert services[name]["environment"]["RAY_AUTH_MODE"] == "token"


def test_the_options_exist(services):
    for name in ("ray-head", "ray-worker"):
        words = [*services[name]["entrypoint"], *services[name]["command"]]
        assert given(words) <= options("ray", "start")


def test_the_servers_script_calls_mlflow_by_options_that_exist():
    text = (DOCKER / "mlflow_server.sh").read_text()
    assert given(text[text.index("exec mlflow server") :]) <= options("mlflow", "server")
    assert "--serve-artifacts" in text


def test_the_search_script_calls_by_options_that_exist():
    text = (DOCKER / "join_and_search.sh").read_text()
    search = text[text.index("exec python experiments/loco_search.py") :]
    assert given(search) <= options("experiments/loco_search.py")
    (waiting,) = [line for line in text.splitlines() if "wait_for_cpus.py" in line]
    command = waiting.partition("$(")[2].rstrip(")")
    assert given(command) <= options("docker/wait_for_cpus.py")
    (joining,) = [line for line in text.splitlines() if line.startswith("ray start")]
    assert given(joining) <= options("ray", "start")


def test_the_image_holds_what_the_services_need():
    needed = {"ray", "mlflow", "psycopg2-binary", "virtualenv", "aiohttp-cors"}
    missing = needed - set(locked())
    assert not missing, f"not in requirements/lock.txt: {missing}"


@pytest.mark.parametrize("name", ["mlflow_server.sh", "join_and_search.sh"])
def test_a_script_without_its_settings_says_which_is_missing(name):
    ran = subprocess.run(
        ["sh", DOCKER / name], capture_output=True, text=True, env={"PATH": "/bin"}, check=False
    )
    assert ran.returncode != 0
    assert ("DATABASE" if "mlflow" in name else "RAY_HEAD") in ran.stderr


def test_the_server_refuses_an_empty_password(tmp_path):
    (tmp_path / "password").touch()
    told = {
        "PATH": os.environ["PATH"],
        "DATABASE": "postgresql+psycopg2://mlflow@127.0.0.1:1/mlflow",
        "DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
        "ARTIFACTS": str(tmp_path),
        "ALLOWED_HOSTS": "localhost",
    }
    ran = subprocess.run(
        ["sh", DOCKER / "mlflow_server.sh"], capture_output=True, text=True, env=told, check=False
    )
    assert ran.returncode == 2
    assert "is empty" in ran.stderr
