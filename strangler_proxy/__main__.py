"""The front door: ``python -m strangler_proxy --config routes.yaml`` serves.

Exit codes: 0 done, 1 it cannot serve, 2 the document or the arguments are refused, 3 a rendering
loses something and ``--strict`` was given.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from strangler_proxy.errors import ProxyError, TableRefused

if TYPE_CHECKING:
    from strangler_proxy.table import Table


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of every health check
    try:
        return _run(options)
    except TableRefused as error:
        print(error, file=sys.stderr)  # noqa: T201 - the result of a command
        return 2
    except ValueError as error:
        print(f"strangler_proxy: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:
        print(f"strangler_proxy: {_told(error)}", file=sys.stderr)  # noqa: T201
        return 1
    except ProxyError as error:
        print(f"strangler_proxy: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _told(error: OSError) -> str:
    """What it is about and the reason, without the system's number."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m strangler_proxy",
        description="Serves the routing document, or looks at it without serving.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the document, YAML or JSON")
    parser.add_argument(
        "--state", metavar="FOLDER", help="where the last good table is, if the file cannot say it"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="validate the document and exit")
    what.add_argument("--schema", action="store_true", help="print the document's JSON Schema")
    what.add_argument(
        "--explain", nargs=2, metavar=("METHOD", "TARGET"), help="where would this request go?"
    )
    what.add_argument(
        "--render", metavar="TARGET", help="print as envoy, haproxy, nginx or gateway-api"
    )
    parser.add_argument(
        "-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="for --explain"
    )
    parser.add_argument("--address", help="the client's, for --explain; 127.0.0.1 if not given")
    parser.add_argument("--json", action="store_true", help="print --explain as JSON")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write --render's files there")
    parser.add_argument("--strict", action="store_true", help="fail if --render loses something")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        from strangler_proxy.document.schema import schema_text

        sys.stdout.write(schema_text())
        return 0
    if options.config is None:
        raise ValueError("name the document: --config routes.yaml")
    _check_flags(options)
    if options.check or options.explain or options.render:
        return _look(options)
    return _serve(options.config, options.state)


def _check_flags(options: argparse.Namespace) -> None:
    """Raises ValueError for a flag that would have no effect."""
    owners = {"render": ("--out", "--strict"), "explain": ("--json", "--header", "--address")}
    for owner, flags in owners.items():
        for flag in flags:
            if getattr(options, flag[2:]) and not getattr(options, owner):
                shown = flag.replace("--header", "-H")
                raise ValueError(f"{shown} goes with --{owner}; alone it would do nothing")
    if options.state and (options.check or options.explain or options.render):
        raise ValueError("--state is for serving; what only looks reads the file alone")


def _check_question(options: argparse.Namespace) -> None:
    """Raises ValueError for a request that nobody could send."""
    method, target = options.explain
    if not re.fullmatch(r"[A-Z]+(-[A-Z]+)*", method):
        raise ValueError(f"{method!r} is not a method; write it in upper case, as GET")
    if not re.fullmatch(r"[!-~]+", target):
        raise ValueError(
            f"{target!r} has characters that a target cannot have; write %20 for a space"
        )
    for line in options.header:
        if not re.match(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:", line):
            raise ValueError(f"{line!r} is not a header; write it as Name: value")
    try:
        if options.address not in (None, "unix"):
            ipaddress.ip_address(options.address)
    except ValueError:
        raise ValueError(
            f"{options.address!r} is not an address; write 203.0.113.7, ::1 or unix"
        ) from None


def _look(options: argparse.Namespace) -> int:
    """What needs the document but no traffic."""
    from strangler_proxy.exchange.way import ways_of
    from strangler_proxy.table import load_table_file

    table = load_table_file(options.config)
    ways_of(table.document)
    if options.check:
        print(f"{options.config}: good; revision {table.revision}, {len(table.routes)} routes")  # noqa: T201
        return 0
    if options.render:
        from strangler_proxy.render import render_command

        return render_command(table.document, options.render, options.out, strict=options.strict)
    return _explain(options, table)


def _explain(options: argparse.Namespace, table: Table) -> int:
    import asyncio  # not for those who only check

    from strangler_proxy.auth.credentials import offline_identify
    from strangler_proxy.explain import explain, plain_request

    _check_question(options)
    method, target = options.explain
    address = options.address or "127.0.0.1"
    request = plain_request(method, target, options.header, address=address)
    identify = asyncio.run(offline_identify(table.document.authentication))
    explanation = explain(table, request, time.time(), identify=identify)
    print(json.dumps(explanation.members()) if options.json else explanation)  # noqa: T201
    return 0


def _serve(path: Path, state: str | None) -> int:
    import uvloop

    from strangler_proxy.garbage import look_seldom
    from strangler_proxy.serving import Serving
    from strangler_proxy.starting import first_table

    table = first_table(path, state)

    async def serve() -> None:
        front_door = Serving(table, path)
        look_seldom()
        await front_door.run()

    uvloop.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
