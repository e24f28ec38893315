"""The one judge call, and what goes with it: whom it asks, what is kept, what its quotes are worth."""

from .call import Verdict, compare, judge, judge_criteria

__all__ = ["Verdict", "compare", "judge", "judge_criteria"]
