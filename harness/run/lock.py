"""One run at a time per folder: two would pay twice, and write the same stories twice."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError

LOCK = ".polaris-eval.lock"  # its text is the number of the process that holds it, or held it last


@contextmanager
def only_run(folder: Path | str, option: str) -> Iterator[None]:
    """Hold a folder within the `with` block; the system frees it if the process is killed. Nested blocks are fine.

    Remote folders (s3://…) are not held. `option` names the command-line option that chooses another folder.

    Raises:
        UserError: another process holds the folder.
    """
    if "://" in str(folder):
        yield
        return
    place = Path(folder) / LOCK
    lock = FileLock(place, timeout=0, is_singleton=True)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        holder = place.read_text(encoding="utf-8", errors="replace").strip()
        by = f"process {holder}" if holder.isdecimal() else "another process"
        raise UserError(f"{folder} is in use by {by}: wait until it has ended, or choose another {option}") from None
    except (OSError, NotImplementedError) as error:
        why = getattr(error, "strerror", None) or error
        print(f"{folder} cannot be locked ({why}): make sure that no other run uses it", file=sys.stderr)
        yield
        return
    try:
        place.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        lock.release()
