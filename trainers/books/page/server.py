"""The review as a locally served page: each decision is written to the review file at once."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ....harness.errors import UserError
from ....harness.show.site import environment, inline
from ..build import REVIEW, not_to_be_kept, read_build, reason_kind
from ..review import apply_review, write_review
from ..sources import Candidate

HOST = "127.0.0.1"
_MOST = 100_000  # bytes of a decision


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server for a build: the page at `/`, a piece's text at `/text?id=…`, decisions posted to `/keep`.

    Raises:
        UserError: no finished build, a review file that cannot be read, or a port that is taken.
    """
    automatic = read_build(folder)
    path = folder / REVIEW
    if not path.is_file():
        write_review(path, automatic)
    _decided(path, automatic)
    by_id = {candidate.id: candidate for candidate in automatic}
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            piece = by_id.get(parse_qs(asked.query).get("id", [""])[0])
            if self._foreign() or asked.path not in ("/", "/text") or (asked.path == "/text" and piece is None):
                self._reply(404, "not found")
            elif piece is not None:
                self._reply(200, piece.text)
            else:
                with lock:
                    html = _page(folder, automatic, _decided(path, automatic))
                self._reply(200, html, "text/html; charset=utf-8")

        def do_POST(self) -> None:
            size = int(length) if (length := self.headers.get("Content-Length") or "").isdecimal() else 0
            sent = self.headers.get("Content-Type", "").split(";")[0] == "application/json"
            if self._foreign() or self.path != "/keep" or not sent or not 0 < size <= _MOST:
                self._reply(400, "not a decision from this page")
                return
            try:
                told = json.loads(self.rfile.read(size))
                key, keep, title = told["id"], told["keep"], str(told["title"])
                if key not in by_id or not isinstance(keep, bool):
                    raise ValueError
            except (ValueError, KeyError, TypeError):
                self._reply(400, "not a decision from this page")
                return
            with lock:
                self._reply(*_decide(path, automatic, key, keep, title))

        def _foreign(self) -> bool:
            """Whether the request names another host, as from another site's page redirected here."""
            return (self.headers.get("Host") or "").partition(":")[0] != HOST

        def _reply(self, status: int, content: str, kind: str = "text/plain; charset=utf-8") -> None:
            data = content.encode(errors="replace")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_request(self, *args: Any) -> None:
            pass

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise UserError(f"the review cannot be served on port {port}: {getattr(error, 'strerror', error)}") from None


def _decided(path: Path, automatic: list[Candidate]) -> dict[str, tuple[bool, str]]:
    """Read the file's current decisions; a person may edit it while the page is open."""
    return {candidate.id: (candidate.reason is None, candidate.title) for candidate in apply_review(path, automatic)}


def _decide(path: Path, automatic: list[Candidate], key: str, keep: bool, title: str) -> tuple[int, str]:
    """Write one decision to the file, if it is allowed, and return the status and text of the response."""
    try:
        decided = _decided(path, automatic)
        decided[key] = (keep, title.strip() or decided[key][1])
        if keep and (wrong := not_to_be_kept(automatic, {name for name, (kept, _) in decided.items() if kept})):
            return 409, wrong
        write_review(path, automatic, decided)
    except UserError as error:
        return 409, error.text
    except OSError as error:
        return 507, f"{path}: cannot be written: {error.strerror or error}"
    return 200, "kept" if keep else "dropped"


def _page(folder: Path, automatic: list[Candidate], decided: dict[str, tuple[bool, str]]) -> str:
    from markupsafe import Markup

    pieces = [
        {"id": c.id, "book": c.book, "title": decided[c.id][1], "keep": decided[c.id][0], "words": c.words,
         "reason": c.reason or "", "kind": reason_kind(c.reason) if c.reason else "", "first": c.first, "last": c.last}
        for c in automatic
    ]  # fmt: skip
    # "<" could end the element that holds the data
    data = Markup(json.dumps(pieces, ensure_ascii=False).replace("<", "\\u003c"))
    shared = inline("review", __package__, connect="'self'", shared=True)
    template = environment(__package__).get_template("review.html")
    return template.render(**shared, title=f"Review of {folder.name}", data=data)
