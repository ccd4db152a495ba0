"""``perfaudit explain``: what a rule means, from its file."""

from collections.abc import Iterator
from pathlib import Path

import click

from perfaudit.cli.options import color_option, rules_folders, rules_option
from perfaudit.cli.output import uses_color, width, write
from perfaudit.config import matching_rules
from perfaudit.core.rule import Case, Rule
from perfaudit.data import rules_root
from perfaudit.rules import load_rules

_SEVERITY_COLORS = {"critical": "red", "high": "red", "medium": "yellow", "low": "cyan"}
_TEXT_WIDTH = 88


@click.command()
@click.argument("rule", metavar="RULE")
@rules_option
@color_option
def command(rule: str, rules_dirs: tuple[Path, ...], color: str) -> None:
    """Explain a rule: why it matters, and the remedy.

    RULE is an id, a name, or the start of either.
    """
    rules = load_rules([rules_root(), *rules_folders(rules_dirs)])
    names = matching_rules(rules, rule)
    pages = [explanation(rules[name]) for name in names]
    write("\n\n".join(pages), color=uses_color(color))


def explanation(rule: Rule) -> str:
    """Return the page of a rule, with colours."""
    return "\n".join(_parts(rule)).rstrip()


def _parts(rule: Rule) -> Iterator[str]:
    severity = click.style(rule.severity, fg=_SEVERITY_COLORS.get(rule.severity), bold=True)
    yield f"{click.style(rule.id, bold=True)}  {click.style(rule.name, bold=True)}"
    confidence = f"{rule.confidence} confidence"
    yield f"{rule.category}: {severity} severity, {confidence}, effort {rule.effort}"
    yield ""
    yield _filled(rule.summary)
    yield from _section("Why", rule.why)
    yield from _section("Fix", rule.fix)
    yield from _section(
        "Impact", "\n\n".join(f"{name}: {text}" for name, text in rule.impact.items())
    )
    for case in rule.cases:
        if case.shown:
            yield from _example(case)


def _section(title: str, text: str) -> Iterator[str]:
    if not text.strip():
        return
    yield ""
    yield click.style(title, bold=True, underline=True)
    yield _filled(text.strip())


def _example(case: Case) -> Iterator[str]:
    yield ""
    yield click.style(f"Example: {case.name}", bold=True, underline=True)
    for name, code in case.files.items():
        if len(case.files) > 1:
            yield click.style(f"    {name}", dim=True)
        for line in code.rstrip().splitlines():
            yield f"    {_marked(line)}".rstrip()
        yield ""


def _marked(line: str) -> str:
    return click.style(line, fg="red") if line.rstrip().endswith("# finding") else line


def _filled(text: str) -> str:
    return click.wrap_text(text, min(_TEXT_WIDTH, width()), preserve_paragraphs=True)
