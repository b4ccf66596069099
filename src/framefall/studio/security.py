"""Who is served: one middleware before every route, which refuses whatever it has no reason to let through.

A page that somebody else wrote, open in the same browser, may send requests to this machine, and may have its own
name lead here (DNS rebinding). So every request must name this server (`Host`), must not come from another page
(`Origin`, `Sec-Fetch-Site`), and must have the token, but for the few pages in `PUBLIC`, which say nothing of anybody.
No route can be added that is not covered.
"""

import asyncio
import hmac
import ipaddress
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "DELETE")
SAFE = ("GET", "HEAD")
BODY = 1 << 18  # bytes of any request but an upload
UPLOAD = 1 << 28  # bytes of an uploaded file
FRAME = 1 << 14  # of what stands around it in its request
LINGER = 1.0  # seconds in which whoever is refused may send the rest of a request that nobody reads
UPLOADS = "/api/uploads"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SHORTEST_TOKEN = 16
PUBLIC = re.compile(r"/|/favicon\.ico|/static/.*|/lesson(/.*)?", re.DOTALL)

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
        " font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; frame-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True)
class Refusal:
    """Why a request is not served."""

    status: int
    sentence: str
    headers: Mapping[str, str] | None = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Says so, and ends the connection once the rest of the request has come, or would be too much of it.

        Where a connection is closed on bytes that nobody has read, TCP resets it, and the answer is lost with it.
        """

        async def last(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({**message, "more_body": True})
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    await _discard(receive, BODY)
            await send({"type": "http.response.body", "body": b""})

        headers = {"connection": "close", **(self.headers or {})}
        await JSONResponse({"sentence": self.sentence}, self.status, headers)(scope, receive, last)


@dataclass(frozen=True)
class Rules:
    """What a request must have."""

    token: str
    remote: bool = False  # whether others than this machine are served
    cookie: str = "framefall"
    names: frozenset[str] = frozenset(LOOPBACK)  # that a Host may have

    def refusal(self, method: str, path: str, headers: Headers) -> Refusal | None:
        """Why a request is refused; none for one that is served."""
        own = headers.getlist("host")
        if len(own) != 1 or not self._ours(own[0]):
            return Refusal(421, "the Host must be this server; open the address that framefall studio has said")
        origins = {f"{scheme}://{own[0].lower()}" for scheme in ("http", "https")}
        said = [origin.lower() for origin in headers.getlist("origin")]
        sites = headers.getlist("sec-fetch-site")
        if any(origin not in origins for origin in said) or any(one not in ("same-origin", "none") for one in sites):
            return Refusal(403, "another page may not use the studio; open the address that framefall studio has said")
        if method not in METHODS:
            return Refusal(405, f"the method must be one of {', '.join(METHODS)}")
        if not (method in SAFE and PUBLIC.fullmatch(path)):
            by_header = self.is_token(_bearer(headers))
            if not by_header and not self.is_token(self._in_cookie(headers)):
                return Refusal(
                    401,
                    "the token must come with the request, as the header Authorization: Bearer TOKEN; framefall studio"
                    " says it when it starts",
                    {"www-authenticate": "Bearer"},
                )
            if method not in SAFE and not by_header and not said and "same-origin" not in sites:
                return Refusal(403, "a cookie alone changes nothing: send the header Authorization: Bearer TOKEN")
        return _of_the_body(method, path, headers)

    def is_token(self, said: str) -> bool:
        """Whether it is the token; takes as long for any wrong one."""
        return hmac.compare_digest(said.encode("utf-8", "surrogateescape"), self.token.encode())

    def _ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"].lower()
        return name in self.names or (self.remote and _is_address(name))

    def _in_cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie("; ".join(headers.getlist("cookie"))).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""


def rules(host: str, port: int, token: str) -> Rules:
    """Those of a server that is bound to a host. A name may be rebound, an address may not: any address will do."""
    remote = not is_loopback(host)
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            f"a token must have at least {SHORTEST_TOKEN} characters, ASCII and no spaces, got {len(token)};"
            " leave --token out, and one is made"
        )
    names = {*LOOPBACK, *({host.lower(), socket.gethostname().lower()} if remote else set())}
    return Rules(token=token, remote=remote, cookie=f"framefall-{port}", names=frozenset(names))


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches a server bound to it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """The middleware: refuses, limits the body, and says to browsers what they may do with the answer."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the start of the server."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is no WebSocket here
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store" if path.startswith("/api") else "no-cache")
                if message["status"] == 405:
                    headers["allow"] = _allowed(scope["app"], path)
            await send(message)

        refusal = self.rules.refusal(scope["method"], path, Headers(scope=scope))
        if refusal is not None:
            await refusal.answer(scope, receive, answer)
            return
        most = UPLOAD + FRAME if path == UPLOADS else BODY
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise TooLarge(most)
            return message

        await self.app(scope, limited, answer)


class TooLarge(HTTPException):
    """More came than a request may have."""

    def __init__(self, most: int) -> None:
        sentence = f"a request may have at most {most:,} bytes here; send less"
        super().__init__(413, sentence, {"connection": "close"})


async def _discard(receive: Receive, most: int) -> None:
    """Reads the rest of a request, or at most so many bytes of it."""
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _allowed(app: FastAPI, path: str) -> str:
    """The methods of a path, as the API's own schema has them; what is not in it is read alone."""
    for known, operations in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"{.*?}", "[^/]+", known), path):
            return ", ".join(sorted(method.upper() for method in operations))
    return ", ".join(SAFE)


def _of_the_body(method: str, path: str, headers: Headers) -> Refusal | None:
    length = headers.get("content-length", "0")
    most = UPLOAD + FRAME if path == UPLOADS else BODY
    if not length.isascii() or not length.isdigit() or int(length[:20]) > most:
        return Refusal(413, f"a request may have at most {most:,} bytes here; send less")
    if method == "POST" and (length != "0" or "transfer-encoding" in headers):
        wanted = "multipart/form-data" if path == UPLOADS else "application/json"
        if headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
            return Refusal(415, f"the Content-Type must be {wanted}")
    return None


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")
