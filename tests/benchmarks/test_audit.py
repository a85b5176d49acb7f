from __future__ import annotations

from audit import summary


def test_what_could_not_be_looked_up_is_not_called_clean():
    lines = summary({"dependencies": [{"name": "keras", "skip_reason": "not found"}]})
    assert lines[0] == "0 of 1 packages looked up, 0 advisories"
    assert "NOT clean" in lines[1]


def test_an_advisory_is_a_line():
    item = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["3.15.0"]}
    packages = [
        {"name": "keras", "version": "2.15.0", "vulns": [item]},
        {"name": "numpy", "version": "1", "vulns": []},
    ]
    assert summary({"dependencies": packages}) == [
        "keras 2.15.0: PYSEC-1 (CVE-1), mended in 3.15.0",
        "2 of 2 packages looked up, 1 advisories",
    ]
