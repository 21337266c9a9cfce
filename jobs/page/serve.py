"""Start the planner's page on this machine."""

from __future__ import annotations

import contextlib
import sys

from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError, ShelfcastError


def serve(lake: Lakehouse, host: str, port: int, author_header: str | None, *, is_open: bool) -> None:
    """Serve until interrupted. `is_open`: other machines may call, which needs to be said.

    Raises ConfigError without the extra `page`, and for an address of other machines that was not meant.
    """
    try:
        import uvicorn

        from jobs.page.answers import PageOptions
        from jobs.page.guard import LOOPBACK
        from jobs.page.web import page_of
    except ImportError as error:
        raise ConfigError(f"the page needs {error.name}; install the extra: `pip install 'shelfcast[page]'`") from None
    is_loopback = host in LOOPBACK
    if not (is_loopback or is_open):
        raise ConfigError(
            f"--host {host} lets other machines read and decide; say so with --open-to-network, and put a proxy in "
            "front that signs people in and names them (--author-header)"
        )
    if not is_loopback:
        warning = f"WARNING: whoever reaches {host}:{port} can read the plan and decide orders"
        believed = f"; {author_header} is believed, whoever sends it" if author_header else ", under any name"
        print(warning + believed, file=sys.stderr)
    page = page_of(lake, PageOptions(author_header, is_loopback))
    with contextlib.suppress(ShelfcastError):  # the page itself says what is wrong
        page.state.published.day()
    print(f"http://{host}:{port} shows {lake.base}; Ctrl-C ends it", flush=True)
    uvicorn.run(page, host=host, port=port, log_level="warning")
