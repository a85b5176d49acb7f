"""Links in the documentation: every file, picture and heading they name is there."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "search_spaces/*.md", "benchmarks/*.md", "docker/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page):
    """Headings as GitHub and the site name them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def broken(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = page if not name else (page.parent / name).resolve()
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert list(broken(page)) == []


def test_a_link_to_nowhere_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](page.md#one-two) [b](page.md#three) [c](gone.md) [d](#one-two)")
    assert list(broken(page)) == ["page.md#three", "gone.md"]


def test_pages_of_the_site_link_within_it():
    outside = [
        (page.name, link)
        for page in (ROOT / "docs").rglob("*.md")
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if link.startswith("../")
    ]
    assert outside == []


def test_every_page_is_in_the_navigation():
    def named(item):
        if isinstance(item, str):
            return {item}
        values = item.values() if isinstance(item, dict) else item
        return set().union(*(named(value) for value in values))

    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    docs = ROOT / "docs"
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")}
    assert named(navigation) == pages


def test_every_room_has_a_reference_page():
    rooms = {path.parent.name for path in (ROOT / "sie").glob("*/__init__.py")} - {"cli"}
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("*.md")}
    assert pages == rooms | {"api"}
