"""Whether the packages that training needs are installed. Imports none of them."""

from __future__ import annotations

import importlib.util

from ..harness.errors import need_extra


def check_packages() -> None:
    """Refuse with the pip command where what training needs is not installed."""
    for name in ("torch", "trl", "peft", "gguf", "matplotlib"):
        if importlib.util.find_spec(name) is None:
            raise need_extra(name, "train")
