"""Type parameters of newer syntax bind what they bound, whichever interpreter reads them."""

from perfaudit.audit import program_of
from perfaudit.core.finding import Match
from perfaudit.detectors.blocking_in_async import detect
from perfaudit.sources import parse_python
from perfaudit.sources.types import PythonSource

CLASSES = """
import time

class Slow:
    def run(self):
        time.sleep(1)

class Quick:
    def run(self):
        return 1
"""


def waiting(text: str) -> list[str]:
    program = program_of({"app.py": f"{text}{CLASSES}"})
    return [item.function for item in detect(program) if isinstance(item, Match)]


def test_a_generic_class_keeps_what_it_was_made_for() -> None:
    text = """
class Box[T]:
    def __init__(self, held: T):
        self.held = held

    def get(self) -> T:
        return self.held

async def slow(box: Box[Slow]):
    box.get().run()

async def quick(box: Box[Quick]):
    box.get().run()
"""
    assert waiting(text) == ["app.slow"]


def test_bounds_and_defaults_of_parameters() -> None:
    text = """
class Bound[T: Slow]:
    def get(self) -> T: ...

class Default[T = Slow]:
    def get(self) -> T: ...

async def bound(box: Bound):
    box.get().run()

async def default(box: Default):
    box.get().run()

async def given(box: Default[Quick]):
    box.get().run()
"""
    assert waiting(text) == ["app.bound", "app.default"]


def test_a_generic_function_gives_what_it_is_given() -> None:
    text = """
def first[T](items: list[T]) -> T:
    return items[0]

def made[K: (Slow, Quick)](kind: type[K]) -> K:
    return kind()

async def slow():
    first([Slow()]).run()

async def slow_made():
    made(Slow).run()

async def quick():
    first([Quick()]).run()

async def quick_made():
    made(Quick).run()
"""
    assert waiting(text) == ["app.slow", "app.slow_made"]


def test_parameters_of_one_name_are_those_of_their_own_class() -> None:
    text = """
class Box[T: Slow]:
    def get(self) -> T: ...

class Other[T: Quick]:
    def get(self) -> T: ...

async def quick(box: Other):
    box.get().run()
"""
    assert waiting(text) == []


def test_what_only_looks_like_parameters_changes_nothing() -> None:
    text = '"""\ndef run[T\n"""\ndef run(items):\n    return "class run[T]" + items[0]\n'
    source = parse_python("app.py", text.encode())

    assert isinstance(source, PythonSource)
    assert len(source.tree.body) == 2
