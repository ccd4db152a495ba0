"""``perfaudit rules``: the rules there are, and whether they hold."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from perfaudit import __version__
from perfaudit.cli.options import color_option, rules_folders, rules_option
from perfaudit.cli.output import note, uses_color, write, write_file
from perfaudit.cli.pages import pages
from perfaudit.cli.templates import LIBRARY, RULE
from perfaudit.config import matching_rules
from perfaudit.core.errors import UsageError
from perfaudit.core.rule import Rule
from perfaudit.data import rules_root
from perfaudit.libraries.loader import load_folder
from perfaudit.rules import harness, load_rules

NAMES = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the rules, or run their cases."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command)


@command.command("list")
@click.option("-f", "--format", "form", type=click.Choice(("terminal", "json")), default="terminal")
@rules_option
@color_option
def list_command(
    form: str = "terminal", rules_dirs: tuple[Path, ...] = (), color: str = "auto"
) -> None:
    """List every rule."""
    rules = sorted(_loaded(rules_dirs).values(), key=lambda rule: (rule.id, rule.name))
    if form == "json":
        text = json.dumps([_entry(rule) for rule in rules], indent=2)
        write(text, for_machines=True)
    else:
        write(_table(rules), color=uses_color(color))


@command.command("test")
@click.argument("name", required=False)
@rules_option
@click.pass_context
def test_command(ctx: click.Context, /, name: str | None, rules_dirs: tuple[Path, ...]) -> None:
    """Run the cases of every rule, or of those that NAME means."""
    rules = _loaded(rules_dirs)
    names = matching_rules(rules, name) if name else sorted(rules)
    failing = 0
    for chosen in names:
        for failure in harness.check(rules[chosen]):
            failing += 1
            write(f"{failure}\n")
    cases = sum(len(rules[chosen].cases) for chosen in names)
    write(
        f"{cases} cases of {len(names)} rules: {failing} failed."
        if failing
        else f"{cases} cases of {len(names)} rules hold."
    )
    ctx.exit(1 if failing else 0)


@command.command("docs")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a page is stale.")
@click.pass_context
def docs_command(ctx: click.Context, /, folder: Path, check: bool) -> None:
    """Write the reference pages of all rules and libraries into FOLDER."""
    wanted = pages(_loaded(()), load_folder(rules_root() / "libraries"))
    stale = [name for name, text in wanted.items() if _text_of(folder / name) != text]
    orphans = [
        path for path in sorted(folder.glob("rules/*.md")) if f"rules/{path.name}" not in wanted
    ]
    if check:
        for name in (*stale, *(f"rules/{path.name}" for path in orphans)):
            note(f"{folder / name} is stale: run `make docs`.")
        ctx.exit(1 if stale or orphans else 0)
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    for name in stale:
        write_file(folder / name, wanted[name])
    for path in orphans:
        path.unlink()


@command.command("new")
@click.argument("name", metavar="CATEGORY/NAME")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the rules; by default perfaudit's own.",
)
def new_command(name: str, into: Path | None) -> None:
    """Start a rule, as in database/query-in-loop, or a library, as in libraries/requests."""
    folder, _, stem = name.partition("/")
    root = into or rules_root()
    if not NAMES.fullmatch(stem) or not (root / folder).is_dir():
        known = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir()))
        raise UsageError(f"{name}: write CATEGORY/name-in-words; the categories are {known}.")
    target = root / folder / f"{stem}.yaml"
    if target.exists():
        raise UsageError(f"{target} exists already.")
    write_file(target, _draft(folder, stem))
    is_library = folder == "libraries"
    proof = f"pytest rules/{name}.yaml" if is_library else f"perfaudit rules test {stem}"
    note(f"{target} is yours: fill it in, then run `{proof}`.")


def _draft(folder: str, stem: str) -> str:
    if folder == "libraries":
        return LIBRARY.format(name=stem)
    taken = [rule.id for rule in _loaded(()).values() if rule.category == folder]
    last = max(taken, default="PA000")
    return RULE.format(
        id=f"PA{int(last.removeprefix('PA')) + 1:03d}",
        name=stem,
        detector=stem.replace("-", "_"),
        version=__version__,
    )


def _text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _loaded(rules_dirs: Iterable[Path]) -> dict[str, Rule]:
    return load_rules([rules_root(), *rules_folders(tuple(rules_dirs))])


def _entry(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "category": rule.category,
        "severity": rule.severity,
        "confidence": rule.confidence,
        "effort": rule.effort,
        "since": rule.since,
        "summary": rule.summary,
    }


def _table(rules: list[Rule]) -> str:
    if not rules:
        return "There are no rules."
    longest = max(len(rule.name) for rule in rules)
    return "\n".join(
        f"{click.style(rule.id, bold=True)}  {rule.name:<{longest}}  {rule.severity:<8}  "
        f"{rule.summary}"
        for rule in rules
    )
