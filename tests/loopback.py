"""A loopback server that speaks the OpenAI, Anthropic and Gemini protocols, with failures to order."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from polaris_eval.harness.models.lexical import answer, answer_pair
from polaris_eval.rubrics import Rubric, fenced, load_rubric, rubric_names

STORY = "The clerk wrote the number down. “Nobody will ask,” she said, and the lamp hissed over the wet floor. " * 30


def well_behaved(system: str, user: str) -> str:
    """A judge's reply where a judge is asked, else a story."""
    try:
        prompt, story, *other = fenced(user)
    except ValueError:
        return STORY
    rubric = rubric_of(system)
    return answer_pair(rubric, prompt, story, other[0]) if other else answer(rubric, prompt, story)


def rubric_of(system: str) -> Rubric:
    """The rubric whose instructions a judge was sent."""
    rubrics = map(load_rubric, rubric_names())
    return next(r for r in rubrics if r.messages("", "", **dict.fromkeys(r.slots, ""))[0]["content"] == system)


Answer = str | int | tuple[str, str | None] | dict[str, Any] | bytes


@dataclass
class Loopback:
    """What the server saw, and how it answers.

    `script(number, system, user)` returns the reply's text, a (text, finish_reason) pair, a whole body (JSON or
    bytes) to send under HTTP 200, or an HTTP status to fail with; `number` counts requests from 0.
    """

    script: Callable[[int, str, str], Answer]
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request["body"] for request in self.requests]


@contextlib.contextmanager
def serve(script: Callable[[int, str, str], Answer]) -> Iterator[Loopback]:
    state = Loopback(script)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            data = self.rfile.read(length)
            if len(data) < length:  # the client was killed while it asked
                return
            body = json.loads(data)
            with lock:
                number = len(state.requests)
                state.requests.append({"path": self.path, "body": body})
            if isinstance(body.get("input"), str):  # a side call that counts tokens, not a request for a reply
                self._send(404, {"error": {"message": "not here", "type": "not_found"}})
                return
            system, user = _texts(body)
            found = state.script(number, system, user)
            if isinstance(found, int):
                self._send(found, {"error": {"message": f"failing with {found} as told", "type": "server_error"}})
                return
            if isinstance(found, dict | bytes):
                self._send(200, found)
                return
            text, finish = found if isinstance(found, tuple) else (found, "stop")
            if body.get("stream") and "/messages" in self.path:
                self._stream(_anthropic_events(_reply(self.path, body, text, finish)))
            else:
                self._send(200, _reply(self.path, body, text, finish))

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": []})  # "are you there?", before the first request

        def _send(self, status: int, content: dict[str, Any] | bytes) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, events: list[dict[str, Any]]) -> None:
            data = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # else many clients at once wait a second for their connection

        def handle_error(self, request: Any, client_address: Any) -> None:
            if not isinstance(sys.exception(), ConnectionError):  # clients are killed on purpose here
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def _texts(body: dict[str, Any]) -> tuple[str, str]:
    """System text and first user text of a request in any of the protocols."""
    if "contents" in body:
        system = _text(body.get("systemInstruction", {}).get("parts"))
        return system, _text(body["contents"][0]["parts"])
    messages = body.get("messages") or body.get("input") or []
    system = _text(body.get("system")) or "".join(
        _text(m["content"]) for m in messages if m["role"] in ("system", "developer")
    )
    return system, next((_text(m["content"]) for m in messages if m["role"] == "user"), "")


def _reply(path: str, body: dict[str, Any], text: str, finish: str | None) -> dict[str, Any]:
    model = body.get("model", "loop")
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
        return {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }
    if path.endswith("/responses"):
        content = [{"type": "output_text", "text": text, "annotations": []}]
        message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
        usage = {
            "input_tokens": 100,
            "output_tokens": 50,
            "total_tokens": 150,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        return {
            "id": "r",
            "object": "response",
            "created_at": 1,
            "model": model,
            "status": "completed",
            "output": [message],
            "usage": usage,
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
        }
    if "/messages" in path:
        usage = {"input_tokens": 100, "output_tokens": 50}
        content = [{"type": "text", "text": text}]
        return {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 50, "totalTokenCount": 150}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "loop"}


def _anthropic_events(message: dict[str, Any]) -> list[dict[str, Any]]:
    text = message["content"][0]["text"]
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    return [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 50}},
        {"type": "message_stop"},
    ]
