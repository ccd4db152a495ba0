"""Files may be read by any executor, also by the workers of a real Dask cluster: the same bytes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from perfaudit import executors, extraction
from perfaudit.cache import FOLDER
from perfaudit.cli.commands import cli
from perfaudit.core.errors import UsageError
from perfaudit.extraction import extract_all
from perfaudit.sources import discover
from perfaudit.sources.types import SourceFile

from .conftest import FIXTURES, SOURCES, copied, scan_to_files, until

PAGE = FIXTURES.parent / "docs" / "scale.md"

FILLER = (
    "def filler(value):\n    return [other(item) for item in value.rows({0})]\n"
    + "# fill\n" * 20_000
)

HANGING = """
import time
import perfaudit.extraction
perfaudit.extraction.extract_sent = lambda sent: time.sleep(3600)
"""


@dataclass
class Cluster:
    """A scheduler and its workers, each a process, in a folder of their own."""

    folder: Path
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    address: str = ""

    def start(self, kind: str, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        number = len(self.processes)
        with (self.folder / f"{kind}-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"distributed.cli.dask_{kind}",
                    *arguments,
                    "--no-dashboard",
                ],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": SOURCES, **environment},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def start_scheduler(self) -> "subprocess.Popen[bytes]":
        told = self.folder / "scheduler.json"
        process = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told)
        )
        until(lambda: told.exists() and told.read_text())
        self.address = json.loads(told.read_text())["address"]
        return process

    def start_worker(self, **environment: str) -> "subprocess.Popen[bytes]":
        place = self.folder / f"worker-{len(self.processes)}"
        return self.start(
            *("worker", self.address, "--no-nanny", "--nthreads", "1"),
            *("--local-directory", str(place)),
            **environment,
        )

    @property
    def option(self) -> str:
        return f"--executor={self.address.replace('tcp://', 'dask://')}"

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def shop() -> tuple[Path, list[SourceFile]]:
    """Return an application and its files of Python."""
    root = FIXTURES / "django_shop"
    return root, [file for file in discover(root, [root]).files if file.kind == "python"]


def in_cluster(cluster: Cluster) -> Any:
    from distributed import Client

    return Client(cluster.address, timeout=60, set_as_default=False)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a scheduler with two workers."""
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        started.start_scheduler()
        started.start_worker()
        started.start_worker()
        with in_cluster(started) as client:
            client.wait_for_workers(2, timeout=60)
        yield started
    finally:
        started.stop()


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Cluster]:
    """Return a scheduler that has no workers yet."""
    started = Cluster(tmp_path)
    try:
        started.start_scheduler()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an application with files enough for several tasks, one of them too deep to follow."""
    root = copied("django_shop", tmp_path_factory.mktemp("project"))
    for number in range(12):
        (root / f"filler_{number}.py").write_text(FILLER.format(number))
    (root / "deep.py").write_text("x = " + " + ".join("a" * 30_000) + "\n")
    (root / "broken.py").write_text("def (:\n")
    return root


@pytest.fixture(scope="module")
def expected(project: Path) -> dict[str, str]:
    texts = scan_to_files(project, project.parent / "expected", "--no-cache", "--jobs", "1")
    assert "PA501" in texts[".json"] and "broken.py" in texts[".json"]
    return texts


def refusal(root: Path, *arguments: str) -> str:
    """Return the one line with which a scan ends that cannot be done."""
    done = CliRunner().invoke(
        cli, ["scan", "--no-cache", *arguments, str(root)], prog_name="perfaudit"
    )
    assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
    return done.output


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_cold_and_warm(
    cluster: Cluster, project: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    with in_cluster(cluster) as client:
        assert scan_to_files(project, tmp_path / "out", cluster.option) == expected
        have_read = client.run(lambda: "perfaudit.extraction" in sys.modules)
        assert list(have_read.values()) == [True, True]

    (facts,) = (project / FOLDER).glob("facts-*")
    kept = facts.read_bytes()
    for report in (project / FOLDER).glob("report-*"):
        report.unlink()
    assert scan_to_files(project, tmp_path / "out", cluster.option) == expected
    assert facts.read_bytes() == kept


@pytest.mark.slow
def test_the_program_of_the_page_audits_repositories(cluster: Cluster, tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code is not None
    (tmp_path / "many.py").write_text(code[1])
    (tmp_path / "out").mkdir()
    root = tmp_path / "app"
    root.mkdir()
    (root / "app.py").write_text("import time\n\n\nasync def wait():\n    time.sleep(1)\n")
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for command in (("init",), ("add", "app.py"), ("commit", "--message", "All of it")):
        subprocess.run(["git", *author, *command], cwd=root, check=True, capture_output=True)

    done = subprocess.run(
        [sys.executable, "many.py", cluster.address, "out"],
        cwd=tmp_path,
        input=f"{root.as_uri()} {tmp_path.as_uri()}/none",
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    said = sorted(done.stdout.splitlines())
    assert [line.rpartition("/")[2].split()[:1] for line in said] == [["app"], ["none"]]
    assert said[0].endswith("findings: 1") and said[1].endswith("failed")
    written = {file.suffix: file for file in (tmp_path / "out").glob("*app.*")}
    assert json.loads(written[".json"].read_text())["findings"][0]["rule"] == "PA601"
    assert json.loads(written[".sarif"].read_text())["runs"][0]["results"]


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["worker", "scheduler"])
def test_what_is_killed_in_the_middle_changes_nothing(
    lone: Cluster, project: Path, expected: dict[str, str], tmp_path: Path, killed: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGING)
    doomed = lone.start_worker(PYTHONPATH=f"{tmp_path}{os.pathsep}{SOURCES}")
    with in_cluster(lone) as client, ThreadPoolExecutor(1) as pool:
        client.wait_for_workers(1, timeout=60)
        run = pool.submit(scan_to_files, project, tmp_path / "out", "--no-cache", lone.option)
        until(lambda: any(client.processing().values()))
        if killed == "worker":
            doomed.kill()
            lone.start_worker()
        else:
            lone.processes[0].kill()
        assert run.result() == expected


@pytest.mark.slow
def test_workers_that_would_say_something_else_are_named(
    lone: Cluster, project: Path, tmp_path: Path
) -> None:
    assert "the scheduler has no workers" in refusal(project, lone.option)

    for kind, said in (("none", "cannot run perfaudit"), ("another", "and here is")):
        package = tmp_path / kind / "perfaudit"
        if kind == "none":
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("raise ImportError('there is none')\n")
        else:
            shutil.copytree(Path(SOURCES) / "perfaudit", package)
            with (package / "facts" / "types.py").open("a") as types:
                types.write("# another build\n")
        worker = lone.start_worker(PYTHONPATH=str(package.parent))
        with in_cluster(lone) as client:
            client.wait_for_workers(1, timeout=60)
            (name,) = client.scheduler_info()["workers"]
            line = refusal(project, lone.option)
            assert name in line and said in line
            worker.kill()
            until(lambda client=client: not client.scheduler_info()["workers"])


def test_a_scheduler_that_is_not_there_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 0.5)
    line = refusal(project, "--executor=dask://127.0.0.1:9")

    assert line == "perfaudit: --executor dask://127.0.0.1:9: no scheduler answers there.\n"


def test_a_missing_dask_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    line = refusal(project, "--executor=dask://127.0.0.1:9")
    assert "pip install 'perfaudit[dask]'" in line


@pytest.mark.parametrize("address", ["", "dask", "dask://", "dask://host", "tcp://host:8786"])
def test_an_address_that_nothing_understands_is_named(project: Path, address: str) -> None:
    assert "write dask://HOST:PORT" in refusal(project, f"--executor={address}")


class Unable(Executor):
    """An executor that does with every task what it is told to."""

    def __init__(self, outcome: Callable[["Future[Any]"], None]) -> None:
        self.outcome = outcome

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.outcome(future)
        return future


def cancelled(future: "Future[Any]") -> None:
    future.cancel()
    future.set_running_or_notify_cancel()


def refused(future: "Future[Any]") -> None:
    raise RuntimeError("cannot schedule new futures")


OUTCOMES: dict[str, Callable[["Future[Any]"], None]] = {
    "broken": lambda future: future.set_exception(RuntimeError("a worker was lost")),
    "cancelled": cancelled,
    "refused": refused,
    "silent": lambda future: None,
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_an_executor_loses_is_read_here(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    monkeypatch.setattr(extraction, "PATIENCE", 0.0)
    root, files = shop()

    assert extract_all(root, files, executor=Unable(OUTCOMES[outcome])) == extract_all(
        root, files, jobs=1
    )


def test_any_executor_will_do() -> None:
    root, files = shop()
    with ThreadPoolExecutor(2) as pool:
        assert extract_all(root, files, executor=pool) == extract_all(root, files, jobs=1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda future: future.set_exception(ModuleNotFoundError("No module named 'perfaudit'")),
        lambda future: future.set_result(("0.0.1-cpython", [])),
    ],
    ids=["none", "another version"],
)
def test_answers_of_another_perfaudit_are_refused(
    answer: Callable[["Future[Any]"], None],
) -> None:
    root, files = shop()

    with pytest.raises(UsageError, match="a worker"):
        extract_all(root, files, executor=Unable(answer))
