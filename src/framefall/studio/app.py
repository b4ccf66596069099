"""The studio's server: its routes, behind the one guard, over the queue and the worker."""

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

import framefall
from framefall import locks
from framefall.studio.answers import Error
from framefall.studio.place import Place
from framefall.studio.queue import Queue, Refused
from framefall.studio.routes import files, jobs, models, pages
from framefall.studio.routes.served import Studio
from framefall.studio.security import Guard, Rules
from framefall.studio.supervisor import Supervisor
from framefall.studio.uploads import Uploads

ABOUT = """Framefall's studio over HTTP. Every request needs the header `Authorization: Bearer TOKEN`; every refusal is
`{"sentence": "what must hold, what was given, what to do"}`. Work is a job: POST /api/jobs, follow
/api/jobs/{id}/events, take the outputs from /api/files/{id}."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": what}
    for status, what in {
        400: "The request is not well-formed.",
        401: "The token is missing or wrong.",
        403: "Another page has sent the request.",
        404: "There is none of this id.",
        405: "This cannot be done here.",
        408: "Nothing came for too long.",
        409: "This cannot be done now.",
        413: "The request is too large.",
        415: "The body is of another type.",
        416: "No such bytes.",
        421: "The Host is not this server.",
        422: "The request asks for what cannot be.",
        429: "Too much at a time.",
    }.items()
}


def create_app(place: Place, rules: Rules) -> FastAPI:
    """The server of a place, to be run by uvicorn in one process. Raises `ValueError` where another has its home."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locks.alone(place.home.lock))
            except locks.Held as held_by:
                raise ValueError(
                    f"{place.home.path} has a studio already ({held_by}); open that, or say another --home"
                ) from None
            queue = Queue(place.home.database)
            held.callback(queue.close)
            async with Supervisor(place, queue) as supervisor:
                app.state.studio = Studio(place, queue, Uploads(place.home, queue), supervisor, rules)
                # what the first page asks of models takes seconds to import: begun before anybody asks
                imported = asyncio.create_task(asyncio.to_thread(importlib.import_module, "framefall.studio.knowledge"))
                yield
                await imported

    app = _Documented(
        title="Framefall studio",
        version=framefall.__version__,
        description=ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=REFUSALS,
    )
    for part in (jobs, files, models, pages):
        app.include_router(part.router)
    app.add_middleware(Guard, rules=rules)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ValueError, _wrong)
    return app


class _Documented(FastAPI):
    """A server whose schema says that every operation needs the token."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}]
        return schema


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"retry-after": "5"} if error.status == 429 else {}
    return JSONResponse({"sentence": str(error)}, error.status, headers)


def _wrong(_: Request, error: Exception) -> Response:
    """What the library refuses in a sentence of its own."""
    if isinstance(error, ValidationError):  # of an answer: a fault of the studio's
        raise error
    return JSONResponse({"sentence": str(error)}, 422)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
    return JSONResponse({"sentence": f"{place}: {first['msg']}{more}"[:1000]}, 422)


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"sentence": str(error.detail)}, error.status_code, error.headers)
