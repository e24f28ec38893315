"""What is judged: rubric files (data) and the pure code that prompts with them, reads replies and scores."""

from .base import Dimension, Evidence, Marks, ReplyError, RubricError
from .load import load_rubric, parse_rubric, rubric_names, ships
from .rubric import JudgeSettings, Rubric, fence, fenced

__all__ = [
    "Dimension",
    "Evidence",
    "JudgeSettings",
    "Marks",
    "ReplyError",
    "Rubric",
    "RubricError",
    "fence",
    "fenced",
    "load_rubric",
    "parse_rubric",
    "rubric_names",
    "ships",
]
