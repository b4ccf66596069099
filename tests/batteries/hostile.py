"""Hostile models and media: each is refused at once and in little memory, in one sentence; nothing is run or opened.

    python tests/batteries/hostile.py [COUNT]      prints JSON reports; exit code 1 if a promise is broken

Models are copies of a sound one with one value of their config, or one of their files, made hostile; media are bombs,
damaged files and files that point to others. Each is opened the way that every command opens it. What happens is
watched from outside of what is tested: CPU time and the peak of memory by the kernel, opening of a canary file by
inotify (also in the decode worker), connections by a socket that listens, running of code by Python's audit hook.

The controls open the same in the way that comes to mind first: `json.load` and building what it says; `av.open` of a
path; `pickle`.
"""

import contextlib
import ctypes
import io
import json
import os
import pickle
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a program it finds its neighbours too
from report import Report

from cases.drawing import clip, huge_gif, like_a_model, pictures, repeated, sparse
from cases.odd_models import MODELS, UNSIGNED, tensors
from framefall.cascade.saved.checkpoint import load_cascade, verified
from framefall.data.media import isolated
from framefall.data.media.decode import DecodeError, decode, probe

SECONDS, KILOBYTES = 5.0, 1 << 20
RUNS_CODE = {"pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn"}
RUNS_CODE |= {"subprocess.Popen", "socket.connect"}
EXTREMES = (0, -1, 10**5, 10**9, 10**19, 1e300, -1e300, 1e-300, None, True, "x", [], {}, [1, 2, 3], "9" * 10_000)


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """Rows 13, 28 and 29: `count` hostile models, as many media, and as many that point elsewhere."""
    model = folder / "sound"
    _train(folder, model)
    isolated._end_all()
    media = [
        _bombs(count, folder, seed),
        _pointing(count, folder, seed),
    ]
    return [_models(count, folder, model, seed), *media]


# ---------------------------------------------------------------- models


def _models(count: int, folder: Path, model: Path, seed: int) -> Report:
    draw, broken, refused, loaded, slowest, largest = random.Random(seed), list[str](), 0, 0, 0.0, 0
    marker = folder / "code ran"
    for number in range(count):
        place = folder / "model"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(model, place)
        name = _hostile_model(place, number, draw, marker)
        before = _listed(place)
        with _watched() as seen:
            spent, peak, said = _measured(lambda place=place: verified(place))
        slowest, largest = max(slowest, spent), max(largest, peak)
        if said is None:  # a value that is odd and sound: then it must load everywhere
            loaded += 1
        refused += said is not None
        fault = [
            *([f"{spent:.1f} s"] if spent > SECONDS else []),
            *([f"{peak >> 10} MB"] if peak > KILOBYTES else []),
            *([f"ran {seen}"] if seen else []),
            *(["changed"] if before != _listed(place) else []),
            *([f"said {said[:200]!r}"] if said and not _sentence(said) else []),
            *(["wrote"] if marker.exists() else []),
        ]
        broken += [f"{name}: {', '.join(fault)}"] if fault else []
    controls = ("pickle", "config-heads-0", "config-depth-1e5")[: 3 if count >= 60 else 1]
    naive = sum(_naive_model_breaks(folder, model, name) for name in controls)
    return Report(
        name="hostile models",
        promise=f"a hostile model is refused within {SECONDS:g} s and 1 GB in one sentence; nothing is run or written",
        row=29,
        tried=count,
        held=count - len(broken),
        window="the model is refused, not loaded",
        hits=refused,
        least_hits=count * 8 // 10,
        control="pickle.load, and building what json.load says",
        control_tried=len(controls),
        control_broke=naive,
        broken=tuple(broken),
        figures={
            "slowest_seconds": round(slowest, 2),
            "most_megabytes": largest >> 10,
            "loaded": loaded,
        },
    )


def _hostile_model(place: Path, number: int, draw: random.Random, marker: Path) -> str:
    """Makes the copy hostile; its name."""
    named = [name for name in MODELS if name != "half-a-model"]
    if number < len(named):
        MODELS[named[number]](place)
        if named[number] not in UNSIGNED:
            like_a_model(place)
        return named[number]
    kind = number % 4
    if kind == 0:
        return _odd_file(place, draw, marker)
    if kind == 1:
        dtype = draw.choice(["BOOL", "I8", "I64", "C64", "F8_E4M3"])
        stage = draw.choice(["base", "temporal_sr", "spatial_sr"])
        tensors(place, dtype, stage)
        like_a_model(place)
        return f"{stage} of {dtype}"
    path = place / "config.json"
    values = json.loads(path.read_text())
    places = list(_leaves(values["stages"]))
    parent, key, label = draw.choice(places)
    parent[key] = extreme = draw.choice(EXTREMES)
    path.write_text(json.dumps(values))
    like_a_model(place)
    return f"{label} = {str(extreme)[:20]}"


def _odd_file(place: Path, draw: random.Random, marker: Path) -> str:
    name = draw.choice(["config.json", "base.safetensors", "card.json", "README.md", "manifest.json", "more.bin"])
    what = draw.choice(["fifo", "device", "link", "folder", "sparse", "pickle", "nested", "deep header"])
    path = place / name
    path.unlink(missing_ok=True)
    if what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to(draw.choice(["/dev/zero", "/dev/urandom", "/dev/tty"]))
    elif what == "link":
        path.symlink_to(draw.choice(["/etc/passwd", "/proc/self/mem", "..", name]))
    elif what == "folder":
        path.mkdir()
    elif what == "sparse":
        sparse(path, draw.choice([2 << 30, 20 << 30]))
    elif what == "pickle":
        path.write_bytes(pickle.dumps(_Runs(marker)))
    elif what == "nested":
        path.write_bytes(draw.choice([b"[", b'{"a":']) * 200_000)
    else:
        path.write_bytes(draw.choice([b"\xff" * 8, (1 << 40).to_bytes(8, "little")]) + b"{}")
    if name != "manifest.json" and draw.random() < 0.7:
        like_a_model(place)
    return f"{name} is {what}"


class _Runs:
    """What runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


_NAIVE = """
import json, pickle, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (8, 8))
if sys.argv[1] == "pickle":
    pickle.load(open(sys.argv[2], "rb"))
else:
    from framefall.models.registry import build
    from framefall.models.transformer import TransformerConfig
    values = json.load(open(sys.argv[2]))["stages"]["base"]["backbone"]
    build(TransformerConfig(**{**values, "patch": tuple(values["patch"])}))
"""


def _naive_model_breaks(folder: Path, model: Path, name: str) -> bool:
    """Whether the loader that comes to mind first runs code, ends in a traceback or runs out of time."""
    place, marker = folder / "naive", folder / "naive ran"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(model, place)
    if name == "pickle":
        (place / "config.json").write_bytes(pickle.dumps(_Runs(marker)))
    else:
        MODELS[name](place)
    words = [sys.executable, "-c", _NAIVE, name, str(place / "config.json")]
    done = subprocess.run(words, capture_output=True, check=False)
    return marker.exists() if name == "pickle" else done.returncode != 0


# ---------------------------------------------------------------- media

BOMBS: dict[str, Callable[[Path, random.Random], object]] = {
    "video of 40 megapixels": lambda to, draw: repeated(to / "z.mp4", 7680, 5120, draw.randint(20, 60)),
    "video of 8 megapixels": lambda to, draw: repeated(to / "z.mkv", 3840, 2160, draw.randint(1000, 3000)),
    "gif of many pixels": lambda to, draw: huge_gif(to / "z.gif", draw.randint(2000, 9000), 6000, 1000),
    "gif beyond all": lambda to, draw: huge_gif(to / "z.gif", 65535, 65535, 2),
    "sparse": lambda to, draw: sparse(to / "z.mp4", draw.randint(2, 30) << 30, b"\0\0\0\x18ftypisom\0\0\0\0isomiso2"),
    "fifo": lambda to, draw: os.mkfifo(to / draw.choice(["z.mp4", "z.png", "z.gif"])),
    "device": lambda to, draw: (to / "z.mkv").symlink_to(draw.choice(["/dev/zero", "/dev/urandom"])),
    "png beyond all": lambda to, draw: _png(to / "z.png", draw.randint(7000, 2**31 - 1), draw.randint(7000, 2**31 - 1)),
    "bmp beyond all": lambda to, draw: _bmp(to / "z.bmp", 60_000, 60_000),
    "noise": lambda to, draw: (to / "z.mp4").write_bytes(draw.randbytes(5000)),
    "half a video": lambda to, draw: _cut(to, draw),
    "empty": lambda to, draw: (to / "z.webm").touch(),
}


def _bombs(count: int, folder: Path, seed: int) -> Report:
    draw, broken, refused, slowest, largest = random.Random(seed), list[str](), 0, 0.0, 0
    for number in range(count):
        place = folder / "media"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        name = list(BOMBS)[number % len(BOMBS)]
        BOMBS[name](place, draw)
        (file,) = place.glob("z.*")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent, peak, said = _measured(lambda file=file: _decoded(file))
        isolated._end_all()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        peak += after.ru_maxrss
        slowest, largest, refused = max(slowest, spent), max(largest, peak), refused + (said is not None)
        fault = [
            *([f"{spent:.1f} s"] if spent > SECONDS else []),
            *([f"{peak >> 10} MB"] if peak > KILOBYTES + (KILOBYTES >> 2) else []),
            *([f"said {said[:200]!r}"] if said and not _sentence(said) else []),
            *(["taken"] if said is None else []),
        ]
        broken += [f"{name}: {', '.join(fault)}"] if fault else []
    place = folder / "naive media"
    place.mkdir()
    BOMBS["gif of many pixels"](place, draw)
    seconds = 3 if count >= 60 else 1
    line = [sys.executable, "-c", _NAIVE_MEDIA, place / "z.gif", str(seconds)]
    child = subprocess.run(line, capture_output=True, check=False)
    return Report(
        name="hostile media",
        promise=f"hostile media are refused within {SECONDS:g} s of CPU and 1.25 GB, worker included, in one sentence",
        row=13,
        tried=count,
        held=count - len(broken),
        window="the file is refused, not decoded",
        hits=refused,
        least_hits=count,
        control=f"every frame loaded by Pillow within {seconds} s of CPU",
        control_tried=1,
        control_broke=int(child.returncode != 0),
        broken=tuple(broken),
        figures={"slowest_seconds": round(slowest, 2), "most_megabytes": largest >> 10},
    )


_NAIVE_MEDIA = """
import resource, sys
from PIL import Image, ImageSequence
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]),) * 2)
for page in ImageSequence.Iterator(Image.open(sys.argv[1])):
    page.load()
"""


def _decoded(file: Path) -> None:
    probe(file)
    for _ in decode(file, short_side=64):
        pass


def _png(path: Path, width: int, height: int) -> None:
    Image.new("L", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    path.write_bytes(data)


def _bmp(path: Path, width: int, height: int) -> None:
    Image.new("RGB", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[18:26] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    path.write_bytes(data)


def _cut(folder: Path, draw: random.Random) -> None:
    data = clip(folder / "z.mp4", pictures(24)).read_bytes()
    (folder / "z.mp4").write_bytes(data[: int(len(data) * draw.uniform(0.1, 0.8))])


# ---------------------------------------------------------------- what points elsewhere

POINTING: dict[str, Callable[[str, int], bytes]] = {
    "hls": lambda path, port: f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n".encode(),
    "hls of the network": lambda path, port: (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n".encode()
    ),
    "concat": lambda path, port: f"ffconcat version 1.0\nfile '{path}'\n".encode(),
    "dash": lambda path, port: (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet>'
        f'<Representation id="1" bandwidth="1"><BaseURL>http://127.0.0.1:{port}/a.mp4</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode(),
    "sdp": lambda path, port: f"v=0\ns=x\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n".encode(),
    "subfile": lambda path, port: f"subfile,,start,0,end,0,,:{path}".encode(),
    "url": lambda path, port: f"[InternetShortcut]\nURL=file://{path}\n".encode(),
    "mov reference": lambda path, port: _reference_movie(path),
    "svg": lambda path, port: f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{path}"/></svg>'.encode(),
}


# what FFmpeg follows, and the suffix under which it does; what else points elsewhere it does not understand
NAIVE_POINTING = {"concat": ".mp4", "hls": ".m3u8", "hls of the network": ".m3u8"}
_NAIVE_OPEN = {"protocol_whitelist": "file,crypto,data,http,https,tcp,tls"}


def _pointing(count: int, folder: Path, seed: int) -> Report:
    draw, broken, place = random.Random(seed), list[str](), folder / "pointing"
    place.mkdir()
    canary = clip(place / "canary.mp4", pictures(12))
    with _Canary(canary) as watch, _listening() as (port, connections):
        for number in range(count):
            kind = list(POINTING)[number % len(POINTING)]
            path = (
                place
                / f"z{draw.choice(['.mp4', '.mov', '.mkv', '.avi', '.webm', '.gif', '.png', '.ts', '.m3u8', '.mpd'])}"
            )
            where = draw.choice([str(canary), "canary.mp4", f"file:{canary}", f"../{place.name}/canary.mp4"])
            path.write_bytes(draw.choice([b"", b"", b"\n", b" "]) + POINTING[kind](where, port))
            with _watched() as seen, contextlib.suppress(DecodeError):
                _decoded(path)
            fault = [*(["opened"] if watch.opened() else []), *(["connected"] if connections() else []), *seen]
            broken += [f"{kind} as {path.suffix}: {', '.join(fault)}"] if fault else []
            path.unlink()
        naive = 0
        for kind, suffix in NAIVE_POINTING.items():
            path = place / f"z{suffix}"
            path.write_bytes(POINTING[kind]("canary.mp4", port))
            with contextlib.suppress(Exception), av.open(str(path), options=_NAIVE_OPEN, timeout=1) as container:
                next(container.decode(video=0))
            naive += bool(watch.opened()) or bool(connections())
            path.unlink()
    return Report(
        name="media that point elsewhere",
        promise="a media file makes nobody open another file, connect anywhere or run anything",
        row=28,
        tried=count,
        held=count - len(broken),
        window="a file that names a canary is opened",
        hits=count,
        least_hits=count,
        control="av.open of the path, with the protocols that FFmpeg's first refusal names",
        control_tried=len(NAIVE_POINTING),
        control_broke=naive,
        broken=tuple(broken),
        figures={"protections": isolated.protections()},
    )


def _reference_movie(path: str) -> bytes:
    """A QuickTime reference movie: its only content is the name of another file."""
    name = path.encode() + b"\0"
    data = b"\0\0\0\0url " + len(name).to_bytes(4, "big") + name
    for box in (b"rdrf", b"rmda", b"rmra", b"moov"):
        data = (len(data) + 8).to_bytes(4, "big") + box + data
    return b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + data


class _Canary:
    """Tells, by the kernel, whether anybody has opened a file since it was last asked."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "_Canary":
        library = ctypes.CDLL(None)
        self._file = library.inotify_init1(os.O_NONBLOCK)
        library.inotify_add_watch(self._file, os.fsencode(self._path), 0x20)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def opened(self) -> bool:
        try:
            return bool(os.read(self._file, 65536))
        except BlockingIOError:
            return False


@contextlib.contextmanager
def _listening() -> Iterator[tuple[int, Callable[[], int]]]:
    """A port of this machine, and how many have connected to it since that was last asked."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        server.settimeout(0)

        def count() -> int:
            found = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    server.accept()[0].close()
                    found += 1
            return found

        yield server.getsockname()[1], count


# ---------------------------------------------------------------- what is measured

_SEEN: list[str] | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _SEEN is not None and event in RUNS_CODE and "framefall.data.media.worker" not in str(arguments):
        _SEEN.append(event)


sys.addaudithook(_audit)


@contextlib.contextmanager
def _watched() -> Iterator[list[str]]:
    """Events of running code, but for the start of a decode worker."""
    global _SEEN
    _SEEN = seen = list[str]()
    try:
        yield seen
    finally:
        _SEEN = None


def _measured(work: Callable[[], object]) -> tuple[float, int, str | None]:
    """CPU seconds, growth of the peak of memory in kilobytes, and what was said of it; None where nothing was."""
    Path("/proc/self/clear_refs").write_text("5")
    begin, start = _status("VmRSS"), time.process_time()
    try:
        work()
        said = None
    except (ValueError, OSError, RuntimeError) as error:
        said = str(error)
    except Exception as error:
        said = f"Traceback: {type(error).__name__}: {error}"
    return time.process_time() - start, max(0, _status("VmHWM") - begin), said


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def _sentence(said: str) -> bool:
    """Whether it is one that a person can read: a line, no traceback, no end."""
    return "Traceback" not in said and 0 < len(" ".join(said.split())) < 2000


def _listed(place: Path) -> list[tuple[str, int]]:
    return sorted((one.name, one.lstat().st_mtime_ns) for one in place.iterdir())


def _leaves(values: Any, label: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Every place of a tree of plain values: (its parent, its key, its name)."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in list(pairs):
        yield values, key, f"{label}.{key}"
        yield from _leaves(value, f"{label}.{key}")


def _train(folder: Path, model: Path) -> None:
    """A sound toy model, of clips that are made here."""
    from framefall.data.folder import open_folder
    from framefall.recipes.registry import RECIPES
    from framefall.runs.training.train import train

    os.environ.setdefault("FRAMEFALL_CACHE", str(folder / "cache"))
    clip(folder / "clips" / "a red square.mp4", pictures(48))
    recipe = RECIPES["micro"]()
    with contextlib.redirect_stderr(io.StringIO()):
        train(open_folder(folder / "clips", recipe.data), model, recipe, steps=1)
    load_cascade(model)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _place:
        _found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Path(_place))
    print(json.dumps([one.json() for one in _found], indent=1))
    sys.exit(0 if all(one.passed for one in _found) else 1)
