"""Rubrics: data files, and the pure code that builds prompts from them, reads replies and computes scores."""

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
