"""A worker process. Only its supervisor starts it: it brings the socket to be told by."""

from __future__ import annotations

import argparse
import logging
import socket

import uvloop

from strangler_proxy.garbage import look_seldom
from strangler_proxy.workers.door import Door
from strangler_proxy.workers.link import serve


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="strangler_proxy.workers", description=__doc__)
    parser.add_argument("--worker", type=int, required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    given = parser.parse_args()
    form = f"%(asctime)s %(levelname)s worker {given.worker}: %(message)s"
    logging.basicConfig(format=form, level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of every health check
    look_seldom()
    uvloop.run(serve(Door(), socket.socket(fileno=given.control_fd)))


if __name__ == "__main__":
    main()
