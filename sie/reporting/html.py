"""Parts that HTML reports share: the page, its style for screen, phone and paper, tables.

Markup only; what a report tells is in `screening_report` and `search_report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

FEW_COLUMNS = 3
"""Tables of so few columns are as wide as they need, not as the page."""


def page(title: str, body: str, head: str = "") -> str:
    """Return a whole page; `title` is text, `body` and `head` (more elements) are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{head}</head>\n<body>\n"
        f"<main>\n<h1>{escape(title)}</h1>\n{body}</main>\n</body>\n</html>\n"
    )


def section(title: str, body: str) -> str:
    """Return a section under a heading; nothing where its body is empty."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}</section>\n" if body else ""


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    numbers: Iterable[int] = (),
    wide: Iterable[int] = (),
    wrap: Iterable[int] = (),
) -> str:
    """Return a table whose cells are HTML already; its headings and caption are text.

    Parameters
    ----------
    columns, rows, caption
        What it holds.
    numbers, wide, wrap : iterable of int
        Columns that are aligned to the right, that take the room left, that may break lines.
    """
    kinds = dict.fromkeys(numbers, "n") | dict.fromkeys(wide, "w") | dict.fromkeys(wrap, "t")

    def cell(tag: str, i: int, text: str, scope: str = "") -> str:
        kind = f' class="{kinds[i]}"' if i in kinds else ""
        return f"<{tag}{scope}{kind}>{text}</{tag}>"

    head = "".join(cell("th", i, escape(c), ' scope="col"') for i, c in enumerate(columns))
    body = "".join(
        f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>\n" for row in rows
    )
    name = escape(caption, quote=True)
    few = ' class="few"' if len(columns) <= FEW_COLUMNS and not wide else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">\n<table{few}>\n'
        f"<caption><span>{escape(caption)}</span></caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


STYLE = """
:root{--ink:#1a1a1a;--soft:#5a5a5a;--line:#d9d9d9;--blue:#0072b2}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1200px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .6em;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2em 0 .6em;border-bottom:1px solid var(--line);padding-bottom:.2em}
p{max-width:75ch}
a{color:var(--blue)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0}
.facts div{border:1px solid var(--line);border-radius:6px;padding:10px 14px;display:flex;
flex-direction:column-reverse;justify-content:flex-end}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-size:1.5rem;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
table.few{width:auto}table.few th,table.few td{padding-right:28px}
caption{caption-side:top;text-align:left;color:var(--soft);padding-bottom:6px}
caption span{display:block;width:max-content;max-width:min(75ch,100vw - 40px)}
th,td{padding:5px 10px 5px 0;text-align:left;border-bottom:1px solid var(--line);
white-space:nowrap;vertical-align:top}
td:first-child,td.t{white-space:normal}
td.t{overflow-wrap:anywhere;min-width:12em}
table:not(.few) td.t{min-width:22em}
@media(min-width:900px){table:not(.few) td.t{min-width:13em}}
th.n,td.n{text-align:right}
td.w{width:35%;min-width:60px}
.bar{display:block;height:.9em;margin-top:.3em;min-width:1px;background:var(--blue)}
figure{margin:0 0 24px}
img{max-width:100%;height:auto}
figcaption{color:var(--soft);font-size:.9rem;max-width:75ch}
pre{background:#f5f5f5;padding:12px;overflow-x:auto;font-size:.85rem}
code{font-size:.85em}
@media(max-width:600px){main{padding:16px 12px 40px}h1{font-size:1.35rem}
.facts{grid-template-columns:1fr 1fr}}
@media print{body{font-size:10pt}main{max-width:none;padding:0}.scroll{overflow:visible}
th,td{white-space:normal;padding:2px 6px 2px 0;font-size:8pt}
table:not(.few) td.t{min-width:6.5em}
section,figure,tr{break-inside:avoid-page}section:has(table){break-inside:auto}
.bar{print-color-adjust:exact;-webkit-print-color-adjust:exact}pre{white-space:pre-wrap}}
"""
