"""The report as text, one file per format, one signature: values in, text out, nothing printed."""

from collections.abc import Callable, Mapping

from perfaudit.core.report import Report
from perfaudit.core.rule import Rule
from perfaudit.reporters import json_report, markdown, sarif, terminal
from perfaudit.reporters.options import RenderOptions

Render = Callable[[Report, Mapping[str, Rule], RenderOptions], str]

FORMATS: dict[str, Render] = {
    "terminal": terminal.render,
    "json": json_report.render,
    "sarif": sarif.render,
    "markdown": markdown.render,
}
"""The name of each format, and the function that renders it."""

SUFFIXES = {".txt": "terminal", ".json": "json", ".sarif": "sarif", ".md": "markdown"}
"""The format that the end of a file's name asks for."""

__all__ = ["FORMATS", "SUFFIXES", "Render", "RenderOptions"]
