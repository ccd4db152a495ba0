"""``perfaudit endpoints``: what each endpoint costs per request."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from perfaudit.audit import audit
from perfaudit.cli.options import (
    located,
    paths_argument,
    reading_options,
    remember_verbosity,
    with_reading_options,
)
from perfaudit.cli.output import uses_color, write
from perfaudit.core.report import EndpointCard
from perfaudit.core.visible import visible
from perfaudit.reporters.escaping import json_text
from perfaudit.reporters.json_report import endpoint_entry

_DEGREE_COLORS = {0: "green", 1: "yellow"}


@click.command()
@paths_argument
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(("terminal", "json")),
    default="terminal",
    show_default=True,
    help="What standard output gets.",
)
@reading_options
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[Path, ...], form: str, **given: Any) -> None:
    """Show what each endpoint costs per request, dearest first."""
    remember_verbosity(ctx, given["verbose"])
    settings, root, present = located(paths, given["config"])
    report = audit(root, present, with_reading_options(settings, given)).report
    cards = sorted(report.endpoints, key=lambda card: (-card.degree, card.path, card.method))
    if form == "json":
        document = {"schema_version": 1, "endpoints": [endpoint_entry(card) for card in cards]}
        write(json_text(json.dumps(document, indent=2)), for_machines=True)
    else:
        write(_cards(cards), color=uses_color(given["color"]))


def _cards(cards: Sequence[EndpointCard]) -> str:
    if not cards:
        return "No endpoint was found."
    return "\n\n".join(_card(card) for card in cards)


def _card(card: EndpointCard) -> str:
    color = _DEGREE_COLORS.get(card.degree, "red")
    lines = [
        f"{click.style(visible(f'{card.method} {card.path}'), bold=True)}  {visible(card.handler)}",
        f"  queries   {click.style(visible(card.queries), fg=color)}",
    ]
    if card.http_calls not in ("", "0"):
        lines.append(f"  http      {visible(card.http_calls)}")
    if card.blocking:
        lines.append(f"  blocking  {click.style(visible(', '.join(card.blocking)), fg='red')}")
    cached = "cached" if card.cached else "not cached"
    lines.append(f"  runs      {card.dispatch}, {cached}, {card.resolved:.0%} of calls resolved")
    lines.append(click.style(f"  {visible(card.location.path)}:{card.location.line}", dim=True))
    return "\n".join(lines)
