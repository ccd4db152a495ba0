from pathlib import Path

import pytest

from perfaudit.core.problem import Problem
from perfaudit.sources import Document, ServerCommand, Service, discover, read_document

COMPOSE = """\
x-default: &default
  restart: unless-stopped
  environment: &env
    LOG: info
services:
  web:
    <<: *default
    build:
      context: ./app
    command: gunicorn app.wsgi --workers 4
    environment:
      <<: *env
      WEB_CONCURRENCY: 2
      EMPTY:
    ports:
      - "8000:80"
      - target: 9000
        published: 9001
    depends_on:
      db: {condition: service_healthy}
    deploy:
      replicas: 3
    healthcheck:
      test: ["CMD", "true"]
  db:
    image: postgres:16
    restart: "no"
    environment:
      - POSTGRES_DB=app
      - POSTGRES_OPTIONS=a=b
    healthcheck:
      disable: true
  worker:
    build: .
    entrypoint: ["sh", "-c"]
    command: ["celery -A app worker -c 8"]
    depends_on: [db, web]
"""

DEPLOYMENT = """\
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 4
  template:
    spec:
      containers:
        - name: app
          image: app:1
          command: [uvicorn]
          args: ["app:app", "--workers", "2"]
          env:
            - {name: POOL, value: "5"}
            - {name: KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}
          ports:
            - containerPort: 8000
          livenessProbe: {httpGet: {path: /, port: 8000}}
"""


def _read(root: Path, path: str, text: str | bytes) -> Document | Problem:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode() if isinstance(text, str) else text)
    (file,) = discover(root, [Path(path)]).files
    return read_document(root, file)


def _document(root: Path, path: str, text: str | bytes) -> Document:
    document = _read(root, path, text)
    assert isinstance(document, Document), document
    return document


def _services(document: Document) -> dict[str, Service]:
    return {service.name: service for service in document.services}


def _words(document: Document) -> list[tuple[str, ...]]:
    return [(command.program, *command.arguments) for command in document.commands]


def test_a_template_is_its_text(tmp_path: Path) -> None:
    document = _document(tmp_path, "templates/a.html", b"\xef\xbb\xbf{% for a in b %}\r\n")
    assert document == Document("templates/a.html", "template", "{% for a in b %}\n")


def test_utf_16_is_read_as_it_says(tmp_path: Path) -> None:
    assert _document(tmp_path, "a.sql", "SELECT 'é'".encode("utf-16")).text == "SELECT 'é'"


def test_what_is_no_text_is_undecodable(tmp_path: Path) -> None:
    problem = _read(tmp_path, "a.sql", b"SELECT\n'\xe9'")
    assert isinstance(problem, Problem)
    assert (problem.kind, problem.line) == ("undecodable", 2)


def test_a_file_that_went_away_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT 1")
    (file,) = discover(tmp_path, []).files
    (tmp_path / "a.sql").unlink()
    problem = read_document(tmp_path, file)
    assert isinstance(problem, Problem)
    assert problem.kind == "unreadable"


def test_compose_services(tmp_path: Path) -> None:
    services = _services(_document(tmp_path, "docker-compose.yml", COMPOSE))
    assert services["web"] == Service(
        name="web",
        image="",
        build="./app",
        command=("gunicorn", "app.wsgi", "--workers", "4"),
        environment={"LOG": "info", "WEB_CONCURRENCY": "2", "EMPTY": ""},
        ports=("8000:80", "9001:9000"),
        depends_on=("db",),
        healthcheck=True,
        restart="unless-stopped",
        replicas=3,
        line=6,
    )
    assert services["db"] == Service(
        name="db",
        image="postgres:16",
        build="",
        command=(),
        environment={"POSTGRES_DB": "app", "POSTGRES_OPTIONS": "a=b"},
        ports=(),
        depends_on=(),
        healthcheck=False,
        restart="no",
        replicas=None,
        line=25,
    )
    assert services["worker"].build == "."
    assert services["worker"].depends_on == ("db", "web")
    assert services["worker"].restart is None


def test_compose_commands(tmp_path: Path) -> None:
    web, worker = _document(tmp_path, "docker-compose.yml", COMPOSE).commands
    assert (web.program, web.service, web.arguments) == (
        "gunicorn",
        "web",
        ("app.wsgi", "--workers", "4"),
    )
    assert web.environment["WEB_CONCURRENCY"] == "2"
    assert (worker.program, worker.service) == ("celery", "worker")
    assert worker.arguments == ("-A", "app", "worker", "-c", "8")


@pytest.mark.parametrize(
    "text",
    ["", "services:\n", "services: 3\n", "- a\n", "services: [a]\n", "services: {a: }\n"]
    + ["services: {a: {ports: {b: c}, command: {d: e}, depends_on: 3, healthcheck: x}}\n"],
)
def test_odd_compose_files_are_read(tmp_path: Path, text: str) -> None:
    assert _document(tmp_path, "compose.yaml", text).commands == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("services:\n  a: [\n", 3),
        ("services:\n\t- a\n", 2),
        ("a: *nobody\n", 1),
        ("a: 'b\n", 2),
        ("a: \x07\n", 1),
    ],
)
def test_what_is_no_yaml_is_a_syntax_problem(tmp_path: Path, text: str, line: int) -> None:
    problem = _read(tmp_path, "compose.yaml", text)
    assert isinstance(problem, Problem)
    assert (problem.kind, problem.line) == ("syntax", line)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 50_000,
        "a: " + "{b: " * 50_000,
        "- " * 50_000 + "a",
        "? " * 50_000 + "a",
        "a: [" + "1, " * 200_000 + "]",
    ],
)
def test_deep_or_endless_yaml_is_refused(tmp_path: Path, text: str) -> None:
    problem = _read(tmp_path, "compose.yaml", text)
    assert isinstance(problem, Problem)
    assert problem.kind in ("too-deep", "syntax")


def test_a_billion_laughs_are_not_laughed(tmp_path: Path) -> None:
    lines = ["a0: &a0 [lol, lol, lol]"]
    for depth in range(1, 40):
        lines.append(f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]")
    lines.append("services: {web: {image: nginx, command: *a39, environment: *a39}}")
    (web,) = _document(tmp_path, "compose.yaml", "\n".join(lines)).services
    assert (web.image, web.command, web.environment) == ("nginx", (), {})


def test_a_node_that_holds_itself_is_read(tmp_path: Path) -> None:
    text = (
        "services: &s\n  <<: *s\n  web: &w\n    <<: [*w, *w]\n    image: nginx\n    command: *w\n"
    )
    assert [service.image for service in _document(tmp_path, "compose.yaml", text).services] == [
        "nginx"
    ]


def test_kubernetes_containers(tmp_path: Path) -> None:
    document = _document(tmp_path, "k8s/web.yaml", DEPLOYMENT)
    assert document.kind == "kubernetes"
    assert document.services == (
        Service(
            name="web",
            image="app:1",
            build="",
            command=("uvicorn", "app:app", "--workers", "2"),
            environment={"POOL": "5", "KEY": ""},
            ports=("8000",),
            depends_on=(),
            healthcheck=True,
            restart=None,
            replicas=4,
            line=14,
        ),
    )
    assert _words(document) == [("uvicorn", "app:app", "--workers", "2")]


def test_a_cron_job_has_containers(tmp_path: Path) -> None:
    text = (
        "kind: CronJob\nmetadata: {name: nightly}\nspec: {jobTemplate: {spec: {template: {spec: "
        "{restartPolicy: Never, containers: [{name: a, image: a}, {name: b, image: b}]}}}}}\n"
    )
    services = _document(tmp_path, "k8s/job.yaml", text).services
    assert [service.name for service in services] == ["nightly/a", "nightly/b"]
    assert services[0].restart == "Never"


def test_helm_templates_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    text = (
        "{{- if .Values.enabled }}\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}-web\n"
        "spec:\n  replicas: {{ .Values.replicas }}\n  template:\n    spec:\n      containers:\n"
        '        - name: app\n          image: "{{ .Values.image }}"\n'
        "          command: [gunicorn]\n"
        "{{- end }}\n"
    )
    document = _document(tmp_path, "charts/app/templates/web.yaml", text)
    assert document.kind == "helm"
    assert document.text == text
    (service,) = document.services
    assert (service.image, service.command, service.replicas) == (
        "$helm",
        ("gunicorn",),
        None,
    )


def test_a_helm_template_that_is_no_yaml_is_its_text(tmp_path: Path) -> None:
    text = "kind: Deployment\nspec: {{ range .Values.a\n  }} [\n"
    assert _document(tmp_path, "helm/a.yaml", text).services == ()


def test_the_charts_of_a_chart_are_services(tmp_path: Path) -> None:
    text = (
        "name: app\ndependencies:\n  - name: redis\n    version: 1.0.0\n"
        "  - name: postgresql\n    alias: db\n"
    )
    services = _document(tmp_path, "charts/app/Chart.yaml", text).services
    assert [(service.name, service.image, service.line) for service in services] == [
        ("redis", "redis", 3),
        ("db", "postgresql", 5),
    ]


def test_a_procfile_has_commands(tmp_path: Path) -> None:
    text = "# processes\nweb: PORT=80 gunicorn app:app -w 4\n\nworker: celery -A app worker\nbad\n"
    document = _document(tmp_path, "Procfile", text)
    assert document.commands == (
        ServerCommand("Procfile", 2, "gunicorn", ("app:app", "-w", "4"), "web", {"PORT": "80"}),
        ServerCommand("Procfile", 4, "celery", ("-A", "app", "worker"), "worker", {}),
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/usr/local/bin/gunicorn app:app", [("gunicorn", "app:app")]),
        ("exec gunicorn app:app", [("gunicorn", "app:app")]),
        ("python -m gunicorn app:app", [("gunicorn", "app:app")]),
        ("python3.12 -u -m uvicorn app:app", [("uvicorn", "app:app")]),
        ("python manage.py runserver", [("python", "manage.py", "runserver")]),
        ("poetry run gunicorn app:app", [("gunicorn", "app:app")]),
        ("uv run --frozen gunicorn app:app", [("gunicorn", "app:app")]),
        ("uv sync", [("uv", "sync")]),
        ("A=1 env B=2 gunicorn x", [("gunicorn", "x")]),
        ("newrelic-admin run-program gunicorn x", [("gunicorn", "x")]),
        ("migrate && gunicorn x & nginx;tail", [("migrate",), ("gunicorn", "x"), ("nginx",)]
         + [("tail",)]),
        ("bash -lc 'cd /app && exec gunicorn x'", [("cd", "/app"), ("gunicorn", "x")]),
        ("gunicorn 'a b' --bind=0:80", [("gunicorn", "a b", "--bind=0:80")]),
        ("gunicorn it's", [("gunicorn", "it's")]),
        ("sh -c \"sh -c 'sh -c gunicorn'\"", [("gunicorn",)]),
        ("exec", []),
        ("./start.sh", [("start.sh",)]),
    ],
)  # fmt: skip
def test_commands_without_their_wrappers(
    tmp_path: Path, command: str, words: list[tuple[str, ...]]
) -> None:
    assert _words(_document(tmp_path, "Procfile", f"web: {command}\n")) == words


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("FROM a\nCMD gunicorn app:app -w 4\n", [("gunicorn", "app:app", "-w", "4")], 2),
        ('FROM a\nCMD ["gunicorn", "app:app"]\n', [("gunicorn", "app:app")], 2),
        ('FROM a\nENTRYPOINT ["gunicorn"]\nCMD ["app:app"]\n', [("gunicorn", "app:app")], 2),
        ("FROM a\nENTRYPOINT gunicorn x\nCMD y\n", [("gunicorn", "x")], 2),
        ("FROM a\nCMD old\nCMD gunicorn \\\n  # why\n  x \\\n  -w 2\n", [("gunicorn", "x")
         + ("-w", "2")], 3),
        ("FROM a\nCMD ['gunicorn', 'x']\n", [("[gunicorn,", "x]")], 2),
        ("from a\r\ncmd gunicorn x\r\n", [("gunicorn", "x")], 2),
        ("CMD gunicorn x \\", [("gunicorn", "x")], 1),
    ],
)  # fmt: skip
def test_a_dockerfile_has_commands(
    tmp_path: Path, text: str, words: list[tuple[str, ...]], line: int
) -> None:
    document = _document(tmp_path, "Dockerfile", text)
    assert _words(document) == words
    assert document.commands[0].line == line


def test_each_stage_of_a_dockerfile_has_its_own(tmp_path: Path) -> None:
    text = (
        "FROM python:3.12 AS base\nENV WORKERS=4 MODE=base\n"
        "FROM base AS dev\nENV MODE dev mode\nCMD flask run --debug\n"
        "FROM --platform=linux/amd64 base as prod\nENV WEB_CONCURRENCY=2\nCMD gunicorn x\n"
    )
    dev, prod = _document(tmp_path, "Dockerfile", text).commands
    assert (dev.program, dev.service, dev.environment) == (
        "flask",
        "dev",
        {"WORKERS": "4", "MODE": "dev mode"},
    )
    assert (prod.program, prod.service, prod.environment) == (
        "gunicorn",
        "prod",
        {"WORKERS": "4", "MODE": "base", "WEB_CONCURRENCY": "2"},
    )


def test_a_stage_starts_what_its_base_starts(tmp_path: Path) -> None:
    text = "FROM a AS base\nCMD gunicorn x\nFROM base AS prod\nENV A=1\n"
    commands = _document(tmp_path, "Dockerfile", text).commands
    assert [(command.service, command.program) for command in commands] == [
        ("base", "gunicorn"),
        ("prod", "gunicorn"),
    ]
