"""The command `shelfcast page`."""

from __future__ import annotations

import argparse
from pathlib import Path

from jobs.arguments import lakehouse_of


def page_command(commands: argparse._SubParsersAction) -> None:
    page = commands.add_parser("page", help="a planner's page in the browser: orders, why, decisions")
    page.add_argument("--lakehouse", required=True)
    page.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    page.add_argument("--port", type=int, default=8080, help="(8080)")
    page.add_argument("--author-header", metavar="NAME", help="header in which a proxy says who is signed in")
    page.add_argument("--open-to-network", action="store_true", help="a --host that other machines reach is meant")
    page.add_argument("--conf", type=Path)
    page.set_defaults(action=_page)


def _page(options: argparse.Namespace) -> int:
    from jobs.page.serve import serve

    serve(lakehouse_of(options), options.host, options.port, options.author_header, is_open=options.open_to_network)
    return 0
