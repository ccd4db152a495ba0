"""The second opinion: what is asked and answered, what becomes of it, what it never does."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import astroid
import pytest
from click.testing import CliRunner

import perfaudit
from perfaudit.audit import audit, program_of
from perfaudit.cli.scan import command
from perfaudit.config import Settings
from perfaudit.core.levels import Confidence
from perfaudit.data import rules_root
from perfaudit.extraction import extract
from perfaudit.libraries import load_libraries
from perfaudit.program import inferred, second_opinion
from perfaudit.program.calls import Resolved
from perfaudit.program.inferred import ModuleText, Place, receivers
from perfaudit.program.program import Program, link
from perfaudit.program.second_opinion import CallPlace, Opinion, questions, second_opinions
from perfaudit.program.values import Unknown

LIBRARIES = load_libraries([rules_root() / "libraries"])

STORE = """
import time


class Store:
    def flush(self):
        time.sleep(1)

    def size(self):
        return 1


class Other:
    def flush(self):
        time.sleep(2)
"""

OPEN = """
from store import Other, Store


class Made(type):
    def make(cls):
        return cls()


class Cache(Store, metaclass=Made):
    pass


async def save():
    Cache.make().flush()
"""
"""A receiver that is open to linking: the method comes from the class of the class."""


def asked_names(program: Program) -> list[str]:
    return [
        f"{function.name}:{function.facts.calls[index].line}"
        for function, index in questions(program)
    ]


def project(code: str, **others: str) -> dict[str, str]:
    files = {"store.py": STORE, "app.py": dedent(code)}
    files.update({name.replace("__", "/") + ".py": text for name, text in others.items()})
    return files


def answers(code: str, **others: str) -> dict[int, Opinion]:
    """Return what is inferred of all method calls of ``app``, by line; the last of a line wins."""
    files = project(code, **others)
    program = program_of(files)
    file = next(file for file in program.files if file.path == "app.py")
    texts = {item.module: ModuleText(item.path, files[item.path]) for item in program.files}
    places = [
        Place("app", call.line, call.column, call.end_line, call.end_column)
        for function in file.functions
        for call in function.facts.calls
    ]
    found = receivers(places, texts, lambda name: name if name in texts else None)
    return {place.line: opinion for place, opinion in found.items()}


STORE_OBJECT = Opinion("instance", "store", 5)


def test_calls_are_asked_about_where_the_answer_may_cost() -> None:
    code = """
    from store import Store

    def untyped(store):
        store.flush()

    def harmless(store):
        store.size()

    def known():
        Store().flush()

    def not_a_method(flush):
        flush()
    """

    assert asked_names(program_of(project(code))) == ["untyped:5"]


def test_coroutines_and_loops_are_asked_about_first() -> None:
    code = """
    def plain(store):
        store.flush()

    def loop(stores):
        for store in stores:
            store.flush()

    async def coroutine(store):
        store.flush()
    """

    assert asked_names(program_of(project(code))) == ["loop:7", "coroutine:10", "plain:3"]


def test_tests_and_examples_are_not_asked_about() -> None:
    code = "def plain(store):\n    store.flush()\n"
    files = project(code, tests__test_app=code, examples__demo=code, migrations__m1=code)

    assert asked_names(program_of(files)) == ["plain:2"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Store().flush()", "instance"),
        ("Store.flush(None)", "class"),
        ("(Store() if x else None).flush()", "instance"),
        ("(Store(),)[::1][0].flush()", "instance"),
        ("Store.__new__(Store).flush()", "instance"),
        ("'äöü'; Store().flush()", "instance"),
    ],
)
def test_what_has_one_class_is_answered(line: str, kind: str) -> None:
    found = answers(f"from store import Store, Other\ndef use(x):\n    {line}\n")

    assert found == {3: Opinion(kind, "store", 5)}


def test_a_module_is_answered() -> None:
    found = answers("import store\ndef use():\n    store.flush()\n")

    assert found == {3: Opinion("module", "store", 0)}


def test_the_line_of_a_decorated_class_is_that_of_the_word_class() -> None:
    code = """
    def keep(cls):
        return cls

    @keep
    @keep
    class Kept:
        def flush(self):
            self.flush()
    """

    assert answers(code) == {9: Opinion("instance", "app", 7)}


@pytest.mark.parametrize(
    "line",
    [
        "(Store() if x else Other()).flush()",
        "(Store() if x else x).flush()",
        "x.flush()",
        "missing.flush()",
        "None.flush()",
        "'text'.flush()",
        "(Store() for _ in x).flush()",
        "use.flush()",
        "flush()",
        "click.echo()",
        "json.dumps(x)",
        "fast.flush()",
    ],
)
def test_what_may_be_several_things_or_is_none_of_the_project_is_not_answered(line: str) -> None:
    code = f"import click, json, fast\nfrom store import Store, Other\ndef use(x):\n    {line}\n"

    assert answers(code) == {}


HOSTILE = {
    "a function that calls itself": "def f():\n    return f()\nf().flush()\n",
    "two functions in a ring": "def f():\n    return g()\ndef g():\n    return f()\nf().flush()\n",
    "a class that is its own base": "class A(A):\n    pass\nA().flush()\n",
    "a ring of bases": "class A(B):\n    pass\nclass B(A):\n    pass\nA().flush()\n",
    "a name made of itself": "x = x.y\nx.flush()\n",
    "an attribute made of itself": (
        "class A:\n    def __init__(self):\n        self.x = self.x.x\nA().x.flush()\n"
    ),
    "a module that imports itself": "import app\nfrom app import *\napp.app.app.x.flush()\n",
    "an import above the top": "from ....above import x\nx.flush()\n",
    "every attribute is made up": (
        "class A:\n    def __getattr__(self, name):\n        return A()\nA().b.c.d.flush()\n"
    ),
    "a metaclass that misleads": (
        "class M(type):\n    def __call__(cls):\n        return cls\n"
        "    def mro(cls):\n        return [cls] * 9\n"
        "class A(metaclass=M):\n    pass\nA()().flush()\n"
    ),
    "a chain of calls": "x" + ".y()" * 1500 + ".flush()\n",
    "a sum of many lists": "x = " + "+".join(["[1]"] * 900) + "\nx[0].flush()\n",
    "ten thousand lines of a list": "x = [\n"
    + "    {'a': [1, 2]},\n" * 10_000
    + "]\nx[0].flush()\n",
    "a list that would fill memory": "x = [0] * 10**9 * 10**9\nx[0].flush()\n",
    "a text that would fill memory": "x = 'a' * 10**12\nx.flush()\n",
    "a power that would never end": "x = 9**9**9**9\nx.flush()\n",
    "a ladder of bases": "class L0:\n    pass\nclass R0:\n    pass\n"
    + "".join(
        f"class L{n}(L{n - 1}, R{n - 1}):\n    pass\nclass R{n}(L{n - 1}, R{n - 1}):\n    pass\n"
        for n in range(1, 60)
    )
    + "L59().missing.flush()\n",
    "values that double": "def f0(x):\n    return x or [x]\n"
    + "".join(f"def f{n}(x):\n    return f{n - 1}(x) or f{n - 1}([x])\n" for n in range(1, 60))
    + "f59(1).flush()\n",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_code_comes_to_an_end_and_the_next_question_is_answered(code: str) -> None:
    lines = code.splitlines()
    use = "from store import Store\nStore().flush()\n"
    asked = Place("app", len(lines), 1, len(lines), len(lines[-1]) + 1)
    following = Place("use", 2, 1, 2, 16)
    texts = {
        "app": ModuleText("app.py", code),
        "use": ModuleText("use.py", use),
        "store": ModuleText("store.py", STORE),
    }

    found = receivers([asked, following], texts, lambda name: name if name in texts else None)

    assert found[following] == STORE_OBJECT
    assert asked not in found or found[asked].module == "app"


def test_an_answer_makes_a_call_known_but_not_surely_and_not_what_it_gives() -> None:
    code = "def save(store):\n    store.flush()\n"
    before, after = linked(code, {CallPlace("app.py", 1, 0): STORE_OBJECT})

    assert before.targets == ()
    assert [(target.name, target.confidence) for target in after.targets] == [
        ("store.Store.flush", Confidence.MEDIUM)
    ]
    assert isinstance(after.result, Unknown)


def test_an_answer_changes_nothing_that_linking_knows() -> None:
    code = "from store import Other\ndef save():\n    Other().flush()\n"
    before, after = linked(code, {CallPlace("app.py", 1, 1): STORE_OBJECT}, call=1)

    assert [target.name for target in before.targets] == ["store.Other.flush"]
    assert [target.name for target in after.targets] == ["store.Other.flush"]
    assert after.targets[0].confidence is Confidence.HIGH


@pytest.mark.parametrize(
    "opinion",
    [
        Opinion("instance", "store", 6),
        Opinion("instance", "nowhere", 5),
        Opinion("module", "store", 0),
    ],
)
def test_an_answer_that_fits_nothing_is_passed_over(opinion: Opinion) -> None:
    _, after = linked("def save(x):\n    x.flush()\n", {CallPlace("app.py", 1, 0): opinion})

    assert after.targets == ()


def linked(
    code: str, opinions: dict[CallPlace, Opinion], call: int = 0
) -> tuple[Resolved, Resolved]:
    """Return what a call of the first function of ``app`` is without the opinions, and with."""
    facts = [extract(path, text.encode()).facts for path, text in project(code).items()]
    found = []
    for given in ({}, opinions):
        program = link([item for item in facts if item], {}, LIBRARIES, (), given)
        file = next(file for file in program.files if file.path == "app.py")
        found.append(program.types.call(file.functions[1], call))
    return found[0], found[1]


def test_a_name_that_two_files_or_a_library_may_mean_is_not_followed() -> None:
    use = """
    import {0}

    class Maker:
        def __neg__(self):
            return {0}.Store()

    def save():
        (-Maker()).flush()
    """
    use = dedent(use)
    files = {
        "one/manage.py": "",
        "two/manage.py": "",
        "one/kept.py": STORE,
        "two/kept.py": STORE,
        "one/only.py": STORE,
        "lib/redis.py": STORE,
        "one/app.py": use.format("kept"),
        "one/plain.py": use.format("only"),
        "one/foreign.py": use.format("redis"),
    }

    found = second_opinions(program_of(files), files)

    assert {place.path: opinion.module for place, opinion in found.items()} == {
        "one/plain.py": "only"
    }


def test_the_number_of_questions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    files = project("def save(stores):\n" + "    stores.flush()\n" * 5)
    monkeypatch.setattr(second_opinion, "MAX_QUESTIONS", 3)

    assert len(questions(program_of(files))) == 3


def test_the_steps_of_a_question_and_of_all_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from store import Store\ndef save():\n    Store().flush()\n"

    monkeypatch.setattr(inferred, "MAX_STEPS", 100)
    assert answers(code) == {}
    monkeypatch.setattr(inferred, "MAX_STEPS", 100_000)
    assert answers(code) == {3: STORE_OBJECT}
    monkeypatch.setattr(inferred, "MAX_STEPS_IN_ALL", 100)
    assert answers(code) == {}


def test_astroid_is_left_as_it_was() -> None:
    profiled = sys.getprofile()
    before = astroid.manager.AstroidManager.brain
    limit = sys.getrecursionlimit()

    answers("from store import Store\ndef save():\n    Store().flush()\n")

    assert sys.getprofile() is profiled
    assert sys.getrecursionlimit() == limit
    assert astroid.manager.AstroidManager.brain is before
    assert "store" not in before["astroid_cache"]
    assert astroid.extract_node("import json\njson.dumps").inferred()[0].name == "dumps"


def test_scan_finds_more_with_it_and_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(STORE)
    (tmp_path / "app.py").write_text(OPEN)

    plain, *deep = [
        audit(tmp_path, [tmp_path], Settings(cache=False, jobs=jobs, deep=given)).report
        for given, jobs in [(False, 1), (True, 1), (True, 2)]
    ]

    assert [finding.location.path for finding in plain.findings] == []
    assert [(str(finding.location), finding.confidence) for finding in deep[0].findings] == [
        ("app.py:15:5", Confidence.MEDIUM)
    ]
    assert deep[0] == deep[1]


@pytest.mark.parametrize(
    ("settings", "option", "found"),
    [("", [], 0), ("deep = true\n", [], 1), ("deep = false\n", ["--deep"], 1)],
)
def test_it_is_asked_for_by_option_or_setting(
    tmp_path: Path, settings: str, option: list[str], found: int
) -> None:
    (tmp_path / "perfaudit.toml").write_text(settings)
    (tmp_path / "store.py").write_text(STORE)
    (tmp_path / "app.py").write_text(OPEN)

    shown = CliRunner().invoke(command, [str(tmp_path), "-f", "json", "--no-cache", *option])

    assert len(json.loads(shown.stdout)["findings"]) == found


WATCHED = """
import os, sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])

from perfaudit.program.inferred import ModuleText, Place, receivers

root = Path(sys.argv[1])
texts = {
    ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): ModuleText(
        path.relative_to(root).as_posix(), path.read_text()
    )
    for path in sorted(root.rglob("*.py"))
}
places = [
    Place("app.web", number, 5, number, len(line) + 1)
    for number, line in enumerate(texts["app.web"].text.splitlines(), start=1)
    if line.endswith(".flush()")
]
os.chdir(root)
sys.path.insert(0, str(root))
sys.dont_write_bytecode = True
harmless = {"builtins.id", "compile", "object.__getattr__", "sys._getframe", "sys.setprofile"}
seen = []


def hook(event, arguments):
    if event not in harmless:
        seen.append((event, repr(arguments)[:80]))


def watched(path, *given, **named):
    if "\\0" not in str(path):
        seen.append(("os.stat", repr(path)))
    return stat(path, *given, **named)


stat, os.stat = os.stat, watched
modules = set(sys.modules)
sys.addaudithook(hook)
found = receivers(places, texts, lambda name: name if name in texts else None)
said = list(seen)
print(len(places), [opinion.module for opinion in found.values()])
print(sorted(set(sys.modules) - modules), said)
"""


def test_nothing_is_imported_opened_or_looked_for(tmp_path: Path) -> None:
    root = tmp_path / "project"
    trap = "open(__file__ + '.ran', 'w').close()\nraise SystemExit('imported')\n" + STORE
    files = {
        "app/__init__.py": trap,
        "app/store.py": trap,
        "app/web.py": TRAPS,
        "fast.py": trap,
        "sitecustomize.py": trap,
        "numpy/__init__.py": trap,
        "click/__init__.py": trap,
        "astroid_trap/__init__.py": trap,
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "app" / "native.so").write_bytes(b"\x7fELF no library")
    (root / "app" / "bare.pyc").write_bytes(b"no code")

    shown = subprocess.run(
        [sys.executable, "-c", WATCHED, str(root), str(Path(perfaudit.__file__).parents[1])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert shown.stderr == ""
    assert shown.stdout.splitlines() == [
        "13 ['app.store', 'app.store', 'fast', 'app.store', 'click', 'numpy']",
        "[] []",
    ]
    assert list(root.rglob("*.ran")) == []


TRAPS = """
import click, fast, numpy, readline, sqlite3, msgspec, yaml._yaml, _bisect
import app.native, app.bare, app.nowhere
from app import native, store
from app.store import *
from . import bare
from .nowhere import thing
from click import echo
from gi.repository import Gtk
from six.moves import urllib


async def save(unknown):
    (Store(),)[::1][0].flush()
    (store.Store(),)[::1][0].flush()
    (fast.Store(),)[::1][0].flush()
    (app.store.Store(),)[::1][0].flush()
    (click.Store(),)[::1][0].flush()
    (numpy.Store(),)[::1][0].flush()
    (native.Store(),)[::1][0].flush()
    (bare.Store(),)[::1][0].flush()
    (thing.Store(),)[::1][0].flush()
    (Gtk.Store(),)[::1][0].flush()
    (__import__("fast").Store(),)[::1][0].flush()
    (urllib.Store(),)[::1][0].flush()
    unknown.flush()
"""
