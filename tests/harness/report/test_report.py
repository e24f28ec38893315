"""The report as a browser shows it: from disk, without errors, and whatever models and stories are called."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from conftest import PROSE, Cli, Visit, cli_in, reply, stories, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from loopback import serve, well_behaved

from polaris_eval.harness.judge.judgment import Mark
from polaris_eval.harness.report.prose import pieces, rendered, title_of
from polaris_eval.harness.words import printable
from polaris_eval.rubrics import Rubric

PROXY = "polaris_eval/lexical"
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=document.title=1>',
    "javascript:alert(1)",
    "rtl/\u202etxt.exe",
    "../../x",
    "{{ 7*7 }}",
    "Ann",
    "ann",
    "x" * 300,
)
TEXT = (
    "</style></script><script>document.title='owned'</script><img src=x onerror=alert(1)> {{ 7*7 }} \u202e\u2028[red] "
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of several writers with hostile names and texts, on two benchmarks."""
    tmp_path = tmp_path_factory.mktemp("report")
    cli = cli_in(tmp_path)
    records = [r for name in HOSTILE for r in stories(6, model=name)]
    for record in records:
        record["story"] = TEXT + record["story"] + "It rained. The sea was grey. " * HOSTILE.index(record["model"])
        record["id"] += '"><b>' if record["id"] == "s0" else ""
    path = write_jsonl(tmp_path / "s.jsonl", records)
    both = ("--benchmark", "story_quality", "--benchmark", "eqbench_longform")
    assert cli("run", "--stories", path, "--judge", PROXY, *both).returncode == 0
    done = cli("report", "logs", "--with-published")
    assert done.returncode == 0, done.stderr
    return tmp_path / "report"


@pytest.mark.slow
@pytest.mark.xdist_group("report")
def test_hostile_names_and_stories_stay_text(report: Path, browser: Any) -> None:
    pages = sorted(report.rglob("*.html"))
    assert len(pages) == 1 + len(HOSTILE) + 6 * 2
    assert {path.name for path in report.parent.iterdir()} == {"s.jsonl", "logs", "report"}
    for path in pages:
        visit = Visit(browser, path)
        assert visit.wrong == [], path
        assert visit.page.title() not in ("owned", "1")
        assert visit.page.locator("script").count() == 1
        assert visit.page.locator("img").count() == 0
        assert visit.page.locator("[style], [onclick], [onerror]").count() == 0
        for link in visit.page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))"):
            place = link.partition("#")[0]
            assert not place or (path.parent / place).resolve().is_file(), link
            assert (path.parent / place).resolve().is_relative_to(report.resolve())
        visit.page.context.close()
    index = Visit(browser, report / "index.html").page.inner_text("body")
    assert all(printable(name) in index for name in HOSTILE)
    assert "PROXY" in index
    assert "POLARIS-9B (published)" in index
    prompt = Visit(browser, next((report / "prompts").glob("story_quality-*.html"))).page.inner_text("body")
    assert "<script>document.title='owned'</script><img src=x onerror=alert(1)> {{ 7*7 }}" in prompt


@pytest.mark.slow
@pytest.mark.xdist_group("report")
def test_tables_sort_and_pages_fit_a_phone_in_the_dark(report: Path, browser: Any) -> None:
    visit = Visit(browser, report / "index.html", viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert max(red, green, blue) < 60
    table = page.locator("table.sortable").first
    head = table.locator("th").nth(1)

    def column() -> list[float]:
        cells = table.locator("tbody tr").evaluate_all("rows => rows.map(row => row.cells[1].innerText)")
        return [float(cell.split(" ")[0]) for cell in cells]

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column() == sorted(column(), reverse=True)
    page.keyboard.press("Enter")  # the heading has the focus: no mouse is needed
    assert head.get_attribute("aria-sort") == "ascending"
    assert column() == sorted(column())
    assert len(set(column())) > 1
    assert visit.wrong == []


@pytest.mark.slow
@pytest.mark.xdist_group("report")
def test_the_first_screen_and_the_choice_of_stories(report: Path, browser: Any) -> None:
    visit = Visit(browser, report / "index.html", viewport={"width": 1280, "height": 900})
    page = visit.page
    charts = page.locator(".opening .panel svg")
    assert [charts.nth(n).get_attribute("aria-label") for n in range(2)] == [
        "Quality by requested length", "Scores and rank groups",
    ]  # fmt: skip
    assert all(box["y"] + box["height"] < 900 for n in range(2) if (box := charts.nth(n).bounding_box()))
    heads = page.locator("h1, h2").evaluate_all("all => all.map(one => one.innerText)")
    assert len(set(heads)) == len(heads) > 4
    told = page.locator(".opening g.series title").all_text_contents()
    assert any(re.search(r": -?[\d.]+.* at [\d,]+ words asked for$", one) for one in told)
    button = page.locator(".opening .legend button").first
    button.click()
    assert page.locator(".opening .chart").first.locator("g.faded").count() == len(HOSTILE) - 1
    button.click()
    assert page.locator("g.faded").count() == 0
    page.locator(".opening summary").first.click()
    assert page.locator(".opening table").first.is_visible()
    box = page.locator("#prompts ~ .filter input").first
    box.fill("number 3")
    assert page.locator("#prompts ~ .scroll tbody tr:visible").count() == 2
    page.locator("#prompts ~ .scroll tbody tr:visible a").first.click()
    assert page.locator("h1").inner_text().startswith("Write of harbour number 3")
    shown = page.locator(".story:visible")
    assert shown.count() == 2
    other = page.locator(".choices select").nth(1)
    last = page.locator(".choices option").last.get_attribute("value")
    other.select_option(last)
    assert shown.nth(1).get_attribute("id") == last
    assert visit.wrong == []


@pytest.mark.slow
def test_quotes_are_shown_where_they_stand(cli: Cli, tmp_path: Path, rubric: Rubric, browser: Any) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", [{"id": "a", "prompt": "p", "story": PROSE, "model": "m"}])
    answer = json.loads(reply(rubric, {"P2": 12, "N8": 3}))
    answer["dimensions"]["N8"]["quotes"] = ["never written anywhere"]
    answer["dimensions"]["P2"]["justification"] = "<b>It builds.</b>"
    replies = write_jsonl(tmp_path / "r.jsonl", [{"id": "a", "reply": json.dumps(answer)}])
    assert cli("run", "--stories", path, "--judge", f"polaris_eval/replay/{replies}").returncode == 0
    assert cli("report", "logs", "--transcripts").returncode == 0
    (prompt,) = (tmp_path / "report" / "prompts").iterdir()
    visit = Visit(browser, prompt)
    page = visit.page
    assert page.locator("mark").first.inner_text().startswith("tar and cold iron")
    quoted = page.locator("dd a", has_text="tar and cold iron").nth(1)
    quoted.click()
    assert page.evaluate("document.querySelector(':target').nextElementSibling.innerText") == "tar and cold iron"
    page.locator("sup a", has_text="P2").first.click()
    assert page.evaluate("document.querySelector(':target').innerText").startswith("P2 Narrative arc")
    order = page.evaluate(
        "document.querySelector('.prose mark').compareDocumentPosition(document.querySelector('.marks'))"
    )
    assert order == 4, "the story stands before the marks"
    text = visit.page.inner_text("body")
    assert "P2 Narrative arc, pacing & ending: 12/20" in text
    assert "<b>It builds.</b>" in text
    assert "not in the story: “never written anywhere”" in text
    link = visit.page.locator("a", has_text="transcript").get_attribute("href")
    log = link.partition("#/logs/")[2].partition("/")[0]
    assert (tmp_path / "report" / "transcripts" / "logs" / log).is_file()
    assert visit.wrong == []


def test_a_story_is_cut_at_its_quotes() -> None:
    marks = [Mark("P1 x", 1, quotes=("b c",)), Mark("N1 y", 2, quotes=("c d", "nowhere"))]
    cut, shown = pieces("a b c d e", marks)
    assert "".join("a b c d e"[piece.start : piece.end] for piece in cut) == "a b c d e"
    assert [("a b c d e"[p.start : p.end], p.names) for p in cut if p.names] == [
        ("b ", ("P1",)), ("c", ("P1", "N1")), (" d", ("N1",))
    ]  # fmt: skip
    assert [quote["place"] for quote in shown[1]["quotes"]] == [cut.index(cut[2]) + 1, None]
    assert pieces("", []) == ([], [])


def test_markdown_is_rendered_and_html_is_text() -> None:
    html = rendered("# One\n\n*It* was **cold**.<b>x</b>\n\n***\n\n> she said\n\n[a](javascript:x) ![i](y)\n1. one")
    assert "<h1>One</h1>" in html
    assert "<p><em>It</em> was <strong>cold</strong>.&lt;b&gt;x&lt;/b&gt;</p>" in html
    assert "<hr>" in html
    assert "<blockquote>\n<p>she said</p>" in html
    assert "<p>[a](javascript:x) ![i](y)<br>\n1. one</p>" in html
    assert title_of("## Write  a **long**\nstory " + "of ships " * 20) == (
        "Write a long story of ships of ships of ships of ships of ships of …"
    )


_TEXT = st.text(st.sampled_from("ab *_#>-\n<&\r\0'\"`[]()!é中"), max_size=60)


@given(_TEXT, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=4))
def test_marks_lie_in_any_markdown_and_change_no_letter(text: str, spans: list[tuple[int, int]]) -> None:
    marks = [Mark(f"M{n} x", 1, quotes=(text[a : a + b],)) for n, (a, b) in enumerate(spans)]
    cut, _shown = pieces(text, marks)
    html = rendered(text, cut, "s")
    places = re.findall(r'<sup id="s-(\d+)">', html)
    bare = re.sub(r'<sup id="s-\d+">.*?</sup>|</?mark>', "", html)
    assert unescape(bare) == unescape(rendered(text)), "marks add nothing but themselves"
    assert len(set(places)) == len(places)
    assert html.count("<mark>") == html.count("</mark>")
    assert not re.search(r"<mark>[^<]*<(?!/mark>)", html), "a mark never holds an element"


def test_a_report_never_writes_over_something_else(cli: Cli, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "s.jsonl", stories(1))
    assert cli("run", "--stories", path, "--judge", PROXY).returncode == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    refused = cli("report", "logs", "--out", "mine")
    assert refused.returncode == 2
    assert "contains something other than a report" in refused.stderr
    assert cli("report", "logs").returncode == 0
    assert cli("report", "logs").returncode == 0
    assert "one folder" in cli("report", "logs", "more", "--transcripts").stderr


@pytest.mark.slow
def test_plots_are_drawn_for_what_there_is(cli: Cli, tmp_path: Path) -> None:
    records = stories(6) + stories(6, model="a$b^{c}_")
    path = write_jsonl(tmp_path / "s.jsonl", records)
    assert cli("run", "--stories", path, "--judge", PROXY, "--log-dir", "proxy").returncode == 0
    assert cli("leaderboard", "proxy", "--plots", "--out", "proxy-out").returncode == 0
    assert not list((tmp_path / "proxy-out").rglob("*profile*")), "a proxy's criteria are one number"
    with serve(lambda n, system, user: well_behaved(system, user)) as server:
        env = {"LOOP_API_KEY": "k", "LOOP_BASE_URL": f"{server.url}/v1"}
        assert cli("run", "--stories", path, "--judge", "openai-api/loop/judge", **env).returncode == 0
    done = cli("leaderboard", "logs", "--plots")
    assert done.returncode == 0, done.stderr
    names = {path.stem for path in (tmp_path / "results" / "plots").glob("*.png")}
    drawn = ("quality_by_length", "length_ratio", "scores", "quality_by_words", "words", "profile", "distribution")
    assert names == {f"story_quality_{n}" for n in drawn}
    first = (tmp_path / "results" / "plots" / "story_quality_profile.png").read_bytes()
    assert cli("leaderboard", "logs", "--plots").returncode == 0
    assert (tmp_path / "results" / "plots" / "story_quality_profile.png").read_bytes() == first
