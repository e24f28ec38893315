"""The commands of `polaris-eval`."""

from .root import main

__all__ = ["main"]
