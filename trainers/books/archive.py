"""Files that are archives inside: limits on what they unpack to, and the books in a `.zip`."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from ...harness.errors import UserError

MEGABYTES = 1000  # most that a file may have, or unpack to
RATIO = 200  # most times its own size that an archive may unpack to, if that is more than a few megabytes
MEMBERS = 20_000
_SMALL = 20  # megabytes
_ENTITY = re.compile(rb"""<!ENTITY\s+(?:%\s*)?\S+\s+(?:SYSTEM|PUBLIC|["'][^"']*&[A-Za-z])""", re.IGNORECASE)
_DECLARES = (".opf", ".xml", ".rels", ".xhtml", ".html", ".htm", ".ncx")
_HEAD = 8192  # bytes in which a document type may declare entities


def most_unpacked(size: int) -> int:
    """Bytes that a file of so many bytes may unpack to."""
    return max(_SMALL * 1_000_000, RATIO * size)


def check_size(path: Path) -> None:
    """Refuse a file that is too large or unpacks to too much, and one whose XML has expanding or external entities.

    Raises:
        UserError: naming the file and the limit.
    """
    size = path.stat().st_size
    if size > MEGABYTES * 1_000_000:
        raise UserError(f"{path}: has {size / 1e6:,.0f} MB, more than {MEGABYTES:,}; split it")
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, size)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path}: is broken or locked: {error}") from None


def _check_members(path: Path, archive: zipfile.ZipFile, size: int) -> None:
    members = archive.infolist()
    whole = sum(member.file_size for member in members)
    if len(members) > MEMBERS:
        raise UserError(f"{path}: holds {len(members):,} files, more than {MEMBERS:,}")
    if whole > min(MEGABYTES * 1_000_000, most_unpacked(size)):
        raise UserError(
            f"{path}: unpacks to {whole / 1e6:,.0f} MB from {size / 1e6:,.1f}; at most {MEGABYTES:,} MB and {RATIO} "
            "times its size are read"
        )
    for member in members:
        if member.filename.lower().endswith(_DECLARES):
            with archive.open(member) as file:
                if _ENTITY.search(file.read(_HEAD)):
                    raise UserError(f"{path}: {member.filename} has expanding or external XML entities; not read")


def unpacked(path: Path, suffixes: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Yield the members of a `.zip` with one of these suffixes: the name, and a copy on disk that exists until the next
    one is requested.

    Raises:
        UserError: a broken or locked archive.
    """
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        for number, member in enumerate(sorted(archive.infolist(), key=lambda member: member.filename)):
            name = Path(member.filename)
            if member.is_dir() or name.suffix.lower() not in suffixes or name.name.startswith("."):
                continue
            copy = Path(folder) / f"{number}{name.suffix.lower()}"  # the name inside may point anywhere
            try:
                copy.write_bytes(archive.read(member))
            except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
                raise UserError(f"{path}: {member.filename} cannot be unpacked: {error}") from None
            yield member.filename, copy
            copy.unlink()
