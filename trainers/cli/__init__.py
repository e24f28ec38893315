"""The commands of `polaris-train`."""

from .root import main

__all__ = ["main"]
