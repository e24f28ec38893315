"""Our own models under one Inspect provider: a small real model, an offline proxy judge, recorded replies."""

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="polaris_eval")
def polaris_eval() -> type[ModelAPI]:
    """`polaris_eval/local`, `polaris_eval/lexical` and `polaris_eval/replay/FILE`."""
    from .provider import PolarisModels

    return PolarisModels
