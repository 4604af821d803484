"""A real web server on 127.0.0.1 for what the sources download."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pneumonia.params.stages import Compute


@dataclass
class WebServer:
    """`files` are served by path. Of those in `cut_off` and `stalled` only 30 % is sent, though the header promises the
    whole; then the connection is closed, or stays as it is. What is in `circling` is always said to be elsewhere.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut_off: set[str] = field(default_factory=set)
    stalled: set[str] = field(default_factory=set)
    circling: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)
    requests: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            server.requests[path] += 1
            if path in server.circling:
                self.send_response(302)
                self.send_header("Location", self.path)
                self.end_headers()
                return
            if path not in server.files:
                self.send_error(404)
                return
            body = server.files[path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = path in server.cut_off | server.stalled
            self.wfile.write(body[: len(body) * 3 // 10] if cut else body)
            if path in server.stalled:
                server.over.wait()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: pytest shows what the code under test writes to stderr."""

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = WebServer(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def compute() -> Compute:
    return Compute(scheduler="local", workers=1)
