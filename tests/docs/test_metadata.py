"""What stands beside the code for people and services: citation, licence, issue templates."""

from __future__ import annotations

import configparser
from pathlib import Path

import yaml

import sie

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_names_this_version_and_its_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == sie.__version__
    assert citation["license"] == settings["metadata"]["license"]
    assert "BSD 3-Clause" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert f"## {sie.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_issue_templates_have_a_name_and_a_purpose():
    templates = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert templates
    for path in templates:
        _, head, body = path.read_text(encoding="utf-8").split("---", 2)
        assert set(yaml.safe_load(head)) >= {"name", "about"}
        assert body.strip()
