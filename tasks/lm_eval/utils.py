"""The functions that the tasks in this folder name as `!function utils.…`; lm-eval loads this file by its path."""

from polaris_eval.tasks.lm_eval.stories import load_docs, mean_of_known, measure, measure_and_judge, results

__all__ = ["load_docs", "mean_of_known", "measure", "measure_and_judge", "results"]
