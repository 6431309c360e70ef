"""The front door: ``python -m strangler_proxy --config routes.yaml`` serves.

Exit codes: 0 done, 1 it cannot serve, 2 the document or the arguments are refused, 3 a rendering
loses something and ``--strict`` was given.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import structlog

from strangler_proxy.errors import ProxyError, TableRefused


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
    except (ProxyError, OSError) as error:
        print(f"strangler_proxy: {error}", file=sys.stderr)  # noqa: T201
        return 1


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
    parser.add_argument("--address", default="127.0.0.1", help="the client's, for --explain")
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
        print("strangler_proxy: name the document: --config routes.yaml", file=sys.stderr)  # noqa: T201
        return 2
    if options.check or options.explain or options.render:
        return _look(options)
    return _serve(options.config, options.state)


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
    from strangler_proxy.auth.credentials import offline_identify
    from strangler_proxy.explain import explain, plain_request

    method, target = options.explain
    request = plain_request(method, target, options.header, address=options.address)
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
    # What is said goes to stderr: stdout is the access log, or the answer to a question.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(main())
