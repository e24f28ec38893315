"""Print pyproject.toml's requirements at their lowest releases, as constraints for pip: python tests/floors.py EXTRA…

torch is left out: which build of it fits a machine is for whoever installs to say.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def floors(extras: list[str]) -> list[str]:
    """`NAME==LOWEST` for every requirement of the package and of these extras."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    asked = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    found = [re.match(r"([\w.-]+)[>=]=([\w.]+)", line) for line in asked]
    return sorted({f"{m[1]}=={m[2]}" for m in found if m and m[1] != "torch"})


if __name__ == "__main__":
    print(*floors(sys.argv[1:]), sep="\n")
