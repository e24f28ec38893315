"""The judge call and what goes with it: choosing judges, keeping replies, checking quotes."""

from .call import Verdict, compare, judge, judge_criteria

__all__ = ["Verdict", "compare", "judge", "judge_criteria"]
