"""What all contestants of a run share: a home, the upstream, the people, and how to fill a form."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.benchmarks import children
from tests.benchmarks.children import Child
from tests.benchmarks.proxy import identities, machine
from tests.benchmarks.proxy.identities import Person
from tests.benchmarks.proxy.machine import Cores
from tests.ports import free_port

DOCUMENTS = Path(__file__).resolve().parent / "documents"
SMALL, LARGE = 300, 65_536  # bytes of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """``values`` fills the forms in ``documents/``; ``upstream`` answers on two of its ports."""

    home: Path
    cores: Cores
    people: list[Person]
    values: Mapping[str, str]
    upstream: Child

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def upstream_port(self) -> int:
        return int(self.values["monolith"])


def fill(form: str, values: Mapping[str, str]) -> str:
    """``@{name}`` replaced by its value. Raises KeyError for a name that has none."""
    return re.sub(r"@\{(\w+)\}", lambda found: values[found[1]], form)


@contextmanager
def arena() -> Iterator[Arena]:
    """Everything is gone when it ends."""
    programs, cores = machine.programs(), machine.cores()
    home = Path(tempfile.mkdtemp(prefix="ficus-proxy-bench-"))
    home.chmod(0o755)  # nginx as root serves files as nobody
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        stack.enter_context(machine.staying_on(cores.load))
        people = identities.make(home)
        values = {
            **programs,
            **{name: str(free_port()) for name in ("monolith", "service", "taken")},
            "home": str(home),
            "issuer": identities.ISSUER,
            "audience": identities.AUDIENCE,
            "digest": str(stack.enter_context(_digests())),
            "hung": str(stack.enter_context(_hung())),
            "small": body(SMALL).decode(),
        }
        (home / "large.json").write_bytes(body(LARGE))
        upstream = _upstream(home, values, cores)
        stack.callback(children.stop, [upstream])
        children.wait_until_up([upstream], int(values["monolith"]), "/api/small", 10.0)
        yield Arena(home=home, cores=cores, people=people, values=values, upstream=upstream)


def body(size: int) -> bytes:
    """A JSON object of exactly ``size`` bytes, without apostrophes or dollar signs."""
    frame = {"id": "0199a0c2-7c1e-7a52-8f6b-3f1d2b9c4e55", "title": "Ficus lyrata", "text": ""}
    empty = len(json.dumps(frame, separators=(",", ":")))
    frame["text"] = ("A fiddle-leaf fig in a pot of clay. " * (size // 36 + 1))[: size - empty]
    return json.dumps(frame, separators=(",", ":")).encode()


def _upstream(home: Path, values: Mapping[str, str], cores: Cores) -> Child:
    document = home / "upstream.conf"
    document.write_text(fill((DOCUMENTS / "upstream.conf").read_text(), values))
    command = [values["nginx"], "-e", "stderr", "-c", str(document)]
    return children.start("upstream", machine.pinned(cores.load, command), {}, home / "logs")


@contextmanager
def _hung() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in taken:
                connection.close()


class _Digest(BaseHTTPRequestHandler):
    """Answers a body with its SHA-256, to see that it arrived whole."""

    def do_POST(self) -> None:
        taken = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = hashlib.sha256(taken).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a benchmark's output is its figures."""


@contextmanager
def _digests() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Digest) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
