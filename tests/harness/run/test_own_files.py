"""A rubric and prompts of one's own, as files, wherever a rubric or a prompt set is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROSE, PROXY, Cli, frame, one_line, stories, write_jsonl
from inspect_ai import Task
from inspect_ai import eval as inspect_eval
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from loopback import serve, well_behaved

from polaris_eval.rubrics import load_rubric

WRITER = "openai-api/loop/writer"
PROMPTS = [
    {"id": "a", "prompt": "Write of a ferry.", "target_words": 200, "category": "sea", "metadata": {"mine": 1}},
    {"id": 2, "prompt": "Write of a lamp. It should be approximately 300 words long."},
    {"id": "c", "prompt": "Write of a key."},
]


@pytest.fixture
def mine(cli: Cli, tmp_path: Path) -> Path:
    """A rubric file as `new rubric` writes it."""
    assert cli("new", "rubric", "mine").returncode == 0
    return tmp_path / "mine.yaml"


@pytest.fixture
def server() -> Iterator[Any]:
    with serve(lambda n, system, user: well_behaved(system, user)) as found:
        yield found


def env_of(server: Any) -> dict[str, str]:
    return {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}


def sections(tmp_path: Path) -> list[dict[str, Any]]:
    text = (tmp_path / "results" / "leaderboard.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["sections"]
    return found


def test_stories_for_prompts_of_ones_own_on_a_rubric_of_ones_own(
    cli: Cli, tmp_path: Path, mine: Path, server: Any
) -> None:
    """Written, judged, priced, shown, continued; also where the rubric's file is gone by then."""
    write_jsonl(tmp_path / "official.jsonl", PROMPTS)
    asked = ["--model", WRITER, "--prompts", "official.jsonl", "--rubric", "mine.yaml", "--judge", PROXY]
    planned = cli("plan", *asked, "--json", **env_of(server))
    assert planned.returncode == 0, planned.stderr
    assert [(r["benchmark"], r["role"], r["calls"]) for r in json.loads(planned.stdout)["rows"]] == [
        ("story_quality", "writer", 3), ("story_quality", "judge", 3),
    ]  # fmt: skip
    done = cli("run", *asked, **env_of(server))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(server.requests) == 3
    prompts = {body["messages"][-1]["content"] for body in server.bodies}
    assert "Write of a ferry.\n\nThe story should be approximately 200 words long." in prompts
    assert cli("run", *asked, **env_of(server)).returncode == 0
    assert len(server.requests) == 3, "nothing is written twice"
    log = read_eval_log(str(next((tmp_path / "logs").glob("*.eval"))))
    stamped = log.eval.metadata or {}
    assert stamped["prompts"] == "file official.jsonl"
    assert (stamped["rubric"], stamped["rubric_digest"]) == ("mine", load_rubric(str(mine)).digest)
    first = next(sample for sample in log.samples or [] if sample.id == "a")
    assert (first.metadata["target_words"], first.metadata["category"], first.metadata["given"]) == (
        200, "sea", {"mine": 1},
    )  # fmt: skip
    mine.unlink()
    board = cli("leaderboard", "logs", "--details", "--with-published")
    assert board.returncode == 0, board.stderr
    (section,) = sections(tmp_path)
    assert section["title"] == "My rubric mine (benchmark Story Quality)"
    assert section["rubric"] == f"mine {stamped['rubric_digest'][:8]}"
    assert section["prompts"].startswith("file official.jsonl (")
    assert {"Engagement", "Prose", "Ending", "Padding"} <= set(frame(tmp_path))
    assert section["rows"][0]["criteria"] == {}, "a proxy's criteria are one number on a ramp"
    assert section["published"] == [], "another rubric's published numbers are no company for these"
    assert set(frame(tmp_path)["rubric"]) == {"mine"}
    assert cli("report", "logs").returncode == 0
    index = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "My rubric mine" in index
    assert all("Engagement: " in page.read_text() for page in (tmp_path / "report" / "prompts").iterdir())


def test_a_changed_rubric_never_has_the_stories_written_again(
    cli: Cli, tmp_path: Path, mine: Path, server: Any
) -> None:
    asked = ["--model", WRITER, "--judge", PROXY, "--benchmark", "story_quality", "--limit", 2]
    assert cli("run", *asked, **env_of(server)).returncode == 0
    assert len(server.requests) == 2
    refused = one_line(cli("run", *asked, "--rubric", "mine.yaml", **env_of(server)))
    assert "judged by polaris_eval/lexical on the rubric story_quality" in refused
    words = refused.split("polaris-eval score ")[1].split()
    assert words[-4:-2] == ["--rubric", "mine.yaml"]
    assert cli("score", *words[:-1], "second").returncode == 0
    assert len(server.requests) == 2
    assert cli("leaderboard", "logs", "second").returncode == 0
    one, other = sections(tmp_path)
    assert {one["title"], other["title"]} == {"Story Quality", "My rubric mine (benchmark Story Quality)"}
    assert any("differ in rubric file" in note for note in one["notes"])
    assert any(section["prompts"].startswith("mini (") for section in (one, other))


@pytest.mark.parametrize("given", ["--rubric", "--prompts", "--stories"])
def test_the_same_file_under_another_path_is_not_paid_for_again(
    cli: Cli, tmp_path: Path, mine: Path, server: Any, given: str
) -> None:
    write_jsonl(tmp_path / "p.jsonl", PROMPTS)
    write_jsonl(tmp_path / "s.jsonl", stories(2))
    name = {"--rubric": "mine.yaml", "--prompts": "p.jsonl", "--stories": "s.jsonl"}[given]
    asked = ["--judge", PROXY, *(() if given == "--stories" else ("--model", WRITER, "--limit", 2))]
    assert cli("run", *asked, given, name, **env_of(server)).returncode == 0
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / name).write_bytes((tmp_path / name).read_bytes())
    calls = len(server.requests)
    refused = one_line(cli("run", *asked, given, f"sub/{name}", **env_of(server)))
    assert f"name the file as before ({given} {tmp_path / name})" in refused
    assert cli("run", *asked, given, name, **env_of(server)).returncode == 0
    assert len(server.requests) == calls


def test_a_copy_of_the_benchmarks_own_rubric_is_that_rubric(cli: Cli, tmp_path: Path, server: Any) -> None:
    (tmp_path / "same.yaml").write_text(load_rubric("story_quality").text, encoding="utf-8")
    asked = ["--model", WRITER, "--judge", PROXY, "--benchmark", "story_quality", "--limit", 2]
    for more in ((), ("--rubric", "same.yaml"), ("--rubric", "story_quality")):
        assert cli("run", *asked, *more, **env_of(server)).returncode == 0
    assert len(server.requests) == 2
    assert cli("leaderboard", "logs").returncode == 0
    (section,) = sections(tmp_path)
    assert (section["title"], section["rows"][0]["stories"]) == ("Story Quality", 2)


def test_a_log_of_somebody_else_in_the_folder_is_no_hindrance(cli: Cli, tmp_path: Path) -> None:
    task = Task(dataset=[Sample(input="x")], model="mockllm/model", name="other")
    inspect_eval(task, log_dir=str(tmp_path / "logs"), display="none")
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    done = cli("run", "--stories", path, "--judge", PROXY)
    assert done.returncode == 0, done.stderr


def test_published_numbers_stand_beside_their_own_benchmark_alone(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    two = ["--benchmark", "story_quality", "--benchmark", "eqbench_longform"]
    assert cli("run", "--stories", path, "--judge", PROXY, "--rubric", "story_quality", *two).returncode == 0
    assert cli("leaderboard", "logs", "--with-published").returncode == 0
    own, other = sections(tmp_path)
    assert own["published"]
    assert not other["published"]
    assert (own["title"], other["title"]) == ("Story Quality", "Story Quality (benchmark LongForm in one go)")


def test_a_folder_does_not_pass_for_the_official_prompts(cli: Cli, tmp_path: Path, server: Any) -> None:
    folder = tmp_path / "rishanthrajendhran" / "POLARIS"
    folder.mkdir(parents=True)
    row = {"uid": "u", "prompt": "Tale. It should be approximately 200 words long.", "target_word_count": 200}
    write_jsonl(folder / "test.jsonl", [row])
    asked = ["--model", WRITER, "--judge", PROXY, "--benchmark", "story_quality", "--prompts", "official"]
    assert "would be read as the official prompts" in one_line(cli("run", *asked, **env_of(server)))


def test_a_file_that_passes_for_another_rubric_is_told_from_it(cli: Cli, tmp_path: Path) -> None:
    """The same name and title, other bytes: a table of its own, no published numbers, and a note."""
    text = load_rubric("story_quality").text
    (tmp_path / "story_quality.yaml").write_text(text + "\n# mine\n", encoding="utf-8")
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    copy = ["--rubric", "story_quality.yaml", "--log-dir", "copy"]
    assert cli("run", "--stories", path, "--judge", PROXY, *copy).returncode == 0
    assert cli("leaderboard", "logs", "copy", "--with-published").returncode == 0
    one, other = sections(tmp_path)
    assert one["rubric"] != other["rubric"]
    assert sorted(len(section["published"]) > 0 for section in (one, other)) == [False, True]
    assert sum(any("another version of the rubric" in n for n in section["notes"]) for section in (one, other)) == 1


def test_the_official_prompts_from_a_folder_are_named_a_copy(cli: Cli, tmp_path: Path, server: Any) -> None:
    (tmp_path / "POLARIS").mkdir()
    row = {"uid": "u", "prompt": "Tale. It should be approximately 200 words long.", "target_word_count": 200}
    write_jsonl(tmp_path / "POLARIS" / "test.jsonl", [row])
    asked = ["--model", WRITER, "--judge", PROXY, "--benchmark", "story_quality", "--prompts", "official"]
    done = cli("run", *asked, "--data-dir", tmp_path, **env_of(server))
    assert done.returncode == 0, done.stderr
    log = read_eval_log(str(next((tmp_path / "logs").glob("*.eval"))), header_only=True)
    assert (log.eval.metadata or {})["prompts"] == "copy of official/test"


def test_judge_check_and_arena_take_a_rubric_of_ones_own(cli: Cli, tmp_path: Path, mine: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(3))
    check = ["judge-check", path, "--judge", PROXY, "--limit", 3, "--repeats", 2, "--rubric", "mine.yaml"]
    done = cli(*check)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results" / "judge-check.json").read_text(encoding="utf-8"))
    assert found["rubric"] == f"mine {load_rubric(str(mine)).digest[:8]}"
    assert f"story_quality on the rubric {found['rubric']}" in done.stdout
    assert set(found["judges"][PROXY]["clustering"]) == {"Engagement", "Prose", "Ending", "Padding"}
    text = (
        load_rubric("pairwise")
        .text.replace("name: Coherence,", "name: Sense,")
        .replace("name: pairwise\n", "name: duel\n", 1)
    )
    (tmp_path / "duel.yaml").write_text(text, encoding="utf-8")
    both = write_jsonl(tmp_path / "two.jsonl", stories(3) + stories(3, model="other"))
    played = cli("arena", both, "--judge", PROXY, "--rubric", "duel.yaml")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "rubric duel " in played.stdout
    (standings,) = json.loads((tmp_path / "results" / "arena.json").read_text(encoding="utf-8"))["sections"]
    assert "Sense" in standings["rows"][0]["criteria"]
    (tmp_path / "duel.yaml").unlink()
    assert cli("leaderboard", "arena").returncode == 0
    refused = one_line(cli("arena", both, "--judge", PROXY))
    assert "is an arena with rubric" in refused


def test_a_rubrics_judge_may_be_of_any_provider(cli: Cli, tmp_path: Path, mine: Path) -> None:
    """Its provider says itself what it lacks; for those that we know, the variable is named before anything is done."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    for model, says in (
        ("openai-api/lab/judge", "LAB_API_KEY"),
        ("mistral/large", "mistral"),
        ("openai/gpt-5.4-mini", "which needs OPENAI_API_KEY"),
    ):
        mine.write_text(mine.read_text().replace("model: openai/gpt-5.4-mini", f"model: {model}"))
        assert says in one_line(cli("run", "--stories", path, "--rubric", "mine.yaml"))
        mine.write_text(mine.read_text().replace(f"model: {model}", "model: openai/gpt-5.4-mini"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("max: 10", "max: ten"), "mine.yaml: dimensions.0.max"),
        (("name: mine\n", "name: mine\nname: yours\n"), "the key 'name' is given twice"),
        (("    {{story}}\n", "    the story\n"), "prompt.user: placeholder 'story' is unknown or unused"),
        (("version: 1", "version: 1\ndigest: x"), "digest: is derived from the file"),
        (("name: mine", "name: [mine"), "not YAML"),
        (("name: mine", "name: " + "[" * 5000), "not YAML"),
        (("name: mine", "name: my rubric"), "name: "),
        (("title: My rubric", 'title: "two\\nlines'), "mine.yaml"),
        (("name: Prose", "name: score"), "'score' begins with a lower-case letter; write 'Score'"),
        (("name: Prose", "name: prompt_id"), "'prompt_id' begins with a lower-case letter"),
    ],
)
def test_a_broken_rubric_is_one_line(cli: Cli, tmp_path: Path, mine: Path, change: tuple[str, str], says: str) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    assert change[0] in mine.read_text()
    mine.write_text(mine.read_text().replace(*change, 1))
    said = one_line(cli("run", "--stories", path, "--judge", PROXY, "--rubric", "mine.yaml"))
    assert says in said
    assert "mine.yaml" in said


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["run", "--rubric", "gone.yaml"], "gone.yaml: No such file"),
        (["run", "--rubric", "nope"], "unknown rubric 'nope'; known: eqbench_creative"),
        (["run", "--rubric", "pairwise"], "compares two stories: it is for polaris-eval arena"),
        (["run", "--rubric", "writingbench"], "is asked once per criterion (criterion, description, bands)"),
        (["run", "--rubric", "eqbench_longform", "--disqualify"], "--disqualify does not apply"),
        (["judge-check", "--rubric", "gone.yaml"], "gone.yaml: No such file"),
        (["plan", "--rubric", "gone.yaml"], "gone.yaml: No such file"),
    ],
)
def test_a_rubric_that_cannot_be_used_is_one_line(cli: Cli, tmp_path: Path, args: list[str], says: str) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2))
    source = [path] if args[0] == "judge-check" else ["--stories", path]
    assert says in one_line(cli(args[0], *source, "--judge", PROXY, *args[1:]))


def test_an_arena_needs_a_rubric_that_compares(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(2) + stories(2, model="other"))
    said = one_line(cli("arena", path, "--judge", PROXY, "--rubric", "story_quality"))
    assert "needs one that compares two" in said


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"prompt": "x"}, "line 2: missing id"),
        ({"id": "b"}, "line 2: missing prompt"),
        ({"id": "a", "prompt": "x"}, "line 2: the id 'a' was given before"),
        ({"id": "b", "prompt": "  "}, "line 2: the prompt is empty"),
        ({"id": "b", "prompt": "x", "words": 3}, "line 2: unknown field 'words'"),
        ({"id": "b", "prompt": "x", "target_words": 0}, "whole number from 1"),
        ({"id": "b", "prompt": "x", "metadata": 3}, '"metadata" must be an object'),
        ({"id": "", "prompt": "x"}, '"id" is empty'),
        ({"id": "b", "prompt": "x \ud800"}, "holds half of a character"),
        ({"id": "b", "prompt": "x", "category": 3}, '"category" must be a string'),
        ({"id": "b", "prompt": "100 words long.", "target_words": 9}, "asks for 100 words, but target_words is 9"),
    ],
)
def test_broken_prompts_are_one_line(cli: Cli, tmp_path: Path, record: dict[str, Any], says: str) -> None:
    write_jsonl(tmp_path / "p.jsonl", [{"id": "a", "prompt": "Write."}, record])
    said = one_line(cli("run", "--model", PROXY, "--judge", PROXY, "--allow-self-judging", "--prompts", "p.jsonl"))
    assert says in said
    assert "p.jsonl" in said


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--prompts", "p.jsonl", "--benchmark", "writingbench"], "--prompts does not apply to writingbench"),
        (["--prompts", "gone.jsonl"], "gone.jsonl: cannot be read"),
        (["--prompts", "p.jsonl", "--split", "train"], "has no splits"),
        (["--prompts", "p.jsonl", "--language", "zh"], "has no splits, languages"),
        (["--split", "test", "--benchmark", "story_quality"], "the prompt set mini has no splits"),
        (["--prompts", "nope", "--benchmark", "story_quality"], "known: mini, official, or your own .jsonl file"),
    ],
)
def test_prompts_that_cannot_be_used_are_one_line(cli: Cli, tmp_path: Path, args: list[str], says: str) -> None:
    write_jsonl(tmp_path / "p.jsonl", [{"id": "a", "prompt": "Write."}])
    assert says in one_line(cli("run", "--model", PROXY, "--judge", PROXY, "--allow-self-judging", *args))


def test_prompts_are_listed_without_a_judge_and_can_be_given_back(cli: Cli, tmp_path: Path, server: Any) -> None:
    shown = cli("prompts", "show", "story_quality", "--limit", 2)
    assert shown.returncode == 0, shown.stderr
    (tmp_path / "p.jsonl").write_text(shown.stdout, encoding="utf-8")
    records = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [record["target_words"] for record in records] == [1200, 2500]
    asked = ["--model", WRITER, "--judge", PROXY, "--prompts", "p.jsonl"]
    assert cli("run", *asked, **env_of(server)).returncode == 0
    own = read_eval_log(str(next((tmp_path / "logs").glob("*.eval"))))
    assert {sample.input for sample in own.samples or []} == {record["prompt"] for record in records}
    assert "unknown benchmark 'nope'" in one_line(cli("prompts", "show", "nope"))


def test_a_reply_is_parsed_once(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report reads the judgment as data: it needs no reply that the rubric of today can read."""
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0

    def forbidden(*args: object) -> None:
        raise AssertionError("the reply was read again")

    monkeypatch.setattr("polaris_eval.rubrics.rubric.Rubric.parse", forbidden)
    assert cli("report", "logs").returncode == 0
    (page,) = (tmp_path / "report" / "prompts").iterdir()
    assert "P1 Opening" in page.read_text() or "P1 " in page.read_text()
    assert PROSE.split(".")[0] in page.read_text()
