"""The pages themselves, out of the package. They say nothing of anybody, and need no token; what they ask for does."""

import os
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from framefall.studio.files import TYPES, open_inside
from framefall.studio.queue import Refused
from framefall.studio.routes.served import Served

router = APIRouter(include_in_schema=False)
STATIC = Path(__file__).parents[1] / "static"
SHOWN = TYPES | {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".vtt": "text/vtt; charset=utf-8",
    ".ico": "image/x-icon",
}
_NO_PAGE = "<!doctype html><title>Framefall studio</title><p>The pages are not in this package; the API is at /api."


@router.get("/")
def home(served: Served, token: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """The studio; with the token it is remembered in a cookie that no other page can send, and leaves the address."""
    if token:
        if not served.rules.is_token(token):
            raise Refused(401, "this is not the token of this studio; open the address that it has said")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(served.rules.cookie, token, max_age=30 * 86400, httponly=True, samesite="strict")
        return answer
    return _page("index.html")


@router.get("/lesson", response_class=RedirectResponse)
def to_lesson() -> Response:
    """The lesson is a folder."""
    return RedirectResponse("/lesson/", 308)


@router.get("/lesson/{name:path}")
def lesson(name: str) -> Response:
    """The lesson's pages."""
    return _page(f"lesson/{name or 'index.html'}")


@router.get("/static/{name:path}")
def static(name: str) -> Response:
    """Whatever a page is made of."""
    return _page(name)


@router.get("/favicon.ico")
def icon() -> Response:
    """The picture beside the page's name."""
    return _page("favicon.svg")


def _page(name: str) -> Response:
    if name == "index.html" and not (STATIC / name).exists():
        return HTMLResponse(_NO_PAGE)
    os.close(open_inside(STATIC, name))
    path = STATIC / name
    if path.suffix not in SHOWN or not path.is_file():
        raise Refused(404, "there is no such page")
    return FileResponse(path, media_type=SHOWN[path.suffix])
