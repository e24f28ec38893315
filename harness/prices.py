"""List prices of models: one dated file that ships here, or a user's own."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import yaml
from inspect_ai.model import ModelUsage
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import UserError

TOKENS = ("input", "cached", "output")


class Price(BaseModel):
    model_config = ConfigDict(extra="forbid")

    input: float
    output: float
    cached_input: float | None = None
    batch: float | None = None


class Prices(BaseModel):
    model_config = ConfigDict(extra="forbid")

    date: str
    source: str
    models: dict[str, Price]

    def find(self, model: str) -> Price | None:
        """The price of a model, by its full name or without its provider."""
        return self.models.get(model) or self.models.get(model.rpartition("/")[2])

    def per_token(self, model: str) -> tuple[float, float, float]:
        """Dollars per token for each kind in `TOKENS`; NaN if the model has no price."""
        price = self.find(model)
        if price is None:
            return math.nan, math.nan, math.nan
        cached = price.input if price.cached_input is None else price.cached_input
        return price.input / 1e6, cached / 1e6, price.output / 1e6


def token_counts(usage: ModelUsage) -> tuple[int, int, int]:
    """Number of tokens of each kind in `TOKENS`; tokens written to a provider's cache count as input."""
    written, read = usage.input_tokens_cache_write or 0, usage.input_tokens_cache_read or 0
    return usage.input_tokens + written, read, usage.output_tokens


def load_prices(path: Path | None) -> Prices:
    """Read the price file that ships here, or a user's own. Raises UserError naming the file and the key."""
    text = path.read_text(encoding="utf-8") if path else (files(__package__) / "prices.yaml").read_text("utf-8")
    try:
        return Prices.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path or 'prices.yaml'}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
