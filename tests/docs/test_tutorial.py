"""The tutorial's notebook, cell by cell, with a budget that shows the way and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "tutorial" / "own_data.ipynb"
LITTLE = """
SEARCH = {"cluster": 0, "space": "quick", "trials": 2, "top": 1, "repeats": 1, "max_epochs": 30}
SEARCH |= {"grace_epochs": 10, "max_concurrent": 2}
ENSEMBLE = {"seeds": 1, "allow_missing": True}
"""


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in code), "outputs are not kept: they would grow old"
    return ["".join(cell["source"]) for cell in code]


def test_its_first_cell_is_the_budget():
    scope: dict[str, object] = {}
    exec(cells()[0], scope)
    assert {"SEARCH", "ENSEMBLE"} <= set(scope)


@pytest.mark.end_to_end
@pytest.mark.timeout(400)
def test_it_leads_from_cifs_to_a_ranked_list(tmp_path):
    script = tmp_path / "tutorial.py"
    script.write_text("\n\n".join([LITTLE, *cells()[1:], "assert len(ranking.table) > 10"]))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout == "", "the functions print nothing"
    assert "Traceback" not in ran.stderr
    assert (tmp_path / "results" / "screening" / "report.html").is_file()
    assert list((tmp_path / "results" / "reports").glob("*.html"))
