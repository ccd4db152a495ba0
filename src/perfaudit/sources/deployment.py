"""What deployment files declare: services, and the commands that they start."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from perfaudit.core.problem import Problem
from perfaudit.sources.commands import shell_commands, split_words
from perfaudit.sources.types import ServerCommand, Service
from perfaudit.sources.yaml_nodes import Node, parse_yaml

PROCESS = re.compile(r"([A-Za-z0-9_.-]+)\s*:\s*(\S.*)")
INSTRUCTION = re.compile(r"([A-Za-z]+)\s+(?:--\S+\s+)*(.*)", re.DOTALL)
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job"})
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
ACTION_LINE = re.compile(r"^[ \t]*(?:- )?\{\{.*\}\}[ \t]*$", re.MULTILINE)
ACTION = re.compile(r"\{\{[^\n]*?\}\}")
ACTION_STAND_IN = "$helm"

Declared = tuple[tuple[Service, ...], tuple[ServerCommand, ...]]


def read_compose(path: str, text: str) -> Declared | Problem:
    """Return the services of a compose file and their commands, or the problem."""
    documents = parse_yaml(path, text)
    if isinstance(documents, Problem):
        return documents
    services = tuple(
        _compose_service(name, node)
        for document in documents
        for name, node in document.entry("services").pairs().items()
        if not name.startswith("x-")
    )
    return services, _service_commands(path, services)


def read_manifests(path: str, text: str) -> Declared | Problem:
    """Return the containers of a Kubernetes file and their commands, or the problem."""
    documents = parse_yaml(path, text)
    if isinstance(documents, Problem):
        return documents
    services = tuple(service for document in documents for service in _workload(document))
    return services, _service_commands(path, services)


def read_helm(path: str, text: str) -> Declared:
    """Return what a Helm file declares, as far as it can be read without rendering it.

    What the template would put in is written ``$helm``.
    """
    plain = ACTION.sub(ACTION_STAND_IN, ACTION_LINE.sub("", text))
    documents = parse_yaml(path, plain)
    if isinstance(documents, Problem):
        return (), ()
    charts = tuple(service for document in documents for service in _chart_parts(document))
    workloads = tuple(service for document in documents for service in _workload(document))
    return charts + workloads, _service_commands(path, workloads)


def read_procfile(path: str, text: str) -> Declared:
    """Return the commands of a Procfile."""
    commands: list[ServerCommand] = []
    for number, line in enumerate(text.splitlines(), start=1):
        found = PROCESS.fullmatch(line.strip())
        if found:
            commands += shell_commands(path, number, found[2], service=found[1])
    return (), tuple(commands)


def read_dockerfile(path: str, text: str) -> Declared:
    """Return what the stages of a Dockerfile start: the entry point followed by the command."""
    stages = [_Stage("")]
    for line, word, rest in _instructions(text):
        if word == "FROM":
            stages.append(_next_stage(stages, rest))
        elif word == "ENV":
            stages[-1].environment.update(_variables(rest))
        elif word in ("CMD", "ENTRYPOINT"):
            stages[-1].starts[word] = line, _exec_words(rest) or rest
    return (), tuple(command for stage in stages for command in _stage_commands(path, stage))


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage of a Dockerfile; ``starts`` has the line and the words of CMD and ENTRYPOINT."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    starts: dict[str, tuple[int, str | list[str]]] = field(default_factory=dict)


def _next_stage(stages: Sequence[_Stage], source: str) -> _Stage:
    """Return the stage that ``FROM source`` begins, with what it inherits from an earlier one."""
    words = source.split()
    name = words[2] if len(words) > 2 and words[1].lower() == "as" else ""
    for stage in stages:
        if stage.name and words[:1] == [stage.name]:
            return _Stage(name, dict(stage.environment), dict(stage.starts))
    return _Stage(name)


def _compose_service(name: str, node: Node) -> Service:
    build = node.entry("build")
    context = build.scalar() or build.entry("context").scalar()
    check = node.entry("healthcheck")
    tests = check.entry("test").scalars()
    policy = node.entry("deploy", "restart_policy", "condition").scalar()
    replicas = node.entry("deploy", "replicas").scalar() or node.entry("scale").scalar()
    return Service(
        name=name,
        image=node.entry("image").scalar(),
        build=context or ("." if build.pairs() else ""),
        command=_command(node.entry("entrypoint")) + _command(node.entry("command")),
        environment=_environment(node.entry("environment")),
        ports=tuple(_port(port) for port in node.entry("ports").items),
        depends_on=tuple(node.entry("depends_on").pairs()) or node.entry("depends_on").scalars(),
        healthcheck=bool(tests) and tests[0] != "NONE" and not _is_true(check.entry("disable")),
        restart=node.entry("restart").scalar() or policy or None,
        replicas=_number(replicas),
        line=node.line,
    )


def _command(node: Node) -> tuple[str, ...]:
    return node.scalars() if node.text is None else split_words(node.scalar())


def _environment(node: Node) -> dict[str, str]:
    if node.items:
        pairs = (text.partition("=") for text in node.scalars())
        return {name: value for name, _, value in pairs}
    return {name: value.scalar() for name, value in node.pairs().items()}


def _port(node: Node) -> str:
    if node.text is not None:
        return node.text
    published, target = node.entry("published").scalar(), node.entry("target").scalar()
    return f"{published}:{target}" if published else target


def _workload(document: Node) -> Iterator[Service]:
    kind = document.entry("kind").scalar()
    if kind not in WORKLOADS and kind != "CronJob":
        return
    spec = document.entry("spec")
    if kind == "CronJob":
        spec = spec.entry("jobTemplate", "spec")
    pod = spec if kind == "Pod" else spec.entry("template", "spec")
    workload = document.entry("metadata", "name").scalar()
    containers = pod.entry("containers").items
    for container in containers:
        name = container.entry("name").scalar()
        yield Service(
            name=workload if workload and len(containers) == 1 else f"{workload}/{name}",
            image=container.entry("image").scalar(),
            build="",
            command=_command(container.entry("command")) + _command(container.entry("args")),
            environment={
                variable.entry("name").scalar(): variable.entry("value").scalar()
                for variable in container.entry("env").items
            },
            ports=tuple(
                port.entry("containerPort").scalar() for port in container.entry("ports").items
            ),
            depends_on=(),
            healthcheck=any(container.entry(probe).pairs() for probe in PROBES),
            restart=pod.entry("restartPolicy").scalar() or None,
            replicas=_number(spec.entry("replicas").scalar()),
            line=container.line,
        )


def _chart_parts(document: Node) -> Iterator[Service]:
    """Yield the charts that a chart brings along: each is a running part."""
    for part in document.entry("dependencies").items:
        name = part.entry("alias").scalar() or part.entry("name").scalar()
        if name:
            image = part.entry("name").scalar()
            yield Service(name, image, "", (), {}, (), (), False, None, None, part.line)


def _service_commands(path: str, services: Sequence[Service]) -> tuple[ServerCommand, ...]:
    return tuple(
        command
        for service in services
        if service.command
        for command in shell_commands(
            path,
            service.line,
            _joined(service.command),
            service=service.name,
            environment=service.environment,
        )
    )


def _joined(words: Sequence[str]) -> str | Sequence[str]:
    """Return the one word of a block scalar as the shell line that it is."""
    return words[0] if len(words) == 1 else words


def _stage_commands(path: str, stage: _Stage) -> tuple[ServerCommand, ...]:
    entry, command = stage.starts.get("ENTRYPOINT"), stage.starts.get("CMD")
    chosen = entry or command
    if chosen is None:
        return ()
    line, start = chosen
    if entry and command and isinstance(start, list) and isinstance(command[1], list):
        start = start + command[1]
    return shell_commands(path, line, start, service=stage.name, environment=stage.environment)


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the word and the rest of each Dockerfile instruction."""
    for line, whole in _joined_lines(text):
        found = INSTRUCTION.fullmatch(whole)
        if found:
            yield line, found[1].upper(), found[2].strip()


def _joined_lines(text: str) -> Iterator[tuple[int, str]]:
    parts: list[str] = []
    begin = 1
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if stripped.startswith("#") or (parts and not stripped):
            continue
        if not parts:
            begin = number
        parts.append(stripped.removesuffix("\\"))
        if not stripped.endswith("\\"):
            yield begin, " ".join(parts)
            parts = []
    if parts:
        yield begin, " ".join(parts)


def _exec_words(text: str) -> list[str]:
    if not text.startswith("["):
        return []
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return []
    return words


def _variables(text: str) -> dict[str, str]:
    words = split_words(text)
    if words and "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    return {name: value for name, sign, value in (word.partition("=") for word in words) if sign}


def _is_true(node: Node) -> bool:
    return node.scalar().lower() in ("true", "yes", "on")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
