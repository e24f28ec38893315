"""The warm start: fine-tuning on the human stories before GRPO, in the same run, continued where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

import tiny  # noqa: E402
import yaml  # noqa: E402
from click.testing import CliRunner, Result  # noqa: E402
from conftest import write_jsonl  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from polaris_eval.trainers import sft  # noqa: E402
from polaris_eval.trainers.cli.root import main  # noqa: E402
from polaris_eval.trainers.run.samples import held_out_rows  # noqa: E402

pytestmark = [pytest.mark.model, pytest.mark.slow]


def recipe(folder: Path, lora: bool, epochs: int = 6) -> Path:
    rows = [
        {"uid": f"u{i}", "prompt": f"Write of {i}.", "story": f"The ferry {i} waited. Rain fell."} for i in range(10)
    ]
    data = {
        "base": "smoke", "name": "warm", "model": str(tiny.saved(folder / "model")),
        "data": {"train": str(write_jsonl(folder / "pairs.jsonl", rows))}, "reward": {"overlong_tokens": 4},
        "sft": {"epochs": epochs, "learning_rate": 0.02, "batch": 4},
        "validation": {"prompts": 2, "every": 2}, "lora": {"r": 4, "lora_alpha": 8} if lora else None,
        "trl": {"max_completion_length": 12, "max_steps": 2, "save_steps": 2, "hri_warmup_steps": 1,
                "learning_rate": 1e-9, "per_device_train_batch_size": 8},
    }  # fmt: skip
    path = folder / "warm.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def train(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def weights(run: Path) -> dict[str, torch.Tensor]:
    (path,) = (run / "sft" / "model").glob("*model.safetensors")
    return dict(load_file(path))


@pytest.mark.parametrize("lora", [True, False])
def test_grpo_starts_from_the_fine_tuned_model(tmp_path: Path, lora: bool) -> None:
    path, run = recipe(tmp_path, lora), tmp_path / "run"
    done = train(path, "--run-dir", run)
    assert done.exit_code == 0, done.output
    assert "12 updates on the human stories first" in " ".join(done.output.split())
    losses = [json.loads(line)["loss"] for line in (run / "sft" / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 12
    assert losses[-1] < losses[0] - (0.1 if lora else 1)
    assert (run / "sft" / "curves.png").stat().st_size > 1000
    assert not list((run / "sft").glob("checkpoint-*"))
    # with a learning rate of next to nothing, GRPO's last checkpoint is still the warm start
    name = "adapter_model.safetensors" if lora else "model.safetensors"
    last, warm = load_file(run / "checkpoint-2" / name), weights(run)
    assert last.keys() == warm.keys()
    assert all(torch.allclose(last[key].float(), warm[key].float(), atol=1e-5) for key in warm)
    merged = train("merge", run)
    assert merged.exit_code == 0, merged.output
    # the same command again fine-tunes nothing
    before = (run / "sft" / "metrics.jsonl").read_bytes()
    more = train(path, "--run-dir", run, "trl.max_steps=3")
    assert more.exit_code == 0, more.output
    assert (run / "sft" / "metrics.jsonl").read_bytes() == before
    assert "step 3/3" in more.output
    assert {row["step"] for row in held_out_rows(run)} >= {0, 2, 3}


def test_a_stop_in_the_warm_start_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(tmp_path, lora=True)
    assert train(path, "--run-dir", tmp_path / "whole").exit_code == 0
    plain = sft._Log.on_log

    def killed(self: sft._Log, args: object, state: object, control: object, **more: object) -> None:
        plain(self, args, state, control, **more)
        if state.global_step == 5:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    monkeypatch.setattr(sft._Log, "on_log", killed)
    stopped = train(path, "--run-dir", tmp_path / "cut")
    assert stopped.exit_code == 1
    assert sft.warm_model(tmp_path / "cut" / "sft") is None
    monkeypatch.undo()
    again = train(path, "--run-dir", tmp_path / "cut")
    assert again.exit_code == 0, again.output
    assert "warm start, step 5/12" in again.output
    assert "warm start, step 2/12" not in again.output, "it went on from the checkpoint after step 4"
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[key], cut[key]) for key in whole)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("sft.trl.learning_rat=1", "sft.trl.learning_rat: TRL's SFTConfig has no such setting; did you mean"),
        ("sft.trl.packing=maybe", "sft.trl.packing: 'maybe' is not true or false"),
        ("sft.epochs=0", "sft.epochs: Input should be greater than 0"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path: Path, change: str, told: str) -> None:
    refused = train(recipe(tmp_path, lora=True), change, "--dry-run")
    assert refused.exit_code == 2
    assert told in refused.output.replace("\n", " ")


def test_no_story_to_start_from(tmp_path: Path) -> None:
    path = recipe(tmp_path, lora=True)
    rows = [{"uid": f"u{i}", "prompt": f"Write of {i}."} for i in range(10)]
    write_jsonl(tmp_path / "pairs.jsonl", rows)
    refused = train(path, "trl.hri_weight=0", "--dry-run")
    assert refused.exit_code == 2
    assert "sft: no row has a story to fine-tune on" in refused.output.replace("\n", " ")
