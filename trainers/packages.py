"""Check that the packages for training are installed, without importing them."""

from __future__ import annotations

import importlib.util

from ..harness.errors import need_extra


def check_packages() -> None:
    """Raise UserError with the pip command if a package for training is not installed."""
    for name in ("torch", "trl", "peft", "gguf", "matplotlib"):
        if importlib.util.find_spec(name) is None:
            raise need_extra(name, "train")
