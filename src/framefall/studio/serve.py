"""The studio's server as a process: what it is given is checked, and it runs until it is told to stop."""

import asyncio
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from framefall import locks
from framefall.studio.app import create_app
from framefall.studio.files import roots as roots_of
from framefall.studio.home import Home, default_home
from framefall.studio.place import Place
from framefall.studio.security import is_loopback, rules


def serve(
    *,
    host: str,
    port: int,
    token: str | None,
    home: Path | None,
    roots: Sequence[Path],
    models: Sequence[Path],
    device: str,
    open_page: bool,
    opened: Callable[[str], None],  # with the address, token included
) -> None:
    """Serves until it is stopped. Raises `ValueError` for what cannot be served."""
    if token is None and not is_loopback(host):
        raise ValueError(
            f"a studio that others can reach needs a token of your own, got --host {host} without one; give --token, or"
            " leave --host out"
        )
    own = Home(Path(home or default_home()).absolute())
    own.prepare()
    place = Place(home=own, roots=roots_of(own, roots), models=_found(models), device=device)
    with _listening(host, port) as listening:
        port = listening.getsockname()[1]
        rule = rules(host, port, token or own.token)
        try:
            with locks.alone(own.lock):
                pass
        except locks.Held as held:
            raise ValueError(f"{own.path} has a studio already ({held}); open that, or say another --home") from None
        app = create_app(place, rule)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, server_header=False, lifespan="on"
        )
        address = f"http://{'localhost' if is_loopback(host) else host}:{port}/?token={rule.token}"
        opened(address)
        if open_page:
            webbrowser.open(address)
        asyncio.run(uvicorn.Server(config).serve([listening]))


def _found(models: Sequence[Path]) -> tuple[Path, ...]:
    if not models:
        return ()
    from framefall.cascade.saved.checkpoint import find  # takes seconds to load, and the page need not wait for it

    return tuple(find(one).absolute() for one in models)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(256)
    except OSError as error:
        found.close()
        raise ValueError(
            f"the studio must have a port of its own, and {host}:{port} cannot be had ({error.strerror}); say another"
            " with --port"
        ) from None
    return found
