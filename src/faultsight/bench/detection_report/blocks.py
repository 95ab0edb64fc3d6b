"""What a page is made of, and how it is written as HTML and as Markdown.

Texts may hold `` `code` `` and ``**bold**``, and nothing else that is markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from faultsight.core.svg import escaped

__all__ = [
    "Block",
    "Heading",
    "Items",
    "Picture",
    "Table",
    "Text",
    "as_html",
    "as_inline",
    "as_markdown",
]


@dataclass(frozen=True)
class Heading:
    """A heading; a level of 2 begins a section."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; a quiet one is small print."""

    text: str
    is_quiet: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table: texts in the first so many columns, figures in the others."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1


@dataclass(frozen=True)
class Picture:
    """An SVG drawing, and the name of its file beside a page in Markdown."""

    name: str
    title: str
    svg: str
    caption: str


Block = Heading | Text | Items | Table | Picture


def as_html(blocks: Iterable[Block]) -> str:
    r"""Return sections of HTML.

    Examples
    --------
    >>> as_html([Heading("Sets"), Text("One of `<a>`.")])
    '<section><h2>Sets</h2>\n<p>One of <code>&lt;a&gt;</code>.</p>\n</section>\n'
    """
    written = []
    is_open = False
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            written.append(("</section>\n" if is_open else "") + "<section>")
            is_open = True
        written.append(_html(block) + "\n")
    return "".join(written) + ("</section>\n" if is_open else "")


def as_markdown(blocks: Iterable[Block]) -> str:
    """Return Markdown, its pictures as links to files beside it.

    Examples
    --------
    >>> print(as_markdown([Heading("Sets"), Table(["set", "F1"], [["`A`", "0.5"]])]), end="")
    ## Sets
    <BLANKLINE>
    | set | F1 |
    |---|--:|
    | `A` | 0.5 |
    """
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{as_inline(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        return f"<p{' class=quiet' if block.is_quiet else ''}>{as_inline(block.text)}</p>"
    if isinstance(block, Items):
        return "<ul>" + "".join(f"<li>{as_inline(item)}</li>" for item in block.items) + "</ul>"
    if isinstance(block, Picture):
        return (
            f"<figure><div class=scroll tabindex=0>{block.svg}</div>"
            f"<figcaption>{as_inline(block.caption)}</figcaption></figure>"
        )
    head = "".join(f"<th scope=col{_kind(block, n)}>{as_inline(cell)}</th>"
                   for n, cell in enumerate(block.head))  # fmt: skip
    rows = "".join(
        "<tr>"
        + "".join(
            f"<th scope=row>{as_inline(cell)}</th>" if n == 0 else
            f"<td{_kind(block, n)}>{as_inline(cell)}</td>"
            for n, cell in enumerate(row)
        )
        + "</tr>"
        for row in block.rows
    )  # fmt: skip
    return (
        f"<div class=scroll tabindex=0><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _kind(table: Table, column: int) -> str:
    return " class=n" if column >= table.texts else ""


def as_inline(text: str) -> str:
    """Return a text as HTML, without a paragraph around it."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Text):
        return block.text
    if isinstance(block, Items):
        return "\n".join(f"- {item}" for item in block.items)
    if isinstance(block, Picture):
        return f"![{block.title}]({block.name}.svg)\n\n{block.caption}"
    lines = ["| " + " | ".join(block.head) + " |"]
    lines.append("|" + "|".join("---" if n < block.texts else "--:"
                                for n in range(len(block.head))) + "|")  # fmt: skip
    lines += ["| " + " | ".join(row) + " |" for row in block.rows]
    return "\n".join(lines)
