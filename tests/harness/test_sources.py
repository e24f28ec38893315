"""Upstream prompt files: fetched from a loopback server through the real path, right, tampered and cut."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, one_line

from polaris_eval.harness import environment, sources, wheels
from polaris_eval.harness.benchmarks import benchmarks
from polaris_eval.harness.errors import UserError

WHEEL = "inspect_evals-0.26.0"
KNOWN = {source.name: source for benchmark in benchmarks().values() for source in benchmark.sources}
FILE = KNOWN["longbench_write_en"]


@contextlib.contextmanager
def mirror(
    folder: Path, change: Callable[[bytes], tuple[bytes, int]] = lambda data: (data, len(data))
) -> Iterator[Any]:
    """Serves the pinned paths from `folder`; `change` gives the body and the length that is announced."""
    known = {f"/{s.repository}/{s.commit}/{s.path}": Path(s.path).name for s in KNOWN.values()}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path not in known:
                self.send_error(404)
                return
            body, length = change((folder / known[self.path]).read_bytes())
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(environment.DATA, raising=False)
    return tmp_path / "cache"


def test_every_file_is_pinned_and_says_its_licence() -> None:
    assert set(KNOWN) == {"eqbench_creative", "longbench_write", "longbench_write_en", "writingbench"}
    for source in KNOWN.values():
        assert source.licence
        assert source.url.startswith(environment.UPSTREAM) or source.wheel == "inspect-evals==0.26.0"


def test_the_id_is_gits() -> None:
    assert sources.blob_id(b"what is up, doc?") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_fetched_once_verified_and_kept(shared: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirror(shared / "prompts") as (url, asked):
        monkeypatch.setenv(environment.MIRROR, url)
        assert sources.state(FILE) == "not fetched"
        data = sources.load(FILE)
        assert data == (shared / "prompts" / "longbench_write_en.jsonl").read_bytes()
        assert sources.load(FILE) == data
        assert len(asked) == 1
        (cached,) = (cache / "prompts").iterdir()
        cached.write_bytes(data[:-1])
        assert sources.state(FILE) == "changed"
        assert sources.load(FILE) == data, "a spoiled copy in the cache is fetched again"
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: (data.replace(b"100", b"999", 1), len(data)), "not the pinned file"),
        (lambda data: (data[:1000], 1000), "(1,000 bytes)"),
        (lambda data: (data[:1000], len(data)), "could not be fetched"),
    ],
)
def test_tampered_or_cut_is_refused_and_not_kept(
    shared: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, change: Any, says: str
) -> None:
    with mirror(shared / "prompts", change) as (url, _), pytest.raises(UserError) as error:
        monkeypatch.setenv(environment.MIRROR, url)
        sources.load(FILE)
    assert says in str(error.value)
    assert not list(cache.rglob("*.jsonl"))


def test_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.MIRROR, "http://127.0.0.1:9")
    with pytest.raises(UserError, match="--data-dir or POLARIS_DATA") as error:
        sources.load(FILE)
    assert "\n" not in str(error.value)


def test_a_folder_in_place_of_cache_and_network(
    shared: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.MIRROR, "http://127.0.0.1:9")
    assert sources.load(FILE, shared / "prompts")
    monkeypatch.setenv(environment.DATA, str(shared / "prompts"))
    assert sources.load(FILE)
    copy = tmp_path / "longbench_write_en.jsonl"
    copy.write_bytes(b"{}")
    with pytest.raises(UserError, match="not the pinned file"):
        sources.load(FILE, tmp_path)
    with pytest.raises(UserError, match="no such file"):
        sources.load(KNOWN["longbench_write"], tmp_path)
    assert not cache.exists()


def index_of(folder: Path, content: bytes) -> dict[str, str]:
    """What makes pip find inspect-evals in a folder alone, with this content for WritingBench's file."""
    record = f"{WHEEL}.dist-info"
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{WHEEL}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(KNOWN["writingbench"].path, content)
        wheel.writestr(f"{record}/METADATA", "Metadata-Version: 2.1\nName: inspect-evals\nVersion: 0.26.0\n")
        wheel.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{record}/RECORD", "")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture
def queries(prompt_files: Path) -> bytes:
    return (prompt_files / "benchmark_all.jsonl").read_bytes()


def test_a_file_out_of_a_wheel_that_is_not_installed(
    queries: bytes, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = KNOWN["writingbench"]
    for name, value in index_of(tmp_path / "index", queries).items():
        monkeypatch.setenv(name, value)
    assert sources.state(source) == "not fetched"
    assert sources.load(source) == queries
    (tmp_path / "index" / f"{WHEEL}-py3-none-any.whl").unlink()
    assert sources.load(source) == queries, "kept"
    assert sources.state(source) == "verified"
    sources.location(source).unlink()
    with pytest.raises(
        UserError, match=r"go online, or put benchmark_all\.jsonl of inspect-evals==0\.26\.0 at "
    ) as error:
        sources.load(source)
    assert str(sources.location(source)) in str(error.value)


def test_uv_fetches_where_there_is_no_pip(
    queries: bytes, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(wheels.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="neither pip nor uv is installed"):
        sources.load(KNOWN["writingbench"])
    if not (uv := Path(sys.executable).with_name("uv")).exists():
        pytest.skip("uv is not installed here; it comes with the extra dev")
    monkeypatch.setattr(wheels.shutil, "which", lambda name: str(uv))
    index_of(tmp_path / "index", queries)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "index"))
    assert sources.load(KNOWN["writingbench"]) == queries
    (tmp_path / "plain").touch()
    assert sources.location(KNOWN["writingbench"]).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_cache_that_cannot_be_written_costs_time_only(
    queries: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("POLARIS_CACHE", str(tmp_path / "file"))
    for name, value in index_of(tmp_path / "index", queries).items():
        monkeypatch.setenv(name, value)
    assert sources.load(KNOWN["writingbench"]) == queries
    assert "it is fetched again next time" in capsys.readouterr().err


def test_a_wheel_with_another_file_is_refused(
    queries: bytes, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in index_of(tmp_path / "index", queries[1:]).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="not the pinned file"):
        sources.load(KNOWN["writingbench"])
    assert not list(cache.rglob("*.jsonl"))


def test_an_installed_copy_is_read_and_not_imported(
    queries: bytes, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in index_of(tmp_path / "index", queries).items():
        monkeypatch.setenv(name, value)
    source = KNOWN["writingbench"]
    site = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / "index" / f"{WHEEL}-py3-none-any.whl") as wheel:
        wheel.extractall(site)
    (site / "inspect_evals" / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(site))
    assert sources.location(source) == site / source.path
    assert sources.load(source) == queries
    assert sources.load(source, tmp_path) == queries, "a folder that lacks the file is no reason to do without it"
    assert not cache.exists()
    (site / source.path).write_bytes(b"{}")
    assert sources.load(source) == queries, "another release's file is left alone, and the pinned one fetched"
    assert sources.location(source).is_relative_to(cache)


def test_the_data_commands(cli: Cli, shared: Path, queries: bytes, tmp_path: Path) -> None:
    with mirror(shared / "prompts") as (url, asked):
        env = {"POLARIS_CACHE": str(tmp_path / "cache"), "POLARIS_MIRROR": url}
        env |= index_of(tmp_path / "index", queries)
        assert cli("prompts", "verify", **env).returncode == 1
        pulled = cli("prompts", "pull", **env)
        assert pulled.returncode == 0, pulled.stderr
        assert pulled.stdout.count("fetched and verified") == 4
        again = cli("prompts", "pull", "longbench_write", **env)
        assert "verified already" in again.stdout
        assert len(asked) == 3
        done = cli("prompts", "verify", **env)
        assert (done.returncode, done.stdout.count(": verified")) == (0, 4)
        listed = json.loads(cli("prompts", "list", "--json", **env).stdout)
        assert [row["state"] for row in listed] == ["verified"] * 4
        assert "Apache-2.0" in cli("prompts", "list", **env).stdout
        assert "known: eqbench_creative" in one_line(cli("prompts", "pull", "nope", **env))


def test_a_default_run_without_network_says_so_before_anything(cli: Cli, tmp_path: Path) -> None:
    env = {"POLARIS_CACHE": str(tmp_path / "cache"), "POLARIS_MIRROR": "http://127.0.0.1:9"}
    args = ["run", "--model", "polaris_eval/lexical", "--judge", "polaris_eval/lexical", "--allow-self-judging"]
    assert "POLARIS_DATA" in one_line(cli(*args, **env))
    assert not list(tmp_path.rglob("*.eval"))
