"""Everything of this package that Inspect finds by name: tasks, scorers, solvers, metrics and models.

The tasks of all benchmarks, our own and those of other packages, are created here from their records.
"""

from ..harness.benchmarks import benchmarks
from ..harness.models import polaris_eval
from ..harness.scorers import compared, judged, length_adherence, repetition, stderr, surface
from .arena import arena
from .back_translation.task import back_translate, back_translation, translated
from .benchmarks.task import benchmark_task
from .writing import paired, recorded, write

__all__ = [
    "arena",
    "back_translate",
    "back_translation",
    "compared",
    "judged",
    "length_adherence",
    "paired",
    "polaris_eval",
    "recorded",
    "repetition",
    "stderr",
    "surface",
    "translated",
    "write",
]

for _benchmark in benchmarks().values():
    benchmark_task(_benchmark)
