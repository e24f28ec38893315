"""Human-reference injection for TRL's GRPO, and judging one batch while the next is written."""

from .config import MIN_GROUP, HRIConfig
from .overlap import OverlapTrainer
from .trainer import HRITrainer

__all__ = ["MIN_GROUP", "HRIConfig", "HRITrainer", "OverlapTrainer"]
