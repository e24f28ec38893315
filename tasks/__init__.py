"""What is run: the benchmarks as Inspect tasks. Inspect finds everything of ours through this module."""

from ..harness.models import polaris_eval
from ..harness.scorers import judged, length_adherence, repetition, stderr
from .story_quality import story_quality
from .writing import recorded, write

__all__ = [
    "judged",
    "length_adherence",
    "polaris_eval",
    "recorded",
    "repetition",
    "stderr",
    "story_quality",
    "write",
]
