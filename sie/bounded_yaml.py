"""YAML of a user, read without the constructs that make a small file grow without bound.

Aliases may repeat a value, not nest into a billion of them; what the values mean is judged by
the modules that own the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

MAX_NODES = 10_000
"""After every alias is replaced by what it stands for; a space has some hundred."""

MAX_DEPTH = 20
MAX_SCALAR = 1_000
"""Characters of one value: a number in base 60 takes quadratic time."""


def load_bounded(text: str, as_text: bool = False) -> tuple[Any, dict[tuple[str, ...], int]]:
    """Return the plain values of a document and the line of every key path, counted from 1.

    Parameters
    ----------
    text : str
        The document.
    as_text : bool
        Keep every value as it is written: 007, 1e-3 and on are no number and no truth then.

    Raises
    ------
    yaml.YAMLError
        When it is no YAML, or grows too large.
    ValueError
        When a look-alike of a date or a number is an impossible one.
    """
    loader: Any = (yaml.BaseLoader if as_text else yaml.SafeLoader)(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, {}
        _count(root, (), {})
        lines = dict(_lines(root))
        return loader.construct_document(root), lines
    except RecursionError as error:
        raise _too_much("too deeply nested") from error
    except (AttributeError, KeyError, IndexError, TypeError, OverflowError) as error:
        # of PyYAML itself, on tags such as !!int on a text and on impossible escapes and dates
        raise ValueError(f"{type(error).__name__} in the reader of YAML") from error
    finally:
        loader.dispose()


def _count(node: yaml.Node, above: tuple[int, ...], known: dict[int, int]) -> int:
    """Return how many values a node stands for; refuse loops, depth and numbers without bound."""
    if id(node) in above or len(above) > MAX_DEPTH:
        raise _too_much("nested without end" if id(node) in above else "too deeply nested", node)
    if id(node) in known:
        return known[id(node)]
    n = 1
    if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_SCALAR:
        raise _too_much(f"a value of more than {MAX_SCALAR} characters", node)
    for child in _children(node):
        n += _count(child, (*above, id(node)), known)
        if n > MAX_NODES:
            raise _too_much(f"more than {MAX_NODES} values", node)
    known[id(node)] = n
    return n


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _lines(node: yaml.Node, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*where, str(key.value)[:MAX_SCALAR])
            yield path, key.start_mark.line + 1
            yield from _lines(value, path)


def _too_much(what: str, node: yaml.Node | None = None) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark if node else None)
