"""A PostgreSQL server of the test's own: a new cluster, on a socket in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDERS = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin"))
NEEDED = ("initdb", "pg_ctl", "psql")


def missing() -> str:
    """Return why no server can be started here; empty where one can."""
    if os.environ.get("CI") or os.environ.get("NO_SERVERS"):
        return "starts a PostgreSQL server, which CI does not do"
    if binaries() is None:
        return "no PostgreSQL server is installed: apt-get install postgresql"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


def binaries() -> Path | None:
    """Return the folder with the programs of a server."""
    on_path = shutil.which("initdb")
    folders = [*FOLDERS, *([Path(on_path).parent] if on_path else [])]
    return next((each for each in folders if all((each / name).exists() for name in NEEDED)), None)


def _other_user() -> str | None:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


class Database:
    """A running server, asked through psql."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self.folder = folder
        self.programs = programs
        self.user = user

    def run(self, program: str, *arguments: str, text: str = "") -> str:
        """Return what a program of the server prints; what it complains of is an error."""
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            input=text,
            capture_output=True,
            encoding="utf-8",
            user=self.user,
            cwd=self.folder,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, sql: str) -> str:
        """Return what statements give, without headings."""
        where = ("-h", str(self.folder), "-U", "postgres", "-d", "postgres")
        return self.run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *where, text=sql).strip()

    def size(self, select: str) -> int:
        """Return how many bytes the rows of a SELECT take as text."""
        plain = select.strip().rstrip(";")
        return len(self.ask(f"COPY ({plain}) TO STDOUT;").encode("utf-8"))


@contextmanager
def cluster() -> Iterator[Database]:
    """Yield a new server with an empty database; it is stopped and deleted afterwards."""
    programs = binaries()
    assert programs is not None
    user = _other_user() if os.geteuid() == 0 else None
    # The path of a socket may not be longer than some hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user is not None:
        shutil.chown(folder, user)
    database = Database(folder, programs, user)
    data = str(folder / "data")
    try:
        database.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        database.run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield database
        finally:
            database.run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
