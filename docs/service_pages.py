"""The pages on the REST API and on the settings of the service, from the code."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import MISSING, Field, fields
from inspect import cleandoc
from typing import Any

from faultsight.app.settings import every_setting
from faultsight.console.server import api_document
from faultsight.flow.config import CubeConfig, CubeKpi, FeedConfig, Measure

__all__ = ["rest_api_page", "settings_page"]


def rest_api_page() -> list[str]:
    """Return the page that lists every operation of the API."""
    document = api_document()
    lines = ["# REST API", "", *document["info"]["description"].splitlines(), ""]
    lines += [
        "The document itself is at `/api/v1/openapi.json`. Every answer may also be 503 (stopping,",
        "or too much asked at once) and 504 (it took too long).",
    ]
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append((path, method, operation))
    for tag in sorted(by_tag):
        lines += ["", f"## {tag.capitalize()}"]
        for path, method, operation in by_tag[tag]:
            lines += _operation(path, method, operation, document["components"]["schemas"])
    return lines


def _operation(
    path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]
) -> list[str]:
    role = operation["x-role"]
    who = "open to all" if role == "anyone" else f"role: {role}"
    lines = ["", f"### `{method.upper()} {path}`", "", operation["description"], "", f"*{who}*"]
    told = [
        f"| `{p['name']}` | {p['in']} | {_cell(p.get('description', ''))} |"
        for p in operation.get("parameters", [])
        if p["name"] not in ("authorization",)
    ]
    if told:
        lines += ["", "| parameter | in | what it is |", "|---|---|---|", *told]
    content = operation.get("requestBody", {}).get("content", {})
    for media, body in content.items():
        names = _names(body.get("schema", {}))
        lines += ["", f"Body, `{media}`: {', '.join(f'`{name}`' for name in names) or 'a file'}"]
        for name in names:
            lines += _fields(schemas[name])
    answers = [
        f"`{status}` {_cell(answer['description'])}"
        for status, answer in operation["responses"].items()
        if status not in ("503", "504")
    ]
    return [*lines, "", "Answers: " + "; ".join(answers) + "."]


def _fields(schema: dict[str, Any]) -> list[str]:
    needed = set(schema.get("required", ()))
    rows = [
        f"| `{name}`{' (needed)' if name in needed else ''} | {_cell(field.get('description', ''))}"
        f" {_choices(field)}|"
        for name, field in schema.get("properties", {}).items()
    ]
    return ["", f"`{schema['title']}`", "", "| field | what it is |", "|---|---|", *rows]


def _choices(field: dict[str, Any]) -> str:
    for part in (field, *field.get("anyOf", ())):
        if "enum" in part:
            return "one of " + ", ".join(f"`{value}`" for value in part["enum"]) + " "
        if "const" in part:
            return f"`{part['const']}` "
    return ""


def _names(schema: dict[str, Any]) -> list[str]:
    """Return the shapes that a body may have."""
    parts = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part]


def settings_page() -> list[str]:
    """Return the page that lists every setting of the service."""
    lines = [
        "# Settings of the service",
        "",
        "Values come, the first that is given, from the command line of `faultsight serve`, from",
        "environment variables such as `FAULTSIGHT_SERVER__PORT`, from `faultsight.toml` in the",
        "state folder, and from the defaults below. A key that is not known is an error. Those",
        "marked *editable* can be changed by an admin while the service runs; who, when and why is",
        "kept, and such a change stands above the file. SIGHUP reads the file anew.",
        "",
        "| setting | default | what it is |",
        "|---|---|---|",
    ]
    for info in every_setting():
        editable = " *Editable.*" if info.editable else ""
        default = str(info.default) if info.key == "state_dir" else repr(info.default)
        lines.append(f"| `{info.key}` | `{_cell(default)}` | {_cell(info.description)}{editable} |")
    lines += [
        "",
        "## Rules of a feed",
        "",
        "They stand under `[feeds.flow]`, are `settings` of a feed in the API, and what",
        "`faultsight models backtest --set` tries out.",
        *_rules(FeedConfig, skipped=("name", "kind", "interval_s")),
    ]
    for name, kind in (("cube", CubeConfig), ("cube.measures", Measure), ("cube.kpis", CubeKpi)):
        lines += ["", f"### `{name}`", *_rules(kind)]
    return lines


def _rules(kind: type[Any], *, skipped: tuple[str, ...] = ()) -> list[str]:
    """Return the table of a dataclass's fields; those that are told together are one row."""
    doc = cleandoc(kind.__doc__ or "").partition("Parameters\n----------\n")[2]
    defaults = {item.name: _default(item) for item in fields(kind)}
    rows = []
    for head, meaning in re.findall(r"^([a-z][^\n]*)\n((?:    [^\n]*\n?)+)", doc, re.MULTILINE):
        names = [name for name in head.partition(" : ")[0].split(", ") if name not in skipped]
        if not names:
            continue
        told, made = (", ".join(f"`{_cell(t)}`" for t in some)
                      for some in (names, [defaults[name] for name in names]))  # fmt: skip
        rows.append(f"| {told} | {made} | {_cell(meaning)} |")
    return ["", "| rule | default | what it is |", "|---|---|---|", *rows]


def _default(item: Field[Any]) -> str:
    if item.default_factory is not MISSING:
        return repr(item.default_factory())
    value = getattr(item.default, "value", item.default)
    return "(needed)" if value is MISSING else repr(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
