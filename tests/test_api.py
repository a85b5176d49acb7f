"""The names that sie exports: light to import, lazily loaded, and quiet."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sie
from sie import api
from sie.errors import InputError


def test_importing_sie_loads_nothing_else():
    code = "import sys, sie; print([m for m in sys.modules if m.startswith('sie.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_functions_loads_nothing_heavy():
    heavy = "{'pandas', 'ray', 'mlflow', 'tensorflow'}"
    code = f"import sys, sie; sie.Data(); print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", sie.__all__)
def test_every_exported_name_is_there(name):
    assert getattr(sie, name) is not None
    assert name in dir(sie)


def test_exported_are_all_public_functions_of_the_module():
    own = {n for n, v in vars(api).items() if getattr(v, "__module__", "") == api.__name__}
    assert {name for name in own if not name.startswith("_")} == {*sie.__all__} - {
        "SieError",
        "__version__",
    }


def test_no_exported_name_hides_a_room():
    rooms = {path.stem for path in Path(sie.__file__).parent.iterdir()}
    assert not rooms & {*sie.__all__}


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = sie.serach


@pytest.mark.parametrize("wrong", [{"representation": "CAMX"}, {"level": 4}, {"test_set": "all"}])
def test_data_refuses_what_the_scripts_refuse(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} must be one of"):
        sie.Data(**wrong)


def test_an_unknown_option_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match="unknown option trails; did you mean trials"):
        sie.search_clusters(sie.Data(), 0, trails=3, record_folder=tmp_path)


def test_loading_prints_nothing(capfd):
    assert len(sie.load_data(sie.Data("starter"))) > 100
    assert capfd.readouterr() == ("", "")


def test_a_store_that_is_not_there_is_an_error_of_sie(tmp_path):
    with pytest.raises(sie.SieError, match="no MLflow store"):
        sie.read_searches(sie.Data(), record_folder=tmp_path)


RIGHT = """
import sie
data = sie.Data("table", table="my.csv", cifs="cifs", representation="CAMNS", level=1)
study = sie.search_clusters(data, "all", preset="quick")
built = sie.build_ensemble(data, seeds=10)
ranking = sie.screen(built, "candidates/", band_gap="off")
"""
WRONG = """
import sie
sie.Data(level="one")
sie.screen(built="folder")
sie.build_ensemble(sie.Data()).nothing
sie.serach
"""


def test_a_type_checker_knows_the_exported_names(tmp_path):
    root = Path(sie.__file__).parents[1]
    for name, text in (("right", RIGHT), ("wrong", WRONG)):
        (tmp_path / f"{name}.py").write_text(text)
    # from the root, so that what `make lint` has checked is known already
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", *map(str, tmp_path.glob("*.py"))],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    found = re.findall(r"^.*wrong\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert len(found) == len(done.stdout.splitlines()), done.stdout
    assert {line for line, _ in found} == {"3", "4", "5", "6"}
    assert (root / "sie" / "py.typed").is_file()
