"""A scripted server on localhost that speaks the chat protocol, for the tests of the language-model source."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from zssar.text import llm
from zssar.text.answers import write_answers
from zssar.text.describe import describe

PROMPTS = Path(__file__).parents[1] / "prompts"
NAMES = ["drink water", "kick", "wave", "sit down"]
KEY = "test-value-not-a-secret"
GOOD = {
    "start": "the right hand rises from the hip to the chest",
    "middle": "the hand goes on to the mouth and the head tips back",
    "end": "the hand sinks back to the hip and the head comes level",
}


@dataclass
class Step:
    """What the server does with one request instead of answering well."""

    status: int = 200
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    text: str | None = None  # the message's content
    refusal: str | None = None
    finish: str = "stop"
    raw: bytes | None = None  # the whole body
    error: dict = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """Uses up ``script`` step by step, then answers well. ``requests``: (time, body, headers) of everything asked."""

    daemon_threads = True

    def __init__(self, script=(), answer=lambda body: json.dumps(GOOD)):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.answer, self.requests, self.lock = list(script), answer, [], threading.Lock()
        self.busy = self.most_busy = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def questions(self) -> list[str]:
        return [body["messages"][0]["content"] for _, body, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append((time.monotonic(), body, {k.lower(): v for k, v in self.headers.items()}))
            step = server.script.pop(0) if server.script else Step()
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        try:
            time.sleep(step.delay)
            self._reply(step, body)
        finally:
            with server.lock:
                server.busy -= 1

    def _reply(self, step, body):
        if step.raw is not None:
            data = step.raw
        elif step.status != 200:
            data = json.dumps({"error": {"message": f"scripted {step.status}", **step.error}}).encode()
        else:
            content = None if step.refusal else step.text if step.text is not None else self.server.answer(body)
            message = {"role": "assistant", "content": content, "refusal": step.refusal}
            choice = {"index": 0, "finish_reason": step.finish, "message": message}
            data = json.dumps(
                {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 1,
                    "model": body["model"] + "-2026",
                    "choices": [choice],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
                }
            ).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(step.status)
            for key, value in {"Content-Type": "application/json", "Content-Length": len(data), **step.headers}.items():
                self.send_header(key, str(value))
            self.end_headers()
            self.wfile.write(data)


@contextlib.contextmanager
def serving(script=(), **options):
    server = Server(script, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(kind, server, tmp_path, names=NAMES, only=(), dry_run=False, again=False, **params):
    params = {"model": "m", "base_url": server.base_url, "retries": 2, "concurrency": 1, **params}
    output = tmp_path / "m-1" / "phases.jsonl"
    lines = describe(kind, names, "m-1", params, tmp_path, output, only, dry_run, again)
    if lines is not None:
        write_answers(output, lines)
        llm.finish(output, lines)
    return lines
