"""Everything of ours that Inspect finds by name: tasks, scorers, solvers, metrics and models."""

from ..harness.models import polaris_eval
from ..harness.scorers import judged, length_adherence, repetition, stderr
from .eqbench_creative import eqbench_creative
from .longbench_write import longbench_write
from .story_quality import eqbench_longform, story_quality
from .writing import recorded, write
from .writingbench import writingbench

__all__ = [
    "eqbench_creative",
    "eqbench_longform",
    "judged",
    "length_adherence",
    "longbench_write",
    "polaris_eval",
    "recorded",
    "repetition",
    "stderr",
    "story_quality",
    "write",
    "writingbench",
]
