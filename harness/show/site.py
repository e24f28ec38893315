"""Static pages with one style and one script, both embedded in each page and allowed by hash in its policy."""

from __future__ import annotations

import base64
import hashlib
import shutil
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, need_extra

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

MARK = ".polaris-report"  # marks a folder with a report, which may be overwritten


class Site:
    """A folder of pages. The folder `pages` of `package` holds their templates, NAME.css and NAME.js."""

    def __init__(self, folder: Path, package: str, name: str) -> None:
        self.folder = folder
        self.pages = environment(package)
        self.shared = inline(name, package, shared=True)

    def start(self) -> None:
        """Create the folders and remove the pages of an earlier report.

        Raises:
            UserError: the folder contains something else.
        """
        if self.folder.exists() and any(self.folder.iterdir()) and not (self.folder / MARK).exists():
            raise UserError(f"{self.folder}: contains something other than a report; name an empty folder with --out")
        for name in ("models", "prompts"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            for page in (self.folder / name).glob("*.html"):
                page.unlink()
        shutil.rmtree(self.folder / "transcripts", ignore_errors=True)
        (self.folder / MARK).touch()

    def write(self, template: str, place: str, **values: Any) -> Path:
        """Render a template into a file of the folder."""
        path = self.folder / place
        path.write_text(
            self.pages.get_template(template).render(**self.shared, **values), encoding="utf-8", errors="replace"
        )
        return path


def environment(package: str) -> Environment:
    """The templates in a package's folder `pages`, and the shared ones here; all inserted values are escaped.

    Raises:
        UserError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FunctionLoader
    except ImportError:
        raise need_extra("jinja2", "report") from None
    return Environment(loader=FunctionLoader(lambda name: _resource(package, name)), autoescape=True, trim_blocks=True)


def _resource(package: str, name: str) -> str:
    own = files(package) / "pages" / name
    return (own if own.is_file() else files(__package__) / "pages" / name).read_text(encoding="utf-8")


def inline(
    name: str, package: str = __package__, connect: str = "'none'", shared: bool = False
) -> dict[str, str | Markup]:
    """The style NAME.css and the script NAME.js to embed in a page, and the content security policy that allows only
    these two, and requests to `connect`. `shared`: put the style and script of all our pages first."""
    from markupsafe import Markup

    before = [_resource(__package__, f"page.{kind}") if shared else "" for kind in ("css", "js")]
    style, script = (
        first + _resource(package, f"{name}.{kind}") for first, kind in zip(before, ("css", "js"), strict=True)
    )
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; connect-src {connect}; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    return {"policy": policy, "style": Markup(style), "script": Markup(script)}


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
