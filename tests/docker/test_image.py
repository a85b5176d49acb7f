"""The Dockerfile and the scripts that run in the image, by their own tools."""

import re
import subprocess
from configparser import ConfigParser
from fnmatch import fnmatch

import pytest
from launch_files import DOCKER, REPOSITORY, tool

DOCKERFILE = (DOCKER / "Dockerfile").read_text()
SCRIPTS = sorted([*DOCKER.glob("*.sh"), *DOCKER.glob("slurm/*.sbatch")])


def test_hadolint_finds_nothing():
    ran = subprocess.run(
        [tool("hadolint"), DOCKER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script):
    ran = subprocess.run([tool("shellcheck"), script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_it_is_built_from_the_lock_file_with_hashes_on_the_python_of_the_project():
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim", DOCKERFILE, re.MULTILINE)
    assert "--require-hashes --no-deps -r requirements/lock.txt" in DOCKERFILE


def test_it_runs_as_an_ordinary_user_whom_kubernetes_can_check():
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users == ["1000:1000"]
    assert DOCKERFILE.rindex("USER") > DOCKERFILE.rindex("RUN")


def test_what_only_tests_need_is_taken_out_again():
    wanted = ConfigParser()
    wanted.read(REPOSITORY / "setup.cfg")
    development = wanted["options.extras_require"]["dev"].splitlines()
    names = {re.split(r"[=<>\[;]", line)[0].strip() for line in development if line.strip()}
    names = {name for name in names if not name.startswith("#")}
    (listed,) = re.findall(r"pip uninstall --yes ((?:.+\\\n)*.+)", DOCKERFILE)
    assert "ElMD" in names
    assert names - {"setuptools", "psycopg2-binary"} <= set(listed.replace("\\", " ").split())


def test_everything_that_the_launch_files_call_is_in_the_image():
    allowed = [line[1:] for line in _ignore() if line.startswith("!")]
    called = [
        "docker/mlflow_server.sh",
        "docker/join_and_search.sh",
        "docker/wait_for_cpus.py",
        "experiments/loco_search.py",
        "search_spaces/paper.yaml",
        "setup.cfg",
        "README.md",
        "LICENSE",
    ]
    for name in called:
        assert (REPOSITORY / name).exists()
        assert any(fnmatch(name, rule) or name.startswith(f"{rule}/") for rule in allowed), name


def test_secrets_records_and_history_stay_outside():
    rules = _ignore()
    assert rules[0] == "*"
    allowed = [line[1:] for line in rules if line.startswith("!")]
    for name in (".git/config", "mlruns/mlflow.db", "docker/.env", "data/x.cif", ".venv/x"):
        assert not any(fnmatch(name, rule) or name.startswith(f"{rule}/") for rule in allowed), name


def test_no_password_and_no_token_stands_in_a_launch_file():
    for path in [p for p in DOCKER.rglob("*") if p.is_file() and p.name != ".env"]:
        text = path.read_text()
        # a URI with a password, or a secret's value
        assert not re.search(r"://[^/\s$]+:[^/\s$]+@", text), path
        assert not re.search(r"(?i)(password|token)\s*[:=]\s*[\"']?[0-9a-z]{8,}", text), path


def test_git_does_not_take_the_passwords():
    listed = (REPOSITORY / ".gitignore").read_text().split()
    assert ".env" in listed
    assert ".sie-slurm-*/" in listed


def _ignore() -> list[str]:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
