"""Load and validate rubric files."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from .base import RubricError
from .rubric import PLACEHOLDER, Rubric


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, count in Counter(map(str, keys)).items():
            if count > 1:
                raise RubricError(f"line {node.start_mark.line + 1}: the key {key!r} is given twice")
        return super().construct_mapping(node, deep)


def parse_rubric(text: str, source: str) -> Rubric:
    """Validate the text of a rubric file; `source` is stored, and named in errors.

    Raises:
        RubricError: one line that names the source and the key.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)
        if not isinstance(content, dict):
            raise ValueError("expected a mapping at the top")
        found = {"source": source, "text": text, "digest": hashlib.sha256(text.encode()).hexdigest()}
        for key in found.keys() & content.keys():
            raise ValueError(f"{key}: is derived from the file and must not be set in it")
        rubric = Rubric.model_validate({**content, **found})
        _check(rubric)
    except ValidationError as error:
        raise RubricError(f"{source}: {'; '.join(_complaints(error))}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise RubricError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    except ValueError as error:
        raise RubricError(f"{source}: {error}") from None
    return rubric


@functools.cache
def rubric_names() -> list[str]:
    """Return the names of the built-in rubrics."""
    return sorted(p.name.removesuffix(".yaml") for p in files(__package__).iterdir() if p.name.endswith(".yaml"))


def load_rubric(source: str) -> Rubric:
    """Load a built-in rubric by name, or one of your own by the path of its file (`.yaml`).

    Raises:
        RubricError: unknown rubric (the message lists the names), or a file that fails validation.
    """
    if source in rubric_names():
        path = Path(str(files(__package__) / f"{source}.yaml"))
    else:
        path = Path(source).absolute()
        if path.suffix not in (".yaml", ".yml"):
            raise RubricError(
                f"unknown rubric {source!r}; known: {', '.join(rubric_names())}, or the path of a .yaml file"
            )
        source = str(path)
    try:
        state = path.stat()
    except OSError as error:
        raise RubricError(f"{path}: {error.strerror}") from None
    return _load(path, source, state.st_mtime_ns, state.st_size)


def ships(name: str, digest: str) -> bool:
    """Whether this name and digest are those of a built-in rubric."""
    return name in rubric_names() and load_rubric(name).digest == digest


@functools.cache
def _load(path: Path, source: str, changed: int, size: int) -> Rubric:
    """Load the rubric; it is read again only if its file has changed."""
    try:
        return parse_rubric(path.read_bytes().decode(), source)
    except OSError as error:
        raise RubricError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RubricError(f"{path}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None


def _check(rubric: Rubric) -> None:
    for key in ("id", "name"):
        for value, count in Counter(getattr(d, key) for d in rubric.dimensions).items():
            if count > 1:
                raise ValueError(f"dimensions: the {key} {value!r} is given twice")
    rubric.rule.check(rubric.dimensions)
    for name in (d.id for d in rubric.dimensions) if rubric.pairs or not rubric.slots else ():
        if "a" <= name[:1] <= "z":  # like the tables' own columns, next to which the marks are shown
            raise ValueError(f"dimensions: {name!r} begins with a lower-case letter; write {name.capitalize()!r}")
    scores = (*rubric.score_names, *(("s_l", "combined") if rubric.length_score else ()))
    for name in (*rubric.side, rubric.published):
        if name not in scores:
            raise ValueError(f"side, published: no score {name!r}; known: {', '.join(scores)}")
    texts = {
        "system": {"dimensions", *rubric.rule.texts(rubric.dimensions)},
        "user": {"prompt", "story", "fence", *rubric.slots},
        "retry": {"complaint"},
    }
    for part, known in texts.items():
        used = set(PLACEHOLDER.findall(getattr(rubric.prompt, part)))
        if used != known:
            raise ValueError(f"prompt.{part}: placeholder {sorted(used ^ known)[0]!r} is unknown or unused")
    for line in (
        f"<<<{end}{what} {{{{fence}}}}>>>" for what in ("PROMPT", *rubric.rule.stories) for end in ("", "END ")
    ):
        if line not in rubric.prompt.user.splitlines():
            raise ValueError(f"prompt.user: the line {line} is missing")


def _complaints(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        yield f"{where}: {item['msg'].removeprefix('Value error, ')}"
