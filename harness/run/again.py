"""Judge again the stories that an earlier run left unscored, without writing them again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from inspect_ai import score as rescore
from inspect_ai.log import EvalLog, EvalSample, read_eval_log, recompute_metrics, write_eval_log
from inspect_ai.model import Model

from ...rubrics import Rubric
from ..inspect_seam import grader_role, outside_loop
from ..scorers import KEPT, judged

BATCH = 100  # stories between two writes of the log: on a full disk, as many are paid for in vain


def judge_again(header: EvalLog, rubric: Rubric, judges: Sequence[Model]) -> int:
    """Judge the unscored stories of a log once more, in place, without writing them again.

    Returns:
        The number of stories judged again.

    Raises:
        OSError: the log could not be written, as on a full disk.
    """
    log = read_eval_log(header.location)
    samples = log.samples or []
    left = [sample for sample in samples if _unscored(sample)]
    if not left:
        return 0
    asked = " and ".join(map(str, judges))
    print(f"{len(left)} stories were left unscored last time; asking {asked} again", file=sys.stderr)
    given = log.eval.task_args
    scorer = judged(rubric.source, disqualify=bool(given.get("disqualify")), quorum=given.get("quorum"))
    roles = grader_role(judges)
    for start in range(0, len(left), BATCH):
        subset = log.model_copy(update={"samples": [_with_kept_replies(one) for one in left[start : start + BATCH]]})
        scored = outside_loop(rescore, subset, [scorer], action="overwrite", model_roles=roles, display="none")
        fresh = {(sample.id, sample.epoch): sample for sample in scored.samples or []}
        for sample in left:
            again = fresh.get((sample.id, sample.epoch))
            if again is not None and sample.scores is not None and again.scores:
                sample.scores["judged"] = again.scores["judged"]
        recompute_metrics(log)
        _write(log, header.location.removeprefix("file://"))
    return len(left)


def _write(log: EvalLog, place: str) -> None:
    """Replace a log at once, so that a stop leaves the old one or the new one."""
    if "://" in place:  # writes to a bucket are atomic
        write_eval_log(log, place, format="eval")
    else:
        whole = Path(place).with_suffix(".new")
        write_eval_log(log, str(whole), format="eval")
        whole.replace(place)


def _unscored(sample: EvalSample) -> bool:
    found = (sample.scores or {}).get("judged")
    return found is not None and (found.metadata or {}).get("status") == "unscored"


def _with_kept_replies(sample: EvalSample) -> EvalSample:
    """The sample with the replies, by judge and criterion, that could be parsed; only the others are asked again."""
    details = (sample.scores or {})["judged"].metadata or {}
    kept: dict[str, list[str | None]] = {}
    for told in details.get("members") or [details]:
        if criteria := told.get("criteria"):
            kept[told["judge"]] = [criterion["reply"] for criterion in criteria]
        elif told["status"] == "scored":
            kept[told["judge"]] = [told["replies"][-1]]
    return sample.model_copy(update={"metadata": {**(sample.metadata or {}), KEPT: kept}})
