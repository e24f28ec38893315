"""Serve a study on this machine: the page, and a file to which answers are appended as they arrive."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..errors import UserError
from .answers import check_export
from .design import page_data

HOST = "127.0.0.1"
_MOST = 8_000_000  # maximum bytes of an export


def make_server(page: Path, answers: Path, port: int) -> ThreadingHTTPServer:
    """Create a server for the page at `/`; exports posted to `/answers` are checked and appended to the file as a line.

    Raises:
        UserError: if the page is missing, the port is in use, or the file cannot be written.
    """
    data = page_data(page)
    html = page.read_bytes()
    criteria = [criterion["id"] for criterion in data["criteria"]]
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._foreign() or self.path.split("?")[0] != "/":
                self._reply(404, b"not found", "text/plain")
            else:
                self._reply(200, html, "text/html; charset=utf-8")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length") or ""
            size = int(length) if length.isdecimal() and len(length) < 10 else 0
            json_sent = self.headers.get("Content-Type", "").split(";")[0] == "application/json"
            if self._foreign() or self.path != "/answers" or not json_sent or not 0 < size <= _MOST:
                self._reply(400, b"not an export of this study's page", "text/plain")
                return
            try:
                text = self.rfile.read(size).decode("utf-8")
                export = check_export(text, data["study"], data["order"], criteria)
            except ValueError as error:
                self._reply(400, str(error).encode(errors="replace"), "text/plain")
                return
            try:
                with lock:
                    _append(answers, json.dumps(json.loads(text)) + "\n")
            except OSError as error:  # the page keeps the answers, and sends them again
                self.log_message("answers of %s cannot be written: %s", export.annotator, error.strerror)
                self._reply(507, b"the answers cannot be written now", "text/plain")
                return
            self.log_message("%s: %d answers", export.annotator, len(export.answers))
            self._reply(200, b"kept", "text/plain")

        def _foreign(self) -> bool:
            """Whether the request names another host, as in DNS rebinding, or comes from a page of another one."""
            named, origin = self.headers.get("Host") or "", self.headers.get("Origin")
            port = self.server.server_port  # type: ignore[attr-defined]
            known = [f"{host}:{port}" for host in (HOST, "localhost")] + [HOST, "localhost"] * (port == 80)
            return named not in known or (origin is not None and origin != f"http://{named}")

        def _reply(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, *args: Any) -> None:
            pass

    try:
        _mend(answers)
        return ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"the study cannot be served on port {port} with answers in {answers}: {why}") from None


def _append(answers: Path, line: str) -> None:
    """Append a line, whole and on disk, or not at all. Raises OSError if it cannot be written."""
    with answers.open("ab", buffering=0) as file:
        before = file.tell()
        text = line.encode()
        try:
            while text:  # a disk that is nearly full takes a part
                text = text[file.write(text) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def _mend(answers: Path) -> None:
    """Make sure that the file can be written, and cut off an incomplete last line."""
    answers.parent.mkdir(parents=True, exist_ok=True)
    with answers.open("a+b") as file:
        if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
            text = answers.read_bytes()
            file.truncate(text.rfind(b"\n") + 1)
