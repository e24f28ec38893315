"""Everything of ours that Inspect finds by name: tasks, scorers, solvers, metrics and models."""

from ..harness.models import polaris_eval
from ..harness.scorers import compared, judged, length_adherence, repetition, stderr
from .arena import arena
from .back_translation import back_translate, back_translation, translated
from .eqbench_creative import eqbench_creative
from .longbench_write import longbench_write
from .story_quality import eqbench_longform, story_quality
from .writing import paired, recorded, write
from .writingbench import writingbench

__all__ = [
    "arena",
    "back_translate",
    "back_translation",
    "compared",
    "eqbench_creative",
    "eqbench_longform",
    "judged",
    "length_adherence",
    "longbench_write",
    "paired",
    "polaris_eval",
    "recorded",
    "repetition",
    "stderr",
    "story_quality",
    "translated",
    "write",
    "writingbench",
]
