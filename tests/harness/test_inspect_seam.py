"""A canary: what we use of Inspect's private parts is still there and does what we think. Raise the bound with it."""

from __future__ import annotations

import ast
import errno
import functools
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import PROXY, ROOT, stories, write_jsonl
from inspect_ai import eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageSystem, ChatMessageUser, ModelOutput, get_model

from polaris_eval.harness import inspect_seam
from polaris_eval.harness.errors import UserError

PARTS = ("harness", "rubrics", "tasks", "trainers")


def test_private_parts_are_used_in_one_module_only() -> None:
    found = []
    for path in sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(re.match(r"inspect_ai(\.\w+)*\._", name) for name in names):
                found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == {"harness/inspect_seam.py"}


def test_a_task_is_made_by_name_and_finds_its_judge() -> None:
    judge = get_model("polaris_eval/lexical", memoize=False)
    task = inspect_seam.create_task("polaris_eval/story_quality", [judge])
    assert len(task.dataset) == 36
    parameters = inspect.signature(inspect_seam.task_create).parameters
    assert next(iter(parameters)) == "name"
    assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    with pytest.raises(inspect_seam.PrerequisiteError, match="nope"):
        inspect_seam.create_task("polaris_eval/nope")


def test_our_errors_are_shown_by_inspect_as_one_line() -> None:
    assert issubclass(UserError, inspect_seam.PrerequisiteError)
    assert str(UserError("a [b] c")) == "a [b] c"


def test_files_here_and_far_away(tmp_path: Path) -> None:
    path = tmp_path / "x.eval"
    path.write_bytes(b"12345")
    place, size, changed = inspect_seam.file_state(str(path))
    assert (place, size) == (str(path), 5)
    assert changed == pytest.approx(path.stat().st_mtime * 1000, rel=1e-6) or changed == pytest.approx(
        path.stat().st_mtime, rel=1e-6
    )
    assert inspect_seam.storage(str(tmp_path)).isdir(str(tmp_path))
    assert inspect_seam.storage("memory://x").protocol == "memory"
    with pytest.raises(OSError, match="gone"):
        inspect_seam.file_state(str(tmp_path / "gone"))


def test_texts_and_cuts() -> None:
    assert inspect_seam.prompt_text(Sample(input="write")) == "write"
    messages = [ChatMessageSystem(content="be brief"), ChatMessageUser(content="write")]
    assert inspect_seam.prompt_text(Sample(input=messages)) == "write"
    assert inspect_seam.is_cut(ModelOutput.from_content("m", "x", stop_reason="max_tokens"))
    assert inspect_seam.is_cut(ModelOutput.from_content("m", "x", stop_reason="model_length"))
    assert not inspect_seam.is_cut(ModelOutput.from_content("m", "x"))


@pytest.mark.slow
def test_a_run_imports_and_starts_nothing_for_agents(tmp_path: Path) -> None:
    """In a process of its own: what Inspect has for agents takes longer to import than a few stories to judge."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    script = (
        "import sys\n"
        "from polaris_eval.harness.cli import main\n"
        f"sys.argv = ['polaris-eval', 'run', '--stories', {str(path)!r}, '--judge', {PROXY!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(*sorted({'acp', 'anthropic', 'uvicorn', 'inspect_evals', 'scipy.stats'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""


def test_metrics_are_the_same_with_shared_copies(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(3))

    def results(run: Any, where: str) -> Any:
        task = inspect_seam.create_task("polaris_eval/story_quality", [get_model(PROXY)], stories=str(path))
        (log,) = run(
            task, model=None, model_roles={"grader": PROXY}, epochs=2, log_dir=str(tmp_path / where), display="none"
        )
        assert log.status == "success", log.error
        return [score.model_dump() for score in log.results.scores], [r.model_dump() for r in log.reductions]

    plain = results(eval, "plain")
    assert results(functools.partial(inspect_seam.run_inspect, eval), "shared") == plain
    assert len(plain[0]) > 20
    assert inspect_seam.deepcopy is sys.modules[inspect_seam.eval_results.__module__].deepcopy


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))

    async def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(inspect_seam.TaskLogger, "complete_sample", full)
    task = inspect_seam.create_task("polaris_eval/story_quality", [get_model(PROXY)], stories=str(path))
    logs = inspect_seam.run_inspect(
        eval, task, model=None, model_roles={"grader": PROXY}, log_dir=str(tmp_path / "logs"), display="none"
    )
    with pytest.raises(OSError, match="logs") as raised:
        inspect_seam.check_written(logs, "logs")
    assert raised.value.errno == errno.ENOSPC


def test_what_is_switched_off_for_a_run_is_there_again_after_it() -> None:
    server, anthropic = "inspect_ai.agent._acp.server", inspect_seam._assistant_internal._HAS_ANTHROPIC
    before = sys.modules.get(server)

    def seen() -> tuple[bool, bool]:
        return inspect_seam._acp_live_active.get(), hasattr(sys.modules[server], "acp_server")

    assert inspect_seam.run_inspect(lambda **_: seen()) == (True, True)
    assert sys.modules.get(server) is before
    assert (inspect_seam._assistant_internal._HAS_ANTHROPIC, inspect_seam._acp_live_active.get()) == (anthropic, False)
