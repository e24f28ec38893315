"""A trained model is shared: its card with curve, datasheet and evaluation, and its upload to a hub on this machine."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

pytest.importorskip("torch", reason="needs the extra train")

import tiny
import yaml
from click.testing import CliRunner
from conftest import PROXY, Cli, stories, write_jsonl

from polaris_eval.trainers.cli.root import main

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of the tiny model on rows with a datasheet beside them."""
    data = tmp_path / "pairs"
    data.mkdir()
    rows = [{"uid": f"u{i}", "prompt": f"Write of {i}.", "story": f"The ferry {i} waited."} for i in range(8)]
    write_jsonl(data / "train.jsonl", rows)
    (data / "datasheet.md").write_text("# What the pairs are\n", encoding="utf-8")
    recipe = {
        "base": "smoke", "name": "tiny", "model": str(tiny.saved(tmp_path / "model")),
        "data": {"train": str(data / "train.jsonl")}, "reward": {"overlong_tokens": 4},
        "validation": {"prompts": 2, "every": 2},
        "trl": {"max_completion_length": 12, "max_steps": 2, "save_steps": 2, "hri_warmup_steps": 1,
                "per_device_train_batch_size": 8},
    }  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    done = CliRunner().invoke(main, [str(tmp_path / "tiny.yaml"), "--run-dir", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    return tmp_path / "run"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as an upload takes; `files` holds what was committed."""

    files: ClassVar[dict[str, bytes]] = {}
    made: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        answer: dict[str, Any] = {}
        if self.path == "/api/repos/create":
            self.made.append(json.loads(body))
            answer = {"url": f"http://{self.headers['Host']}/me/story", "name": "me/story"}
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked]
            answer = {"files": files}
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            place = f"http://{self.headers['Host']}/me/story/commit/{'0' * 40}"
            answer = {"commitUrl": place, "commitOid": "0" * 40, "success": True, "hookOutput": ""}
        self.reply(answer)

    def do_GET(self) -> None:
        self.reply({"id": "me/story", "sha": "0" * 40, "siblings": []})

    def reply(self, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Stay silent."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    for module in ("constants", "hf_api"):
        monkeypatch.setattr(
            f"huggingface_hub.{module}.ENDPOINT", f"http://127.0.0.1:{server.server_port}", raising=False
        )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test")
    yield Hub
    server.shutdown()


def test_the_card_is_filled_in_and_the_model_uploaded(run: Path, hub: type[Hub], cli: Cli, tmp_path: Path) -> None:
    model = tmp_path / "story"
    args = ["merge", str(run), "--out", str(model)]
    merged = CliRunner().invoke(main, args)
    assert merged.exit_code == 0, merged.output
    assert f"--model hf/{model} --benchmark story_quality" in merged.output
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "[datasheet.md](datasheet.md)" in card
    assert "(curves.png)" in card
    assert "Not evaluated yet" in card
    assert (model / "datasheet.md").read_text(encoding="utf-8") == "# What the pairs are\n"
    assert (model / "curves.png").stat().st_size > 1000
    written = (model / "model.safetensors").stat().st_mtime_ns
    path = write_jsonl(tmp_path / "s.jsonl", stories(6, "lab/story"))
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    shared = CliRunner().invoke(main, [*args, "--logs", str(tmp_path / "logs"), "--push", "me/story"])
    assert shared.exit_code == 0, shared.output
    assert "uploaded to http://127.0.0.1:" in shared.output
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "| lab/story |" in card
    assert "PROXY judge" in card
    assert (model / "model.safetensors").stat().st_mtime_ns == written, "only the card is written again"
    made = hub.made[0]
    assert made.get("private") is True or made.get("visibility") == "private", made
    assert hub.files["README.md"].decode() == card
    assert hub.files["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert {"recipe.yaml", "datasheet.md", "curves.png", "tokenizer.json"} <= hub.files.keys()


def test_an_upload_that_fails_is_one_line(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    refused = CliRunner().invoke(main, ["merge", str(run), "--out", str(tmp_path / "m"), "--push", "me/story"])
    assert refused.exit_code == 2
    assert "me/story: not uploaded: " in refused.output
    assert "Traceback" not in refused.output
