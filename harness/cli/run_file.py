"""A run described in a YAML file: option names with their values, which options on the command line replace."""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click


def run_file(*others: str) -> Callable[..., Any]:
    """Add the optional argument RUN, a YAML file with values for the command's options.

    Args:
        others: commands of the same program that share the file; their options are accepted and have no effect here.
    """

    def load(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
        if path is None:
            return
        values = _read(path)
        own = _options(ctx.command)
        program = ctx.find_root().command
        assert isinstance(program, click.Group)
        known = {name for other in others for name in _options(program.commands[other])} | own.keys()
        for name, value in values.items():
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
                raise click.UsageError(f"{path}: no option is called {name!r}{hint}")
            if name in own and value is not None:
                given = _as_given(f"{path}: {name}", own[name], value)
                ctx.default_map = {**(ctx.default_map or {}), str(own[name].name): given}

    return click.argument(
        "run_file", metavar="[RUN.yaml]", required=False, is_eager=True, expose_value=False, callback=load,
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise click.UsageError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict) or not isinstance(node, yaml.MappingNode):
        raise click.UsageError(f"{path}: expected option names with values, such as `model: openai/gpt-5.4-mini`")
    names = [str(key.value).replace("_", "-") for key, _ in node.value]
    for name in names:
        if names.count(name) > 1:
            raise click.UsageError(f"{path}: {name!r} is there twice; several values are a list: {name}: [A, B]")
    return {str(name).replace("_", "-"): value for name, value in found.items()}


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by their long names, without the dashes."""
    options = (param for param in command.params if isinstance(param, click.Option))
    return {name.lstrip("-"): option for option in options for name in option.opts if name.startswith("--")}


def _as_given(where: str, option: click.Option, value: Any) -> Any:
    """A value in the form that click expects; a mapping stands for several NAME=VALUE.

    Raises:
        UsageError: a value that the option cannot have.
    """
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.UsageError(f"{where} must be true or false, not {value!r}")
        return value
    values = value if isinstance(value, list) else [value]
    if isinstance(value, dict) and option.multiple:
        return [f"{name}={json.dumps(part)}" for name, part in value.items()]
    if (len(values) > 1 and not option.multiple) or any(isinstance(one, list | dict) or one is None for one in values):
        raise click.UsageError(f"{where} must be one value{' or a list of them' if option.multiple else ''}")
    return [str(one) for one in values] if option.multiple else str(values[0])
