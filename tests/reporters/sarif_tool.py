"""Finds the SARIF Multitool, or installs it: `python tests/reporters/sarif_tool.py`.

npm puts it into `node_modules` of $PERFAUDIT_TOOLS, or of the repository where that is not set.
The binary is called directly: its npm wrapper hands `;` to a shell.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "5.7.0"
SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "win32"}


class MultitoolMissing(Exception):
    """The Multitool is not there and cannot be installed."""


def install() -> Path:
    """Return the folder of the Multitool's package, installing it where it is missing."""
    system = SYSTEMS.get(sys.platform)
    if system is None:
        raise MultitoolMissing(f"the SARIF Multitool has no package for {sys.platform}")
    name = f"@microsoft/sarif-multitool-{system}"
    folder = Path(os.environ.get("PERFAUDIT_TOOLS") or Path(__file__).parents[2])
    package = folder / "node_modules" / name
    if binary(package).exists():
        return package
    npm = shutil.which("npm")
    if npm is None:
        raise MultitoolMissing("npm is not available to install the SARIF Multitool")
    command = [npm, "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--prefix"]
    outcome = subprocess.run(
        [*command, str(folder), f"{name}@{VERSION}"], capture_output=True, text=True, check=False
    )
    if outcome.returncode or not binary(package).exists():
        raise MultitoolMissing(f"npm could not install the SARIF Multitool: {outcome.stderr}")
    binary(package).chmod(0o755)
    return package


def binary(package: Path) -> Path:
    """Return the Multitool's executable."""
    return package / ("Sarif.Multitool.exe" if sys.platform == "win32" else "Sarif.Multitool")


if __name__ == "__main__":
    print(binary(install()))
