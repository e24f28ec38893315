"""The command that adds an extra fits how the package was installed."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from polaris_eval.harness import errors

HERE = "CLONE"


@pytest.mark.parametrize(
    ("origin", "asked"),
    [
        (None, '"polaris-eval[vllm]"'),
        ({"url": "file://CLONE", "dir_info": {"editable": True}}, '-e "CLONE[vllm]"'),
        ({"url": "file://CLONE", "dir_info": {}}, '"CLONE[vllm]"'),
        ({"url": "file:///gone/for/good", "dir_info": {}}, '"polaris-eval[vllm]"'),
        (
            {"url": "https://host/p.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            '"polaris-eval[vllm] @ git+https://host/p.git@abc"',
        ),
        ({"url": "https://host/p-1.whl", "archive_info": {}}, '"polaris-eval[vllm] @ https://host/p-1.whl"'),
    ],
)
def test_the_command_that_adds_an_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: dict[str, Any] | None, asked: str
) -> None:
    clone = tmp_path / "my clone"
    (clone / "x.dist-info").mkdir(parents=True)
    if origin is not None:
        origin = {**origin, "url": origin["url"].replace(HERE, str(clone).replace(" ", "%20"))}
        (clone / "x.dist-info" / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    found = [metadata.PathDistribution(tmp_path / "hides.egg-info"), metadata.PathDistribution(clone / "x.dist-info")]
    monkeypatch.setattr(errors, "distributions", lambda name: iter(found))
    command = errors.install_command("vllm")
    assert command.endswith(f" {asked.replace(HERE, str(clone))}")
    assert command.startswith((sys.executable, "uv pip install --python"))
    assert command in str(errors.need_extra("vllm", "vllm"))
