"""Files: uploads in, outputs out with ranges, and the folders that may be trained on."""

import os
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse

from framefall.studio.answers import Folder, FolderName, Upload
from framefall.studio.files import TYPES, open_inside
from framefall.studio.routes.replies import upload_of
from framefall.studio.routes.served import Id, Served

router = APIRouter(prefix="/api", tags=["files"])
CHUNK = 1 << 18
PAGE_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; frame-ancestors 'self'"
)

_BYTES: dict[str, dict[str, str]] = {
    kind: {} for kind in (*(one.partition(";")[0] for one in TYPES.values()), "application/octet-stream")
}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                }
            }
        },
    }
}


@router.post("/uploads", status_code=201, openapi_extra=_UPLOAD)
async def upload(served: Served, request: Request) -> Upload:
    """One clip or picture, as multipart/form-data with one file."""
    stored = await served.uploads.take(request.headers.get("content-type", ""), request.stream())
    return upload_of(stored)


@router.get("/uploads")
def uploads(served: Served) -> list[Upload]:
    """All that was uploaded and not deleted, the oldest first."""
    return [upload_of(one) for one in served.queue.files(None)]


@router.delete("/uploads/{id}", status_code=204)
def delete(served: Served, id: Id) -> Response:
    """Removes an upload."""
    served.uploads.delete(id)
    return Response(status_code=204)


@router.get(
    "/files/{id}",
    response_class=Response,
    responses={
        200: {"description": "The bytes of the file.", "content": _BYTES},
        206: {"description": "The bytes of the Range.", "content": _BYTES},
    },
)
def file(served: Served, id: Id, range: Annotated[str | None, Header(max_length=200)] = None) -> Any:
    """The bytes of an output or an upload, or those of one Range of them."""
    stored = served.queue.file(id)
    descriptor = open_inside(served.place.home.path, stored.path)
    size = os.fstat(descriptor).st_size
    type_ = stored.about["type"]
    headers = {"accept-ranges": "bytes", "cache-control": "private, max-age=86400, immutable"}
    if type_.startswith("text/html"):
        headers["content-security-policy"] = PAGE_POLICY  # a page of its own, without scripts, that knows no cookie
    if type_ == "application/octet-stream":
        headers["content-disposition"] = "attachment"
    part = _range(range, size)
    if part is None:
        os.close(descriptor)
        headers["content-range"] = f"bytes */{size}"
        return Response(b'{"sentence": "the Range must lie in the file"}', 416, headers, "application/json")
    first, last = part
    headers["content-length"] = str(last - first)
    partial = range is not None and (first, last) != (0, size)
    if partial:
        headers["content-range"] = f"bytes {first}-{last - 1}/{size}"
    return StreamingResponse(_bytes(descriptor, first, last), 206 if partial else 200, headers, type_)


@router.get("/roots")
def roots(served: Served) -> list[FolderName]:
    """The folders that this studio was started with."""
    return served.place.roots.listed()


@router.get("/folders/{id}")
def folder(served: Served, id: Id) -> Folder:
    """What is in a folder below one of the roots."""
    return served.place.roots.folder(id)


def _bytes(descriptor: int, first: int, last: int) -> Iterator[bytes]:
    try:
        while first < last and (chunk := os.pread(descriptor, min(CHUNK, last - first), first)):
            first += len(chunk)
            yield chunk
    finally:
        os.close(descriptor)


def _range(said: str | None, size: int) -> tuple[int, int] | None:
    """First byte and one after the last of a Range; all of it for none or one that is not understood (RFC 9110)."""
    if said is None or not said.startswith("bytes=") or "," in said:
        return 0, size
    begin, dash, end = said.removeprefix("bytes=").strip().partition("-")
    if (
        not dash
        or not (begin or end)
        or not all(one == "" or (one.isascii() and one.isdigit()) for one in (begin, end))
    ):
        return 0, size
    if not begin:
        first, last = max(0, size - int(end)), size
        return (first, last) if int(end) and size else None
    first, last = int(begin), min(size, int(end) + 1) if end else size
    if end and int(end) < int(begin):
        return 0, size
    return (first, last) if first < size else None
