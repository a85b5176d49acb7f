import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sie.cli.answer import Answer, plain

PRINTING = """
import os, subprocess, sys
from sie.cli.answer import stdout_for_answer
with stdout_for_answer() as to:
    print("from Python")
    os.write(1, b"from C\\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"])
    to.write("{}")
print("afterwards")
"""


@dataclass
class Pair:
    path: Path
    score: float


@pytest.mark.parametrize(
    ("value", "as_json"),
    [
        (math.nan, None),
        (-math.inf, None),
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1, 2]),
        (np.float64("nan"), None),
        ((1, True, None, "x"), [1, True, None, "x"]),
        ({3: Path("a/b")}, {"3": "a/b"}),
        (Pair(Path("a"), math.nan), {"path": "a", "score": None}),
        (pd.DataFrame({"id": ["a"], "gap": [np.nan]}), [{"id": "a", "gap": None}]),
    ],
)
def test_values_are_those_that_json_has(value, as_json):
    assert plain(value) == as_json


def test_the_document_has_the_same_keys_however_it_ended():
    good = json.loads(Answer({"a": 1}).as_json("x", {"seed": 42}))
    bad = json.loads(Answer(exit_code=2, error="no").as_json("x", {"seed": 42}))
    assert good.keys() == bad.keys()
    assert (good["exit_code"], good["error"], good["result"]) == (0, None, {"a": 1})
    assert (bad["exit_code"], bad["error"], bad["result"]) == (2, "no", {})


def test_nothing_else_reaches_standard_output():
    done = subprocess.run(
        [sys.executable, "-c", PRINTING], capture_output=True, text=True, check=True
    )
    assert done.stdout == "{}afterwards\n"
    assert {"from Python", "from C", "from a child"} <= set(done.stderr.splitlines())
