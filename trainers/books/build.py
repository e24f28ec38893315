"""`pairs build`: sources, review, back-translation and output, in one folder; a build can be stopped and resumed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.errors import UserError
from .exclude import EXCLUDED, Excluded, read_excluded
from .filters import Rules
from .near import Near
from .review import apply_review, write_review
from .sources import Candidate, Examined, examine_all, find_files, free

BUILD, STORIES, REVIEW = "build.json", "stories.jsonl", "review.csv"
TWIN = "near-duplicate of: "
Progress = Callable[[Iterable[Examined], int], Iterable[Examined]]


@dataclass(frozen=True)
class Request:
    """What a user asked to build. `licences` are declared by book, with "" for all others."""

    sources: tuple[Path, ...]
    out: Path
    rules: Rules
    exclude: tuple[Path, ...] = ()
    test_prompts: bool = True
    licences: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """The pieces of all sources after the filters and the review file, and notes about them."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    unreadable: tuple[str, ...]
    edited: bool

    @property
    def kept(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate.reason is None]

    def drops(self) -> dict[str, int]:
        """Count pieces by reason, most frequent first; all near-duplicates have one reason."""
        reasons = Counter(reason_kind(c.reason) for c in self.candidates if c.reason is not None)
        return dict(reasons.most_common())


def reason_kind(reason: str) -> str:
    """Return a reason without its piece-specific part."""
    return reason.partition(" of: ")[0]


def collect(request: Request, progress: Progress) -> tuple[Found, Excluded]:
    """Read, cut, filter and compare all sources; or resume an earlier call, with the review file as it is.

    Raises:
        UserError: nothing to read, a folder that is not a build or was built from something else, or a review file that
            cannot be read.
    """
    files = find_files(request.sources, request.out)
    excluded = read_excluded(request.exclude, request.test_prompts)
    asked = _asked(request, files)
    known = _known(request.out, asked)
    if known is None:
        _begin(request.out, asked)
        known = _read(request, files, excluded, progress)
        _save(request.out, asked, known)
    notes, unreadable = tuple(known["notes"]), tuple(known["unreadable"])
    automatic = known["candidates"]
    review = request.out / REVIEW
    if not review.is_file():
        write_review(review, automatic)
    candidates = apply_review(review, automatic)
    if wrong := not_to_be_kept(automatic, {c.id for c in candidates if c.reason is None}):
        raise UserError(f"{review}: {wrong}")
    declared = request.licences
    candidates = [
        dataclasses.replace(c, licence=declared.get(c.book) or declared.get("") or c.licence) for c in candidates
    ]
    edited = any(a.reason != b.reason or a.title != b.title for a, b in zip(automatic, candidates, strict=True))
    return Found(tuple(candidates), notes, unreadable, edited), excluded


def _read(request: Request, files: dict[str, Path], excluded: Excluded, progress: Progress) -> dict[str, Any]:
    examined = examine_all(files, request.rules, lambda found: progress(found, len(files)))
    unreadable = [one.error for one in examined if one.error]
    if len(unreadable) == len(examined):
        more = f" (and {len(unreadable) - 1} more)" if len(unreadable) > 1 else ""
        raise UserError(f"{unreadable[0]}{more}")
    pieces: dict[str, _Piece] = {}
    for one in examined:
        for candidate, sketched, worth in zip(one.candidates, one.sketches, one.worths, strict=True):
            key = free(candidate.id, pieces)  # two files of rows may have the same books and titles
            pieces[key] = _Piece(dataclasses.replace(candidate, id=key), sketched, worth)
    reasons = _near_reasons(pieces, excluded)
    candidates = {key: dataclasses.replace(one.candidate, reason=reasons[key]) for key, one in pieces.items()}
    notes = [note for one in examined for note in one.notes]
    return {"candidates": list(candidates.values()), "notes": notes, "unreadable": unreadable}


@dataclass(frozen=True)
class _Piece:
    candidate: Candidate
    sketched: Any
    worth: float


def _near_reasons(pieces: Mapping[str, _Piece], excluded: Excluded) -> dict[str, str | None]:
    """Return why each piece is dropped, now that all are known.

    Of near-duplicates the longest and cleanest is kept, whichever was read first; if that one is too long, its parts
    are dropped too.
    """
    reasons = {key: one.candidate.reason for key, one in pieces.items()}
    near = Near()
    for key, one in sorted(pieces.items(), key=lambda item: -item[1].worth):
        if one.sketched is None:
            continue
        twin = near.find(one.sketched)
        if twin is None:
            near.add(key, one.sketched)
        if one.candidate.reason is None:
            reasons[key] = f"{TWIN}{twin}" if twin else excluded.story(one.sketched, one.candidate.text)
    return reasons


def not_to_be_kept(automatic: Sequence[Candidate], kept: Collection[str]) -> str | None:
    """Say what must not be kept, even by hand: both of two near-duplicates, or an excluded text.

    None if all is well; `kept` are the ids of the pieces to keep.
    """
    for candidate in automatic:
        if candidate.id not in kept or candidate.reason is None:
            continue
        if candidate.reason.startswith(EXCLUDED):
            return f"{candidate.id} cannot be kept: it is {candidate.reason}, which must not be trained on"
        twin = candidate.reason.removeprefix(TWIN)
        if candidate.reason.startswith(TWIN) and twin in kept:
            return f"{candidate.id} and {twin} are nearly the same; keep one of them"
    return None


def read_build(folder: Path) -> list[Candidate]:
    """Return the pieces of a finished build, as filtered.

    Raises:
        UserError: no build in the folder, or one that was not finished.
    """
    try:
        whole = json.loads((folder / BUILD).read_text(encoding="utf-8"))["whole"]
        lines = (folder / STORIES).read_text(encoding="utf-8").splitlines() if whole else []
    except (OSError, ValueError, KeyError, TypeError):
        whole, lines = False, []
    if not whole:
        raise UserError(f"{folder}: holds no finished build; make one with polaris-train pairs build")
    return [Candidate(**json.loads(line)) for line in lines]


def _asked(request: Request, files: dict[str, Path]) -> dict[str, Any]:
    """What the pieces depend on, as plain data."""
    return {
        "sources": {book: _digest(path) for book, path in files.items()},
        "rules": dataclasses.asdict(request.rules),
        "exclude": [_digest(path) if path.is_file() else str(path) for path in request.exclude],
        "test_prompts": request.test_prompts,
    }  # fmt: skip


def _digest(path: Path) -> str:
    """Hash the content of a file, or of all files of a saved dataset."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _known(folder: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    path = folder / BUILD
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder}: exists, and holds no build ({BUILD}); name another folder with --out")
        return None
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if not saved["whole"]:
            return None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: cannot be read; name another folder with --out, or delete this one") from None
    changed = [name for name in asked if saved["asked"].get(name) != asked[name]]
    if changed:
        raise UserError(
            f"{folder} was built with other {' and '.join(changed).replace('_', ' ')}; name another folder with --out, "
            f"or delete this one (edits in {REVIEW} are lost with it)"
        )
    lines = (folder / STORIES).read_text(encoding="utf-8").splitlines()
    return {**saved, "candidates": [Candidate(**json.loads(line)) for line in lines]}


def _begin(folder: Path, asked: dict[str, Any]) -> None:
    """Mark a folder as a build, before writing anything else to it."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / BUILD, {"asked": asked, "whole": False})


def _save(folder: Path, asked: dict[str, Any], known: dict[str, Any]) -> None:
    (folder / REVIEW).unlink(missing_ok=True)
    write_lines(folder / STORIES, [dataclasses.asdict(candidate) for candidate in known["candidates"]])
    saved = {"asked": asked, "whole": True, "notes": known["notes"], "unreadable": known["unreadable"]}
    _write_json(folder / BUILD, saved)  # last, when everything else is written


def _write_json(path: Path, content: dict[str, Any]) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write JSONL atomically. Line ends inside texts are escaped, so each line is one row."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    unfinished.replace(path)
