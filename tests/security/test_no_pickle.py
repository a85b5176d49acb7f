"""No source file can load a pickle, run text as code, unpack an archive to disk or trust a host."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for folder in ("sie", "experiments", "docker") for path in (ROOT / folder).rglob("*.py")
)

MODULES = frozenset(
    {
        "pickle",
        "cPickle",
        "_pickle",
        "dill",
        "cloudpickle",
        "joblib",
        "shelve",
        "marshal",
        "jsonpickle",
        "monty",
        "torch",
    }
)
"""Whose readers run code from the file; monty builds any class that a JSON file names."""

CALLS = frozenset(
    {
        "eval",
        "exec",
        "compile",
        "__import__",
        "read_pickle",
        "extractall",
        "unpack_archive",
        "mktemp",
        "unsafe_load",
        "full_load",
        "load_all",
        "full_load_all",
        "unsafe_load_all",
        "decode_json",
        "loadfn",
        "Untar",
        "Unzip",
        "load_model",
        "model_from_json",
        "read_hdf",
        "read_parquet",
        "read_table",
    }
)
"""Names of functions and methods, whatever they are called on."""

ALLOWED = {
    # the regular expressions of the module re
    ("compile", "re"),
}


def findings(source: str, name: str = "x.py") -> list[str]:
    """Return what a source file may not do, with the line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        found += [f"{name}:{node.lineno}: {what}" for what in _of_node(node)]
    return found


def _of_node(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if _forbidden(alias.name)]
    if isinstance(node, ast.ImportFrom):
        named = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name for name in named if _forbidden(name)]
    if not isinstance(node, ast.Call):
        return []
    function, owner = _name(node.func)
    keywords = {word.arg: word.value for word in node.keywords}
    found = [function] if function in CALLS and (function, owner) not in ALLOWED else []
    if function == "load" and owner in ("np", "numpy") and not _is(keywords, "allow_pickle", False):
        found.append("np.load without allow_pickle=False")
    if function == "load" and owner == "yaml":
        found.append("yaml.load")
    if _is(keywords, "allow_pickle", True) or _is(keywords, "shell", True):
        found.append("allow_pickle or shell")
    if _is(keywords, "verify", False):
        found.append("verify=False")
    if (owner, function) in (("os", "system"), ("os", "popen")):
        found.append(f"os.{function}")
    return found


def _forbidden(module: str) -> bool:
    return bool(MODULES & set(module.split(".")))


def _name(function: ast.expr) -> tuple[str, str]:
    if isinstance(function, ast.Attribute):
        owner = function.value
        return function.attr, owner.id if isinstance(owner, ast.Name) else ""
    return (function.id, "") if isinstance(function, ast.Name) else ("", "")


def _is(keywords: dict[str | None, ast.expr], name: str, value: bool) -> bool:
    given = keywords.get(name)
    return isinstance(given, ast.Constant) and given.value is value


def test_no_source_file_loads_code():
    assert len(SOURCES) > 100
    found = [
        line
        for path in SOURCES
        for line in findings(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from ray import cloudpickle",
        "from monty.json import MontyDecoder",
        "import joblib as quick",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "archive.extractall(folder)",
        "shutil.unpack_archive(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "keras.models.load_model(path)",
        "mlflow.pyfunc.load_model(uri)",
        "pq.read_table(path)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "requests.get(url, verify=False)",
    ],
)
def test_the_search_finds_what_it_should(source):
    assert findings(source)


def test_the_search_leaves_the_rest_alone():
    assert not findings(
        "import re, json\nre.compile(x)\nnp.load(p, allow_pickle=False)\nyaml.safe_load(x)\n"
        "subprocess.run(words)\nmodel.load(path)\n"
    )


def test_every_download_is_compared_with_a_checksum():
    """Only `sie.downloads` fetches files, and it takes no call without a SHA-256."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if "pooch.retrieve(" in path.read_text(encoding="utf-8")
        or "urlretrieve(" in path.read_text(encoding="utf-8")
    }
    assert users == {"sie/downloads.py"}
