"""Tasks for lm-eval: its YAML files, and the command that says where they are."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("lm-eval")
def folder() -> None:
    """Print the folder of our tasks for lm-eval, for its --include_path.

    \b
    lm_eval --model hf --model_args pretrained=MODEL --apply_chat_template \\
        --tasks polaris_length,ifeval --include_path "$(polaris-eval lm-eval)"
    lm_eval … --tasks polaris_story_quality --include_path "$(polaris-eval lm-eval)" \\
        --metadata '{"prompts": "official", "judge": "openai/gpt-5.4"}'
    """
    click.echo(Path(__file__).parent)
