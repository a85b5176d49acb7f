import re

import sie
from sie.tracking import environment


def test_the_code_hash_follows_the_sources(monkeypatch, tmp_path):
    assert environment.code_hash() == environment.code_hash()
    copy = tmp_path / "sie"
    (copy / "training").mkdir(parents=True)
    (copy / "__init__.py").write_text("")
    (copy / "training" / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(sie, "__file__", str(copy / "__init__.py"))
    before = environment.code_hash()
    (copy / "training" / "a.py").write_text("x = 2\n")
    assert environment.code_hash() != before


def test_without_a_checkout_the_version_stands_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(sie, "__file__", str(tmp_path / "sie" / "__init__.py"))
    assert environment.code_version() == sie.__version__


def test_tags_name_what_numbers_depend_on():
    tags = environment.environment_tags()
    assert re.fullmatch(r"[0-9a-f]{12}", tags["code_hash"])
    assert "tensorflow-addons 0.23.0" in tags["packages"]
