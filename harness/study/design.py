"""Design a blinded human study: the pairs of stories, their order and sides per annotator, and the page and key.

The page and its exports name no model. The key records what was shown, and is needed to read the answers.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...rubrics import load_rubric
from ..arena.entries import Match, Pair
from ..errors import UserError
from ..show.site import environment, inline

FORMAT = 1


@dataclass(frozen=True)
class Item:
    """Two stories of one prompt. `models` and `stories` (ids) are in the order of the texts in the page; `match` is the
    id of the pair in an arena."""

    id: str
    prompt_id: str
    match: str
    models: tuple[str, str]
    stories: tuple[str, str]


@dataclass(frozen=True)
class Study:
    """A study. `order` lists the items in the order shown to each annotator, and whether their sides are swapped."""

    id: str
    title: str
    seed: int
    items: tuple[Item, ...]
    order: Mapping[str, tuple[tuple[str, bool], ...]]
    texts: Mapping[str, tuple[str, str, str]]  # prompt and both stories, by item; not in the key


def make_study(
    matches: Mapping[Pair, Sequence[Match]], pairs: int, annotators: int, focus: str | None, title: str, seed: int
) -> Study:
    """Choose `pairs` prompts, and two models for each, with every pair of models (or `focus` and each other model)
    about equally often.

    All annotators judge the same items, each in a different order and every prompt once. For every annotator, each
    model is shown first about as often as second, and the next annotator sees the sides swapped. The sides can be
    derived from `seed`, so it belongs in the key.

    Raises:
        UserError: if there are more pairs than prompts, or `focus` is not one of the models.
    """
    models = sorted({name for pair in matches for name in pair})
    if focus is not None and focus not in models:
        raise UserError(f"--focus {focus}: no such model here; there are {', '.join(models)}")
    open_: dict[str, dict[Pair, Match]] = {}
    for pair, listed in matches.items():
        for match in listed if focus in (None, *pair) else ():
            open_.setdefault(match.a.prompt_id, {}).setdefault(pair, match)
    if len(open_) < pairs:
        raise UserError(
            f"{pairs} pairs need {pairs} prompts, since an annotator sees a prompt once; these stories share "
            f"{len(open_)}. Lower --pairs or give more stories"
        )
    rng = random.Random(seed)
    prompts = rng.sample(sorted(open_), pairs)
    used: Counter[Pair] = Counter()
    chosen: list[Match] = []
    for prompt in sorted(prompts, key=lambda name: (len(open_[name]), prompts.index(name))):
        pair = min(open_[prompt], key=lambda pair: (used[pair], rng.random()))
        used[pair] += 1
        chosen.append(open_[prompt][pair])
    rng.shuffle(chosen)
    items, texts, swapped = [], {}, {}
    for number, match in enumerate(chosen, 1):
        name = f"q{number:03}"
        sides = rng.sample([match.a, match.b], 2)
        items.append(
            Item(name, match.a.prompt_id, match.id, (sides[0].model, sides[1].model), (sides[0].id, sides[1].id))
        )
        texts[name] = (match.a.prompt, sides[0].text, sides[1].text)
    ahead: Counter[str] = Counter()  # how much more often a model was shown first than second
    together: Counter[tuple[str, str]] = Counter()
    for item in rng.sample(items, len(items)):
        one, other = item.models
        lead = (ahead[one] - ahead[other], together[one, other] - together[other, one], rng.random() - 0.5)
        swapped[item.id] = lead > (0, 0, 0.0)
        first, second = (other, one) if swapped[item.id] else (one, other)
        ahead.update({first: 1, second: -1})
        together[first, second] += 1
    order = {}
    for number in range(annotators):
        shuffled = rng.sample(items, len(items))
        order[f"annotator-{number + 1}"] = tuple((item.id, swapped[item.id] ^ (number % 2 == 1)) for item in shuffled)
    shown = json.dumps([seed, title, [asdict(item) for item in items], order, texts], sort_keys=True)
    return Study(hashlib.sha256(shown.encode()).hexdigest()[:16], title, seed, tuple(items), order, texts)


def named_in_texts(study: Study) -> list[str]:
    """Items whose stories contain the name of one of the models (its last part), which breaks the blinding."""
    names = {name.rpartition("/")[2] for item in study.items for name in item.models} - {""}
    said = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(names)))})(?!\w)", re.IGNORECASE)
    return [name for name, (_, *stories) in study.texts.items() if any(map(said.search, stories))]


def write_study(study: Study, page: Path, key: Path) -> None:
    """Write the page, which is all that annotators get, and the key.

    Raises:
        UserError: if the key file holds the key of another study, whose answers could then no longer be read.
    """
    if key.exists() and read_key(key).id != study.id:
        raise UserError(f"{key}: is the key of another study; name another file with --key")
    data = {
        "format": FORMAT,
        "study": study.id,
        "title": study.title,
        "criteria": [{"id": d.id, "name": d.name, "measures": d.measures} for d in load_rubric("pairwise").dimensions],
        "order": study.order,
        "texts": study.texts,
    }
    # "<" could end the script element that holds the data
    filled = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    template = environment(__package__).get_template("study.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    from markupsafe import Markup

    html = template.render(**inline("study", __package__, connect="'self'"), title=study.title, data=Markup(filled))
    page.write_text(html, encoding="utf-8", errors="replace")
    key.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "format": FORMAT,
        "study": study.id,
        "title": study.title,
        "seed": study.seed,
        "items": [asdict(item) for item in study.items],
        "order": study.order,
    }
    key.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def read_key(path: Path) -> Study:
    """Read the study (without texts) from a key file. Raises UserError if the file is not a key."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        items = tuple(
            Item(i["id"], i["prompt_id"], i["match"], tuple(i["models"]), tuple(i["stories"])) for i in kept["items"]
        )
        order = {name: tuple((i, bool(s)) for i, s in shown) for name, shown in kept["order"].items()}
        return Study(kept["study"], kept["title"], kept["seed"], items, order, {})
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the key of a study ({type(error).__name__}: {error})") from None


def page_data(path: Path) -> dict[str, Any]:
    """Read the data of a study's page. Raises UserError if the file is not such a page."""
    try:
        html = path.read_text(encoding="utf-8")
        start = html.index('<script type="application/json" id="data">') + len(
            '<script type="application/json" id="data">'
        )
        data: dict[str, Any] = json.loads(html[start : html.index("</script>", start)])
        if not {"study", "order", "criteria", "texts"} <= data.keys():
            raise ValueError("keys are missing")
        return data
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{path}: not the page of a study") from None
