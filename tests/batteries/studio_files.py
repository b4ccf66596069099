"""Files of the studio: no name leads out of its root, and no upload exhausts the host.

    python tests/batteries/studio_files.py [COUNT]      prints a JSON report a promise; exit code 1 if one is broken

Ten times COUNT names are opened, and COUNT more while somebody swaps them for links; COUNT uploads are too large, too
many, too slow or broken, fifty at a time.
"""

import asyncio
import contextlib
import io
import json
import mmap
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from report import Report
from studios import rss, tiny

from framefall.studio.files import open_inside
from framefall.studio.queue import Refused
from framefall.studio.uploads import Uploads


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """Both promises."""
    from serving import place_of, served

    folder.mkdir(parents=True, exist_ok=True)
    with served(place_of(folder / "home", (tiny(folder),))) as studio:
        return [names(count, folder / "names", seed), uploads(studio, count, seed)]


# ---------------------------------------------------------------- names


def names(count: int, folder: Path, seed: int) -> Report:
    """Row 26: names against an oracle, and names that are swapped for links while they are opened."""
    import test_files as cases

    generator = random.Random(seed)
    root = folder / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "ä ö").mkdir()
    for inner in (root, root / "a", root / "a" / "b", root / "ä ö"):
        (inner / "file.txt").write_text("inside")
    (folder / "secret").write_text("secret")
    (root / "link").symlink_to(folder / "secret")
    (root / "out").symlink_to(folder)
    broken, opened, naive = list[str](), 0, 0
    for _ in range(10 * count):
        parts = [generator.choice(cases.PARTS) for _ in range(generator.randint(0, 4))]
        relative = "/".join(parts)
        wanted = _oracle(root, relative)
        found = _opens(open_inside, root, relative)
        opened += found is not None
        if found != wanted:
            broken.append(f"{relative!r}: {found} and not {wanted}")
        other = _opens(lambda base, name: os.open(f"{base}/{name}", os.O_RDONLY | os.O_NONBLOCK), root, relative)
        naive += other is not None and wanted is None
    if cases.escapes(open_inside, root, count):
        broken.append("a name that was swapped for a link led out of the root")
    swapped = cases.escapes(cases.naive, root, 20_000)
    return Report(
        name="no name leaves its root",
        promise="Whatever is named, nothing outside the root is opened, and what plainly lies inside is",
        row=26,
        tried=11 * count,
        held=11 * count - len(broken),
        window="names that opened something",
        hits=opened,
        least_hits=count // 4,
        control="names joined and opened, and names looked at first and opened then",
        control_tried=10 * count + 1,
        control_broke=min(naive, 10 * count) if swapped else 0,
        broken=tuple(broken[:20]),
        figures={"swapped names led the naive check out": bool(swapped)},
    )


def _oracle(root: Path, relative: str) -> tuple[int, int] | None:
    """What a name should open: found by walking the root, never by opening the name."""
    parts = relative.split("/") if relative else []
    here = root
    for part in parts:
        entries = {entry.name: entry for entry in os.scandir(here)} if here.is_dir() else {}
        if part not in entries or entries[part].is_symlink():
            return None
        here = here / part
    status = here.stat()
    return status.st_dev, status.st_ino


def _opens(how: Callable[[Path, str], int], root: Path, relative: str) -> tuple[int, int] | None:
    try:
        descriptor = how(root, relative)
    except (Refused, OSError, ValueError):
        return None
    status = os.fstat(descriptor)
    os.close(descriptor)
    return status.st_dev, status.st_ino


# ---------------------------------------------------------------- uploads


def uploads(studio: Any, count: int, seed: int) -> Report:
    """Row 27: uploads that are too much, in every way, fifty at a time; an honest one in between."""
    generator, broken, honest = random.Random(seed), list[str](), list[float]()
    kept: Uploads = studio.app.state.studio.uploads
    most, kept.most, total, kept.total, patience, kept.patience = kept.most, 1 << 22, kept.total, 1 << 24, 10.0, 2.0
    before, process = {path.name for path in studio.place.home.uploads.iterdir()}, os.getpid()
    good = _picture()
    url, auth = f"{studio.url}/api/uploads", {"authorization": studio.client.headers["authorization"]}
    studio.client.post("/api/uploads", files={"file": ("a.png", good)})
    begin, peak, disk = rss(process), 0, 0

    async def bad(client: httpx.AsyncClient, number: int) -> int:
        kind = number % 6
        edge = b"--edge\r\n"
        head = edge + b'Content-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'

        async def slow() -> Any:
            yield head
            await asyncio.sleep(2 * kept.patience)

        async def large() -> Any:
            yield head
            for _ in range(80):
                yield os.urandom(1 << 16)

        bodies: list[Any] = [
            slow(),
            large(),
            edge * 1000,
            head + b"x" * 1000,
            b"--edge\r\n" + b"A: b\r\n" * 1000,
            head + os.urandom(generator.randint(1, 100_000)) + b"\r\n--edge--\r\n",
        ]
        try:
            headers = {**auth, "content-type": "multipart/form-data; boundary=edge"}
            return (await client.post(url, content=bodies[kind], headers=headers, timeout=30)).status_code
        except httpx.HTTPError:
            return 400  # the server has closed the connection before all was sent

    async def many(numbers: range) -> list[int]:
        limits = httpx.Limits(max_connections=60)
        async with httpx.AsyncClient(limits=limits) as client:
            tasks = [asyncio.create_task(bad(client, number)) for number in numbers]
            nonlocal peak, disk
            while not all(task.done() for task in tasks):
                peak = max(peak, rss(process) - begin)
                disk = max(disk, _taken(studio.place.home.uploads))
                await asyncio.sleep(0.05)
            return [task.result() for task in tasks]

    with ThreadPoolExecutor(1) as pool:
        for first in range(0, count, 50):
            later = pool.submit(lambda first=first: asyncio.run(many(range(first, min(first + 50, count)))))
            time.sleep(0.3)
            began = time.monotonic()
            answer = studio.client.post("/api/uploads", files={"file": ("a.png", good)})
            honest.append(time.monotonic() - began)
            if answer.status_code != 201:
                broken.append(f"an honest upload got {answer.status_code}: {answer.text}")
            else:
                studio.client.delete(f"/api/uploads/{answer.json()['id']}")
            broken += [
                f"a bad one got {status}" for status in later.result() if status not in (400, 408, 413, 422, 429)
            ]
    left = {path.name for path in studio.place.home.uploads.iterdir() if path.name not in before}
    kept.most, kept.total, kept.patience = most, total, patience
    checks = {
        "memory grows by at most 64 MiB": peak <= 64 << 20,
        "the disk has no more than the quota": disk <= 1 << 24,
        "nothing is left": len([name for name in left if name.endswith(".partial")]) == 0,
        "an honest one takes at most 1 s": max(honest) <= 1.0,
    }
    broken += [name for name, held in checks.items() if not held]
    naive = _naive_memory()
    return Report(
        name="uploads exhaust nothing",
        promise="Uploads that are too large, slow, many or broken cost no memory, no disk and nobody else's turn",
        row=27,
        tried=count + len(checks),
        held=count + len(checks) - len(broken),
        control="a server that reads a body into memory before it looks at it",
        control_tried=1,
        control_broke=naive,
        broken=tuple(broken[:20]),
        figures={
            "MiB more in memory": round(peak / (1 << 20), 1),
            "MiB on the disk": round(disk / (1 << 20), 1),
            "an honest one, s": round(max(honest), 2),
        },
    )


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


def _naive_memory() -> int:
    """Whether fifty bodies of 4 MiB, each read whole, need more than is allowed."""
    before = rss(os.getpid())
    # pages of their own: what this process has let go of before would serve bytes, and nothing would grow
    bodies = [mmap.mmap(-1, 1 << 22) for _ in range(50)]
    for body in bodies:
        body.write(bytes(1 << 22))
    grown = rss(os.getpid()) - before
    return int(grown > 64 << 20 and len(bodies) == 50)


def _taken(folder: Path) -> int:
    """Bytes of uploads that are under way; one may end while they are counted."""
    taken = 0
    for path in folder.glob("*.partial"):
        with contextlib.suppress(FileNotFoundError):
            taken += path.stat().st_size
    return taken


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as base:
        found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Path(base) / "files")
    for one in found:
        print(json.dumps(one.json(), indent=1))
    sys.exit(0 if all(one.passed for one in found) else 1)
