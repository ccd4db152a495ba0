"""``perfaudit endpoints``: what each endpoint costs per request."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from perfaudit.cli.options import (
    located,
    paths_argument,
    reading_options,
    remember_verbosity,
    with_reading_options,
)
from perfaudit.cli.output import uses_color, write
from perfaudit.config import Settings
from perfaudit.core.report import CostTerm, EndpointCard
from perfaudit.core.visible import visible
from perfaudit.reporters.escaping import json_text
from perfaudit.reporters.json_report import explained_entry
from perfaudit.runs import report_of

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
@click.option(
    "--explain", is_flag=True, help="Show for each term of a formula the calls that make it."
)
@reading_options
@click.pass_context
def command(
    ctx: click.Context, /, paths: tuple[Path, ...], form: str, explain: bool, **given: Any
) -> None:
    """Show what each endpoint costs per request, dearest first."""
    remember_verbosity(ctx, given["verbose"])
    settings, root, present = located(paths, given["config"])
    explained = explain or form == "json"
    found = _endpoints(root, present, with_reading_options(settings, given), explained=explained)
    cards = sorted(found, key=lambda card: (-card.degree, card.path, card.method))
    if form == "json":
        document = {"schema_version": 1, "endpoints": [explained_entry(card) for card in cards]}
        write(json_text(json.dumps(document, indent=2)), for_machines=True)
    else:
        write(_cards(cards, explain=explain), color=uses_color(given["color"]))


def _endpoints(
    root: Path, paths: Sequence[Path], settings: Settings, *, explained: bool
) -> Sequence[EndpointCard]:
    """Return the cards of a report, or, with the terms that no report has, of the program."""
    if not explained:
        return report_of(root, paths, settings).report.endpoints
    from perfaudit.audit import audit
    from perfaudit.program.cards import endpoint_cards

    return endpoint_cards(audit(root, paths, settings).program, explained=True)


def _cards(cards: Sequence[EndpointCard], *, explain: bool) -> str:
    if not cards:
        return "No endpoint was found."
    return "\n\n".join(_card(card, explain=explain) for card in cards)


def _card(card: EndpointCard, *, explain: bool) -> str:
    color = _DEGREE_COLORS.get(card.degree, "red")
    lines = [
        f"{click.style(visible(f'{card.method} {card.path}'), bold=True)}  {visible(card.handler)}",
        f"  queries   {click.style(visible(card.queries), fg=color)}",
    ]
    if card.writes not in ("", "0", ">= 0"):
        lines.append(f"  reads     {visible(card.reads)}")
        lines.append(f"  writes    {visible(card.writes)}")
    if card.http_calls not in ("", "0"):
        lines.append(f"  http      {visible(card.http_calls)}")
    if card.blocking:
        lines.append(f"  blocking  {click.style(visible(', '.join(card.blocking)), fg='red')}")
    cached = "cached" if card.cached else "not cached"
    lines.append(f"  runs      {card.dispatch}, {cached}, {card.resolved:.0%} of calls resolved")
    lines.append(click.style(f"  {visible(card.location.path)}:{card.location.line}", dim=True))
    if explain:
        lines += [line for term in card.terms for line in _explained(term)]
    return "\n".join(lines)


def _explained(term: CostTerm) -> Iterator[str]:
    """Yield a term of the formula, and the ways to the places that make it."""
    yield f"  {click.style(visible(term.text), bold=True)}  {term.effect}"
    for trace in term.traces:
        for number, step in enumerate(trace):
            mark = "└─" if number == len(trace) - 1 else "├─"
            place = click.style(f"{visible(step.location.path)}:{step.location.line}", dim=True)
            yield f"    {mark} {visible(step.message)}  {place}"
