"""Uploads: what is too much, too slow or no picture is refused, and nothing of it stays."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import Served, place_of

from framefall.studio.queue import Queue, Refused
from framefall.studio.uploads import Uploads, plain_name

TYPE = "multipart/form-data; boundary=edge"


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    place = place_of(tmp_path / "home")
    queue = Queue(place.home.database)
    yield Uploads(place.home, queue, most=50_000, total=120_000, patience=0.3)
    queue.close()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("picture") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 120, 3), dtype=np.uint8)).save(path)
    return path.read_bytes()


def body(content: bytes, name: str = 'filename="a.png"', edge: bytes = b"edge") -> bytes:
    head = b"--" + edge + f'\r\nContent-Disposition: form-data; name="file"; {name}\r\n\r\n'.encode()
    return head + content + b"\r\n--" + edge + b"--\r\n"


def take(uploads: Uploads, sent: bytes, chunk: int = 1000, wait: float = 0.0, type_: str = TYPE):
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(sent), chunk):
            await asyncio.sleep(wait)
            yield sent[at : at + chunk]

    return asyncio.run(uploads.take(type_, pieces()))


def left(uploads: Uploads) -> list[str]:
    return [path.name for path in uploads._home.uploads.iterdir()]


def test_a_picture_is_kept_under_a_name_of_the_servers(uploads: Uploads, picture: bytes) -> None:
    found = take(uploads, body(picture, 'filename="../../etc/passwd"'))
    assert found.about["name"] == "passwd" and found.about["kind"] == "image"
    assert (found.about["width"], found.about["height"], found.about["frames"]) == (120, 100, 1)
    assert left(uploads) == [f"{found.id}.png"] and (uploads._home.path / found.path).read_bytes() == picture
    uploads.delete(found.id)
    assert left(uploads) == [] and uploads.taken == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (body(b"x" * 60_000), 413),  # more than one file may have
        (body(b"no picture at all"), 422),
        (body(b"#EXTM3U\nhttp://evil.test/a.ts"), 422),
        (body(b""), 422),
        (body(b"x", "x=y"), 400),  # a field, not a file
        (body(b"x")[:-10], 400),  # its end never comes
        (body(b"x", edge=b"other"), 400),
        (b"", 400),
        (body(b"x")[:-4] + b"\r\n" + body(b"x"), 400),  # two of them
        (b"--edge\r\n" + b"X-Y: z\r\n" * 100 + b"\r\nx\r\n--edge--\r\n", 400),  # headers without end
        (b"--edge\r\n" + b"X" * 100_000, 400),
        (b"--edge\r\n\r\n\r\n" * 1000, 400),  # a thousand empty parts
    ],
)
def test_what_is_no_upload_is_refused_and_leaves_nothing(uploads: Uploads, sent: bytes, status: int) -> None:
    with pytest.raises(Refused) as error:
        take(uploads, sent)
    assert error.value.status == status and left(uploads) == [] and uploads.taken == 0


def test_whoever_sends_nothing_for_long_is_refused(uploads: Uploads, picture: bytes) -> None:
    with pytest.raises(Refused) as error:
        take(uploads, body(picture), wait=1.0)
    assert error.value.status == 408 and left(uploads) == []


def test_all_together_have_no_more_room_than_there_is(uploads: Uploads, picture: bytes) -> None:
    assert 35_000 < len(picture) < 40_000
    for _ in range(3):
        take(uploads, body(picture))
    with pytest.raises(Refused, match="no room") as error:
        take(uploads, body(picture))
    assert error.value.status == 413 and len(left(uploads)) == 3


def test_what_an_upload_that_was_killed_has_left_goes_with_the_next_start(uploads: Uploads, picture: bytes) -> None:
    kept = take(uploads, body(picture))
    (uploads._home.uploads / "0123.partial").write_bytes(b"half")
    again = Uploads(uploads._home, uploads._queue)
    assert left(again) == [f"{kept.id}.png"] and again.taken == len(picture)


def test_other_types_are_refused(uploads: Uploads) -> None:
    for type_ in ("application/json", "multipart/form-data", "multipart/mixed; boundary=edge"):
        with pytest.raises(Refused) as error:
            take(uploads, body(b"x"), type_=type_)
        assert error.value.status == 415


def test_a_video_comes_through_the_server(studio: Served, clips: Path) -> None:
    found = studio.upload(clips / "0001.mp4", "my clip.mp4")
    assert found["kind"] == "video" and found["frames"] == 120 and found["name"] == "my clip.mp4"
    assert found["id"] in [one["id"] for one in studio.client.get("/api/uploads").json()]
    assert studio.client.delete(f"/api/uploads/{found['id']}").status_code == 204
    assert studio.client.get(found["url"]).status_code == 404
    with httpx.Client(base_url=studio.url) as stranger:
        assert stranger.post("/api/uploads", files={"file": ("a.png", b"x")}).status_code == 401


def test_names_are_shown_as_plain_text() -> None:
    assert plain_name("C:\\videos\\a.mp4") == "a.mp4" and plain_name("a\r\nb\0\u202e.mp4") == "ab.mp4"
    assert len(plain_name("ä" * 1000)) == 200
