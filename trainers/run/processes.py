"""The processes that train together, from the launcher's environment variables."""

from __future__ import annotations

import os


def rank() -> int:
    """Number of this process among those that train together."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Number of this process among those on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launched() -> bool:
    """Whether a launcher started this process, and so set the number of processes."""
    return "WORLD_SIZE" in os.environ


def signalled_twice() -> bool:
    """Whether a launcher passes on the signal that the terminal has already sent."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def quiet_tokenizers() -> None:
    """Keep tokenizers, which start threads, from warning at every fork."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
