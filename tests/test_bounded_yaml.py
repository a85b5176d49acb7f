from __future__ import annotations

import time

import pytest
import yaml

from sie.bounded_yaml import MAX_NODES, load_bounded

LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, f"more than {MAX_NODES} values"),
        (MERGES, f"more than {MAX_NODES} values"),
        ("&a [*a]", "nested without end"),
        ("&a {b: {c: *a}}", "nested without end"),
        ("[" * 30 + "]" * 30, "too deeply nested"),
        ("[" * 20_000, "too deeply nested"),
        ("a: " + "1:" * 5_000 + "1", "more than 1000 characters"),
    ],
)
def test_what_grows_without_bound_is_refused_at_once(text, reason):
    begin = time.process_time()
    with pytest.raises(yaml.YAMLError, match=reason):
        load_bounded(text)
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    "text", ["a: &x {b: 1}\nc: *x", "a: [1, 2.5, x, null]", "", "7", "? [1]\n: 2"]
)
def test_the_rest_is_what_safe_load_gives(text):
    try:
        expected = yaml.safe_load(text)
    except yaml.YAMLError:
        with pytest.raises(yaml.YAMLError):
            load_bounded(text)
    else:
        assert load_bounded(text)[0] == expected


def test_lines_count_from_one():
    assert load_bounded("a:\n  b: 1\n")[1] == {("a",): 1, ("a", "b"): 2}


@pytest.mark.parametrize("tag", ["python/object/apply:os.system [true]", "python/name:os.system"])
def test_no_tag_builds_anything(tag):
    with pytest.raises(yaml.YAMLError):
        load_bounded(f"a: !!{tag}")


@pytest.mark.parametrize(
    "text", ["!!int x", "!!float [1]", "!!timestamp 2001-99-99", '"\\U99999999"']
)
def test_what_the_reader_itself_cannot_is_an_error_of_the_text(text):
    with pytest.raises((yaml.YAMLError, ValueError)):
        load_bounded(text)
