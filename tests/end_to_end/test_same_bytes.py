"""The same project gives the same bytes, in every format, however and how often it is read."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from perfaudit.cache import FOLDER, MAX_REPORTS
from perfaudit.extraction import WORTH_A_POOL

from .conftest import FIXTURES, copied, scan_to_files

LARGE = "\n\ndef filler_{0}(value):\n    return [other(item) for item in value.rows({0})]\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of both applications, large enough for more than one worker."""
    folder = tmp_path_factory.mktemp("both")
    for name in ("agent_platform", "django_shop"):
        shutil.copytree(FIXTURES / name, folder / "root" / name)
    (folder / "root" / ".git").mkdir()
    for number in range(24):
        text = "".join(LARGE.format(each) for each in range(900))
        (folder / "root" / f"filler_{number}.py").write_text(text)
    return folder / "root"


@pytest.fixture(scope="module")
def expected(project: Path) -> dict[str, str]:
    texts = scan_to_files(project, project.parent / "expected", "--no-cache", "--jobs", "1")
    assert "PA501" in texts[".json"]
    return texts


def test_the_project_is_worth_more_than_one_worker(project: Path) -> None:
    assert sum(file.stat().st_size for file in project.rglob("*.py")) > WORTH_A_POOL


@pytest.mark.parametrize("jobs", ["2", "8"])
def test_with_any_number_of_workers(
    project: Path, expected: dict[str, str], tmp_path: Path, jobs: str
) -> None:
    assert scan_to_files(project, tmp_path / "out", "--no-cache", "--jobs", jobs) == expected


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_with_any_order_of_sets(
    project: Path, expected: dict[str, str], tmp_path: Path, seed: str
) -> None:
    out = tmp_path / "out"
    assert scan_to_files(project, out, "--no-cache", PYTHONHASHSEED=seed) == expected


def test_with_paths_in_any_order(project: Path, expected: dict[str, str], tmp_path: Path) -> None:
    names = sorted(entry.name for entry in project.iterdir() if entry.name[0] != ".")
    for paths in (names, names[::-1]):
        out = tmp_path / "out"
        assert scan_to_files(project, out, "--no-cache", paths=tuple(paths)) == expected


def test_with_files_made_in_another_order(
    project: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "root"
    other.mkdir()
    (other / ".git").mkdir()
    for file in sorted((file for file in project.rglob("*") if file.is_file()), reverse=True):
        place = other / file.relative_to(project)
        if FOLDER not in place.parts:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)

    assert scan_to_files(other, tmp_path / "out", "--no-cache") == expected


def test_with_a_cold_and_a_warm_cache(
    project: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    shutil.rmtree(project / FOLDER, ignore_errors=True)
    assert scan_to_files(project, tmp_path / "out") == expected
    (cache,) = (project / FOLDER).glob("facts-*")
    kept = cache.read_bytes()

    assert scan_to_files(project, tmp_path / "out") == expected
    assert cache.read_bytes() == kept


@pytest.mark.parametrize("kind", ["facts", "report"])
def test_with_a_damaged_cache(tmp_path: Path, kind: str) -> None:
    root, out = copied("django_shop", tmp_path), tmp_path / "out"
    expected = scan_to_files(root, out)
    (cache,) = (root / FOLDER).glob(f"{kind}-*")
    kept = cache.read_bytes()

    middle = len(kept) // 2
    for damaged in (
        b"",
        b"\x00",
        kept[:middle],
        kept[:middle] + b"\xff" * 64 + kept[middle + 64 :],
        b"\x81\xa1a\x92\xc4\x00\xc4\x00",
    ):
        _forget_reports(root)
        cache.write_bytes(damaged)
        assert scan_to_files(root, out) == expected
        assert cache.read_bytes() == kept


def _forget_reports(root: Path) -> None:
    for report in (root / FOLDER).glob("report-*"):
        report.unlink()


def test_nothing_changed_gives_the_stored_report(tmp_path: Path) -> None:
    root, out = copied("django_shop", tmp_path), tmp_path / "out"
    expected = scan_to_files(root, out)
    (report,) = (root / FOLDER).glob("report-*")
    (facts,) = (root / FOLDER).glob("facts-*")
    facts.unlink()

    assert scan_to_files(root, out) == expected
    # Nothing was read but the report.
    assert not facts.exists()
    assert list((root / FOLDER).glob("report-*")) == [report]


@pytest.mark.parametrize(
    "change",
    [
        ("store/views.py", "# one line more\n"),
        ("store/added.py", "import time\n"),
        ("store/templates/store/added.html", "{{ book.author }}\n"),
        ("perfaudit.toml", 'ignore = ["PA501"]\n'),
        (".gitignore", "pricing.py\n"),
    ],
    ids=lambda change: change[0],
)
def test_a_stored_report_is_not_used_after_a_change(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    root, out = copied("django_shop", tmp_path), tmp_path / "out"
    scan_to_files(root, out)
    place = root / change[0]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(change[1] + (place.read_text("utf-8") if place.exists() else ""), "utf-8")
    after = scan_to_files(root, out)

    assert len(list((root / FOLDER).glob("report-*"))) == 2
    assert after == scan_to_files(root, out, "--no-cache")


def test_reports_are_kept_in_bounds(tmp_path: Path) -> None:
    root, out = copied("django_shop", tmp_path), tmp_path / "out"
    for number in range(MAX_REPORTS + 2):
        (root / "added.py").write_text(f"NUMBER = {number}\n", "utf-8")
        scan_to_files(root, out)

    assert len(list((root / FOLDER).glob("report-*"))) == MAX_REPORTS


def test_facts_of_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    root = copied("django_shop", tmp_path)
    scan_to_files(root, tmp_path / "out")
    (cache,) = (root / FOLDER).glob("facts-*")
    assert b"store/pricing.py" in cache.read_bytes()
    _forget_reports(root)
    (root / "store" / "pricing.py").unlink()
    scan_to_files(root, tmp_path / "out", paths=("store/models.py",))

    assert b"store/pricing.py" not in cache.read_bytes()
    assert b"store/views.py" in cache.read_bytes()


def test_facts_of_another_content_are_not_used(tmp_path: Path) -> None:
    root = copied("django_shop", tmp_path)
    before = scan_to_files(root, tmp_path / "out")
    views = root / "store" / "views.py"
    state = views.stat()
    text = views.read_text("utf-8")
    views.write_text("# one line more\n" + text, "utf-8")
    os.utime(views, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = scan_to_files(root, tmp_path / "out")

    assert after != before
    assert after == scan_to_files(root, tmp_path / "out", "--no-cache")


@pytest.mark.parametrize("obstacle", ["file", "closed folder", "folder in place of the cache"])
def test_a_cache_that_cannot_be_written_is_no_cache(tmp_path: Path, obstacle: str) -> None:
    root = copied("django_shop", tmp_path)
    without = scan_to_files(root, tmp_path / "out", "--no-cache")
    folder = root / FOLDER
    if obstacle == "file":
        folder.write_text("in the way")
    elif obstacle == "closed folder":
        folder.mkdir(mode=0o500)
    else:
        assert scan_to_files(root, tmp_path / "out") == without
        for cache in (*folder.glob("facts-*"), *folder.glob("report-*")):
            cache.unlink()
            cache.mkdir()
            (cache / "full").touch()

    assert scan_to_files(root, tmp_path / "out") == without


def test_runs_at_the_same_time(tmp_path: Path) -> None:
    root = copied("django_shop", tmp_path)
    expected = scan_to_files(root, tmp_path / "out", "--no-cache")
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(scan_to_files, root, tmp_path / f"out{number}") for number in range(4)]
        assert [run.result() == expected for run in runs] == [True] * 4

    assert [file.name for file in (root / FOLDER).iterdir() if file.name[:4] == ".new"] == []
