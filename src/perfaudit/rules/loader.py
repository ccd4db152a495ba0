"""Rule files, read and checked."""

import pkgutil
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from perfaudit import detectors
from perfaudit.core.effect import BLOCKING, CONTEXTS, EFFECTS
from perfaudit.core.errors import DataError, UsageError
from perfaudit.core.levels import Confidence, Effort, Severity
from perfaudit.core.rule import Case, Rule
from perfaudit.data import YamlNode, nearest, read_yaml
from perfaudit.rules.markers import marked_lines

CATEGORIES = {
    "latency": "1",
    "throughput": "2",
    "resources": "3",
    "caching": "4",
    "database": "5",
    "async": "6",
    "bottlenecks": "7",
}
"""The categories, each with the first digit of its ids."""

UNUSED_SUPPRESSIONS = "unused_suppressions"
"""What the engine itself looks for, once all other rules have spoken."""

DEFAULT_FILE = "app.py"
"""The name of a case's only file."""

NOT_RULES = frozenset({"libraries", "scoring.yaml"})
"""What else stands in a folder of rules."""

_REQUIRED = (
    "id",
    "name",
    "summary",
    "message",
    "severity",
    "confidence",
    "effort",
    "since",
    "detect",
    "why",
    "fix",
    "examples",
    "cases",
)
_OFFLINE = "confidence-offline"
_IN_TASKS = "confidence-in-tasks"
_KEYS = (*_REQUIRED, "category", "impact", "folds-into", _OFFLINE, _IN_TASKS)
_IMPACTS = ("latency", "throughput", "resources")
_CASE_KEYS = ("name", "code", "files")
_EXAMPLE_KEYS = ("name", "bad", "good")

_ID = re.compile(r"PA[1-9][0-9]{2}\Z")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_SINCE = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)?\Z")
_WORD_IN_BRACES = re.compile(r"\{[a-z_]+\}")


def load_rules(directories: Sequence[Path]) -> dict[str, Rule]:
    """Return all rules of the folders by name, in the order of their ids.

    A rule is ``category/name.yaml``, or ``name.yaml`` that says its category. Raises DataError for
    the first fault, and where two rules share an id or a name.
    """
    by_name: dict[str, Rule] = {}
    by_id: dict[str, Rule] = {}
    for directory in dict.fromkeys(directory.resolve() for directory in directories):
        for path in _rule_files(directory):
            rule = load_rule(path)
            for known, key in ((by_name, rule.name), (by_id, rule.id)):
                if key in known:
                    raise DataError(
                        rule.path, 1, f'"{key}" is taken by {known[key].path}: choose another.'
                    )
                known[key] = rule
    return dict(sorted(by_name.items(), key=lambda item: item[1].id))


def load_rule(path: Path) -> Rule:
    """Return one rule file, checked, or raise DataError with the line and the cure."""
    root = read_yaml(path)
    keys = root.mapping(_KEYS)
    for required in _REQUIRED:
        if required not in keys:
            raise root.error(f'the key "{required}" is missing.')
    category = _category(path, keys)
    detector, options = _detect(keys["detect"])
    return Rule(
        id=_id(keys["id"], category),
        name=_name(keys["name"], path),
        category=category,
        summary=_sentence(keys["summary"]),
        message=_message(keys["message"]),
        severity=Severity(keys["severity"].one_of(_values(Severity))),
        confidence=_confidence(keys["confidence"]),
        offline=_confidence(keys.get(_OFFLINE)),
        in_tasks=_confidence(keys.get(_IN_TASKS)),
        effort=Effort(keys["effort"].one_of(_values(Effort))),
        since=_since(keys["since"]),
        detector=detector,
        why=_prose(keys["why"]),
        fix=_prose(keys["fix"]),
        impact=_impact(keys.get("impact")),
        cases=_cases(keys["examples"], keys["cases"]),
        path=str(path),
        line=keys["message"].line,
        options=options,
        folds_into=keys["folds-into"].texts() if "folds-into" in keys else (),
    )


def _confidence(node: YamlNode | None) -> Confidence:
    return Confidence.HIGH if node is None else Confidence(node.one_of(_values(Confidence)))


@cache
def detector_names() -> frozenset[str]:
    """Return the names of the installed detectors: nothing else can be named by a rule."""
    found = pkgutil.iter_modules(detectors.__path__)
    return frozenset(module.name for module in found if not module.name.startswith("_"))


def _rule_files(directory: Path) -> Iterator[Path]:
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a folder of rule files.")
    for path in sorted(directory.iterdir()):
        if path.name in NOT_RULES or path.name.startswith("."):
            continue
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.suffix == ".yml":
                raise DataError(str(file), 1, f"write {file.stem}.yaml: .yml files are not read.")
            if file.suffix == ".yaml":
                yield file


def _category(path: Path, keys: Mapping[str, YamlNode]) -> str:
    if "category" in keys:
        return keys["category"].one_of(CATEGORIES)
    folder = path.resolve().parent.name
    if folder not in CATEGORIES:
        raise DataError(
            str(path),
            1,
            f'the folder "{folder}" is not a category: {nearest(folder, CATEGORIES)} Move the file,'
            " or add the key `category`.",
        )
    return folder


def _id(node: YamlNode, category: str) -> str:
    rule_id, digit = node.text(), CATEGORIES[category]
    if not _ID.match(rule_id) or rule_id[2] != digit:
        raise node.error(f'"{rule_id}" is not an id of {category}: write PA{digit} and two digits.')
    return rule_id


def _name(node: YamlNode, path: Path) -> str:
    name = node.text()
    if name != path.stem:
        raise node.error(f'write "{path.stem}", the name of the file, not "{name}".')
    if not _NAME.match(name):
        raise node.error(f'"{name}" is not in kebab-case: write words-like-these.')
    return name


def _sentence(node: YamlNode) -> str:
    text = node.text().strip()
    if not text.endswith("."):
        raise node.error("write a sentence that ends in a full stop.")
    return text


def _message(node: YamlNode) -> str:
    message = node.text().strip()
    if not message.endswith((".", "}")):
        raise node.error("write a sentence that ends in a full stop, or in a word of the detector.")
    if set("{}") & set(_WORD_IN_BRACES.sub("", message)):
        raise node.error("a word of the detector is written {word}; no other braces are allowed.")
    return message


def _values(scale: type[Severity] | type[Confidence] | type[Effort]) -> tuple[str, ...]:
    return tuple(str(member) for member in scale)


def _since(node: YamlNode) -> str:
    since = node.text()
    if not _SINCE.match(since):
        raise node.error(f'"{since}" is not a version: write "0.1".')
    return since


def _prose(node: YamlNode) -> str:
    text = node.text().strip()
    if not text:
        raise node.error("some text was expected, not nothing.")
    return text


def _impact(node: YamlNode | None) -> dict[str, str]:
    if node is None:
        return {}
    return {name: _prose(text) for name, text in node.mapping(_IMPACTS).items()}


def _detect(node: YamlNode) -> tuple[str, dict[str, object]]:
    keys = node.mapping(("detector", "engine", "effect", "within", "unless"))
    for only in ("detector", "engine"):
        if only in keys and len(keys) > 1:
            raise node.error(f"`{only}` stands alone: write `detect: {{{only}: its_name}}`.")
    if "detector" in keys:
        return _installed_detector(keys["detector"]), {}
    if "engine" in keys:
        keys["engine"].one_of((UNUSED_SUPPRESSIONS,))
        return "", {}
    if "effect" not in keys or "within" not in keys:
        raise node.error("write `{detector: its_name}`, or both `effect` and `within`.")
    options: dict[str, object] = {
        "effect": _one_or_more(keys["effect"], EFFECTS | {BLOCKING}),
        "within": keys["within"].one_of(CONTEXTS),
        "unless": _one_or_more(keys["unless"], CONTEXTS) if "unless" in keys else (),
    }
    return "effect_within", options


def _installed_detector(node: YamlNode) -> str:
    name = node.text()
    if name not in detector_names():
        cure = nearest(name, detector_names())
        raise node.error(f'there is no detector "{name}" in perfaudit.detectors: {cure}')
    if name == "effect_within":
        raise node.error("write `effect` and `within` in place of the name of this detector.")
    return name


def _one_or_more(node: YamlNode, known: Collection[str]) -> tuple[str, ...]:
    if isinstance(node.content, str):
        return (node.one_of(known),)
    return tuple(item.one_of(known) for item in node.sequence())


def _cases(examples: YamlNode, cases: YamlNode) -> tuple[Case, ...]:
    """Return the parts of the examples, which are shown, and the cases, which are only run."""
    found: dict[str, Case] = {}
    for case, node in (*_shown_cases(examples), *_run_cases(cases)):
        if case.name in found:
            raise node.error(f'the name "{case.name}" is given twice: say what differs.')
        found[case.name] = case
    return tuple(found.values())


def _shown_cases(examples: YamlNode) -> Iterator[tuple[Case, YamlNode]]:
    for example in examples.sequence():
        keys = example.mapping(_EXAMPLE_KEYS)
        for required in _EXAMPLE_KEYS:
            if required not in keys:
                raise example.error(f"an example needs `{required}`.")
        name = _prose(keys["name"])
        bad = Case(f"{name} (bad)", _files(keys["bad"]), shown=True)
        good = Case(f"{name} (good)", _files(keys["good"]), shown=True)
        if not marked_lines(bad.files):
            raise keys["bad"].error("mark what is reported here: end the line in `# finding`.")
        if marked_lines(good.files):
            raise keys["good"].error("good code has no finding: remove the mark.")
        yield bad, keys["bad"]
        yield good, keys["good"]


def _run_cases(cases: YamlNode) -> Iterator[tuple[Case, YamlNode]]:
    for case in cases.sequence():
        keys = case.mapping(_CASE_KEYS)
        if "name" not in keys or ("code" in keys) == ("files" in keys):
            raise case.error("a case needs `name`, and either `code` or `files`.")
        if "files" in keys:
            keys["files"].mapping()
        yield Case(_prose(keys["name"]), _files(keys.get("code") or keys["files"])), case


def _files(node: YamlNode) -> dict[str, str]:
    if not isinstance(node.content, dict):
        return {DEFAULT_FILE: _code(node)}
    if not node.content:
        raise node.error("some file was expected: write `app.py: |`.")
    for name, text in node.content.items():
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise text.error(f'"{name}" is not a path below the project: write `app/models.py`.')
    return {name: text.text() for name, text in node.content.items()}


def _code(node: YamlNode) -> str:
    code = node.text()
    if not code.strip():
        raise node.error("some code was expected, not nothing.")
    return code
