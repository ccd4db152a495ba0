"""The other commands: explain, rules, endpoints, show, baseline, and the command line itself."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from click import Command

import perfaudit
import perfaudit.cli
from perfaudit.cli.commands import COMMANDS
from perfaudit.data import rules_root

from .conftest import SLOW, Run, Start

RULE = "blocking-call-in-async"


def test_version_imports_nothing_but_itself() -> None:
    script = """
import sys
before = set(sys.modules)
sys.argv = ["perfaudit", "--version"]
from perfaudit.cli import main
main()
print(sorted(sys.modules.keys() - before))
"""
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    loaded = "['perfaudit', 'perfaudit.cli']"
    assert shown.stdout == f"perfaudit {perfaudit.__version__}\n{loaded}\n"


def test_version_is_shown_among_other_options_too(run: Run) -> None:
    assert run("--version").stdout == f"perfaudit {perfaudit.__version__}\n"


def test_every_command_is_listed_and_every_listed_one_exists() -> None:
    names = {module.name for module in pkgutil.iter_modules(perfaudit.cli.__path__)}
    modules = {
        name
        for name in names
        if isinstance(
            getattr(__import__(f"perfaudit.cli.{name}", fromlist=["command"]), "command", None),
            Command,
        )
    }

    assert modules == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_every_option(run: Run, name: str) -> None:
    shown = run(name, "--help")

    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"Usage: perfaudit {name}")
    assert run("--help").stdout.count(f"  {name} ") == 1


def test_a_misspelt_command_is_a_usage_error(run: Run) -> None:
    shown = run("scna")

    assert shown.exit_code == 2
    assert "No such command 'scna'" in shown.stderr


def test_completion_offers_formats(start: Start) -> None:
    offered = start(
        _PERFAUDIT_COMPLETE="bash_complete", COMP_WORDS="perfaudit scan --format ", COMP_CWORD="3"
    )

    assert b"plain,sarif" in offered.stdout
    assert b"plain,json" in offered.stdout


@pytest.mark.parametrize("word", [RULE, "PA601", "pa601", "blocking-call"])
def test_explain_finds_a_rule_by_id_name_or_prefix(run: Run, word: str) -> None:
    shown = run("explain", word)

    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"PA601  {RULE}\n")
    for title in ("Why", "Fix", "Example"):
        assert f"\n{title}" in shown.stdout
    assert "# finding" in shown.stdout


def test_explain_without_such_a_rule(run: Run) -> None:
    shown = run("explain", "blocking-cal-in-async")

    assert shown.exit_code == 2
    assert f'Did you mean "{RULE}"?' in shown.stderr


def test_rules_are_listed_in_the_order_of_their_ids(run: Run) -> None:
    listed = json.loads(run("rules", "list", "--format", "json").stdout)
    ids = [rule["id"] for rule in listed]

    assert ids == sorted(ids)
    assert {"id", "name", "category", "severity", "summary"} <= set(listed[0])
    table = run("rules").stdout
    assert all(rule["name"] in table for rule in listed)


def test_the_cases_of_one_rule_run(run: Run) -> None:
    shown = run("rules", "test", RULE)

    assert shown.exit_code == 0
    assert "cases" in shown.stdout
    assert run("rules", "test", "no-such-rule").exit_code == 2


def test_pages_are_fresh_until_something_changes(tmp_path: Path, run: Run) -> None:
    assert run("rules", "docs", "--check", str(tmp_path)).exit_code == 1
    assert run("rules", "docs", str(tmp_path)).exit_code == 0
    assert run("rules", "docs", "--check", str(tmp_path)).exit_code == 0

    page = tmp_path / "rules" / f"{RULE}.md"
    assert page.read_text().splitlines()[2] == f"# {RULE} (PA601)"
    page.write_text("edited by hand")
    (tmp_path / "rules" / "renamed-away.md").write_text("")
    stale = run("rules", "docs", "--check", str(tmp_path))
    assert (stale.exit_code, stale.stderr.count("is stale")) == (1, 2)

    run("rules", "docs", str(tmp_path))
    assert run("rules", "docs", "--check", str(tmp_path)).exit_code == 0


def test_a_new_rule_is_a_file_to_fill_in(tmp_path: Path, run: Run) -> None:
    (tmp_path / "database").mkdir()

    assert run("rules", "new", "database/query-in-signal", "--into", str(tmp_path)).exit_code == 0
    text = (tmp_path / "database" / "query-in-signal.yaml").read_text()
    assert "name: query-in-signal" in text
    taken = {rule["id"] for rule in json.loads(run("rules", "list", "-f", "json").stdout)}
    assert text.splitlines()[0].removeprefix("id: ") not in taken

    again = run("rules", "new", "database/query-in-signal", "--into", str(tmp_path))
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)


def test_a_new_library_says_how_it_is_proved(tmp_path: Path, run: Run) -> None:
    (tmp_path / "libraries").mkdir()

    made = run("rules", "new", "libraries/slowhttp", "--into", str(tmp_path))
    assert "`pytest rules/libraries/slowhttp.yaml`" in made.stderr


@pytest.mark.parametrize("name", ["query", "gone/query", "database/Query", "database/../x"])
def test_a_new_rule_needs_a_category_and_a_name(tmp_path: Path, run: Run, name: str) -> None:
    (tmp_path / "database").mkdir()

    assert run("rules", "new", name, "--into", str(tmp_path)).exit_code == 2
    assert list(tmp_path.rglob("*.yaml")) == []


def test_endpoints_shows_a_card_for_each(project: Path, run: Run) -> None:
    (project / "app" / "api.py").write_text(
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
        "@app.get('/agents')\ndef list_agents() -> list[int]:\n    return []\n"
    )
    card = json.loads(run("endpoints", "-f", "json").stdout)["endpoints"][0]

    assert (card["method"], card["path"], card["queries"]) == ("GET", "/agents", "0")
    assert "GET /agents" in run("endpoints").stdout


def test_endpoints_tell_reads_from_writes_and_explain_each_term(project: Path, run: Run) -> None:
    (project / "app" / "api.py").write_text(
        "import asyncpg\nfrom fastapi import Depends, FastAPI\n\napp = FastAPI()\n\n\n"
        "@app.post('/agents')\n"
        "async def rename(db: asyncpg.Connection = Depends(asyncpg.connect)):\n"
        "    agents = await db.fetch('SELECT id FROM agents')\n"
        "    for agent in agents:\n"
        "        await db.execute('UPDATE agents SET name = $1', agent)\n"
    )
    card = json.loads(run("endpoints", "-f", "json").stdout)["endpoints"][0]
    explained = run("endpoints", "--explain").stdout

    assert (card["queries"], card["reads"], card["writes"]) == ("1 + N(agents)", "1", "N(agents)")
    assert [(term["text"], term["effect"]) for term in card["terms"]] == [
        ("1", "read"),
        ("N(agents)", "write"),
    ]
    assert [step["line"] for step in card["terms"][1]["traces"][0]] == [8, 10, 11]
    assert "for each of agents" in explained
    assert "for each of agents" not in run("endpoints").stdout


def test_endpoints_without_any(project: Path, run: Run) -> None:
    (project / "app" / "views.py").write_text("")
    assert run("endpoints").stdout == "No endpoint was found.\n"


@pytest.mark.parametrize("topic", ["callgraph", "types", "effects", "queries"])
def test_show_tells_what_the_analysis_believes(project: Path, run: Run, topic: str) -> None:
    for name in ("slow", "app.views.slow", "app/views.py:5", "views.sl*"):
        shown = run("show", topic, name)
        assert shown.exit_code == 0
        assert shown.stdout.startswith("async function app.views.slow  app/views.py:4:1\n")
    assert run("show", topic, "app").exit_code == 0


@pytest.mark.parametrize("topic", ["callgraph", "types", "effects", "schema", "queries"])
def test_show_of_what_is_not_there_names_what_is_near(project: Path, run: Run, topic: str) -> None:
    shown = run("show", topic, "slwo")
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "there is no " in shown.stderr
    assert ("Near: app.views.slow." in shown.stderr) is (topic != "schema")


def test_show_lists_what_an_ambiguous_name_may_mean(project: Path, run: Run) -> None:
    (project / "app" / "other.py").write_text(SLOW)
    shown = run("show", "effects", "slow")
    assert shown.exit_code == 0
    assert shown.stdout.startswith('"slow" is the name of 2; say which:\n')


def test_show_reads_a_place_as_the_current_folder_says_it(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "app")
    assert run("show", "types", "views.py:5").stdout.startswith("async function app.views.slow")


AGENT_PLATFORM = Path(__file__).parents[2] / "fixtures" / "agent_platform"


@pytest.mark.parametrize(
    ("topic", "name", "lines"),
    [
        (
            "types",
            "AgentService",
            ["  _pool: asyncpg.Pool", "  _cache: Cache", "annotated asyncpg.Pool"],
        ),
        (
            "types",
            "routers.agents.read_agent",
            ["  service: AgentService", "annotated AgentServiceDep", "-> Awaitable[Agent]"],
        ),
        ("callgraph", "repositories.agents.find", ["agent_platform.services.agents.AgentService"]),
        (
            "effects",
            "services.agents.AgentService.find_agent",
            ["reached from: GET /agents/{agent_id}", "  db.query, awaited", "asyncpg.yaml:"],
        ),
    ],
)
def test_show_on_a_whole_application(start: Start, topic: str, name: str, lines: list[str]) -> None:
    done = start("show", topic, name, str(AGENT_PLATFORM), "--no-cache")
    shown = done.stdout.decode()
    assert done.returncode == 0
    assert [line for line in lines if line not in shown] == []


def test_show_knows_its_topics(project: Path, run: Run) -> None:
    assert run("show", "weather").exit_code == 2


def test_a_baseline_hides_the_old_and_shows_the_new(project: Path, run: Run) -> None:
    assert run("baseline", "write", "-o", "accepted.json").stderr == (
        "perfaudit: accepted.json: 1 finding accepted.\n"
    )
    assert run("scan", "--baseline", "accepted.json").exit_code == 0

    (project / "app" / "views.py").write_text("\n\n" + SLOW)
    assert run("scan", "--baseline", "accepted.json").exit_code == 0

    (project / "app" / "new.py").write_text(SLOW)
    shown = run("scan", "--baseline", "accepted.json", "-f", "json")
    assert shown.exit_code == 1
    assert [item["path"] for item in json.loads(shown.stdout)["findings"]] == ["app/new.py"]


def test_a_pruned_baseline_holds_only_what_is_still_there(project: Path, run: Run) -> None:
    (project / "app" / "new.py").write_text(SLOW)
    run("baseline", "write", "-o", "accepted.json")
    (project / "app" / "new.py").unlink()

    pruned = run("baseline", "prune", "-b", "accepted.json")

    assert pruned.stderr == "perfaudit: accepted.json: 1 finding dropped, 1 kept.\n"
    assert "app/new.py" not in (project / "accepted.json").read_text()
    assert run("scan", "--baseline", "accepted.json").exit_code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "accepted.json:1: is not JSON"),
        (b"{}", "is not a perfaudit baseline"),
        (b"[]", "is not a perfaudit baseline"),
        (b"\xff", "is not a perfaudit baseline"),
        (b'{"version": 2, "findings": []}', "baseline version 2 is not 1"),
        (b'{"version": 1, "findings": [{}]}', "an entry has no fingerprint"),
    ],
)
def test_an_unreadable_baseline_is_never_an_empty_one(
    project: Path, run: Run, content: bytes, message: str
) -> None:
    (project / "accepted.json").write_bytes(content)
    shown = run("scan", "--baseline", "accepted.json", "--exit-zero")

    assert shown.exit_code == 2
    assert message in shown.stderr


def test_the_rules_that_ship_are_found() -> None:
    assert (rules_root() / "libraries").is_dir()
