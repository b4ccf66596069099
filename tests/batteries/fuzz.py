"""Fuzzing of what reads strangers' files: whatever the bytes are, the answer is a value or one sentence.

    python tests/batteries/fuzz.py [COUNT]      prints JSON reports; exit code 1 if a promise is broken

Hypothesis draws mutations (bits, pieces that are cut out, put in twice or elsewhere, numbers and words of JSON) of
sound files, and makes what it finds as small as it can. Three doors: the model loader, the media entry, and the
sidecars and tables of captions. What is found becomes a fixture of `tests/cases/test_fuzzed.py`.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a program it finds its neighbours too
from hostile import _train, _watched
from report import Report

from cases.drawing import clip, like_a_model, pictures
from framefall.cascade.saved.checkpoint import verified
from framefall.data.folder import FolderConfig, open_folder
from framefall.data.media.decode import DecodeError, decode, probe
from framefall.data.media.frame import Limits

SECONDS = 5.0
PIECES = (
    b"",
    b"\0",
    b"\xff" * 8,
    b"[" * 300,
    b'{"',
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 50,
    b"\xed\xa0\x80",
    b"\\ud83d",
)
VALUES = (0, -1, 1e9, 2**70, None, True, "", "\ud83d", [], {}, [[[]]], "x" * 5000)

Mutation = tuple[str, float, float, int]
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "twice", "put", "move", "end", "value"]),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 2**16),
    ),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, mutations: list[Mutation]) -> bytes:
    """The bytes after each change in turn."""
    for kind, where, what, number in mutations:
        begin = int(where * len(data))
        stop = min(len(data), begin + 1 + int(what * what * len(data)))
        if kind == "flip" and data:
            data = data[:begin] + bytes([data[begin] ^ (1 << number % 8)]) + data[begin + 1 :]
        elif kind == "cut":
            data = data[:begin] + data[stop:]
        elif kind == "twice":
            data = data[:stop] + data[begin:stop] + data[stop:]
        elif kind == "put":
            data = data[:begin] + PIECES[number % len(PIECES)] + data[begin:]
        elif kind == "move":
            data = data[:begin] + data[stop:] + data[begin:stop]
        elif kind == "end":
            data = data[:begin]
        elif kind == "value":
            data = _other_value(data, where, number)
    return data


def _other_value(data: bytes, where: float, number: int) -> bytes:
    """Another value somewhere in a JSON text; what is none stays."""
    try:
        tree = json.loads(data)
    except ValueError:
        return data
    places = list(_places(tree))
    if not places:
        return data
    parent, key = places[int(where * len(places))]
    parent[key] = VALUES[number % len(VALUES)]
    return json.dumps(tree).encode()


def _places(tree: Any) -> list[tuple[Any, Any]]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in pairs for place in ((tree, key), *_places(value))]


@dataclass
class Found:
    """What a door did with everything that came."""

    tried: int = 0
    answered: int = 0  # with a sentence
    broken: list[str] = field(default_factory=list)
    naive: int = 0
    slowest: float = 0.0


Door = Callable[[Path, str, bytes], bool]  # opens a file of that name and those bytes: whether it was refused


def run(count: int, folder: Path, seed: int = 0) -> list[Report]:
    """Three doors, `count` mutated files each."""
    model = folder / "model"
    _train(folder, model)
    return [
        _report("model loader", 29, _fuzz(_model_door(folder, model), _model_files(model), _naive_json, count, seed)),
        _report("media entry", 28, _fuzz(_media_door(folder), _media_files(folder), _naive_media, count, seed)),
        _report("sidecars and tables", None, _fuzz(_sidecar_door(folder), _SIDECARS, _naive_json, count, seed)),
    ]


def _fuzz(door: Door, files: dict[str, bytes], naive: Callable[[str, bytes], None], count: int, seed: int) -> Found:
    found = Found()

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(files)), MUTATIONS)
    def one(name: str, mutations: list[Mutation]) -> None:
        data = mutated(files[name], mutations)
        found.tried += 1
        began = time.process_time()
        try:
            with _watched() as seen:
                found.answered += door(Path(name), name, data)
            if seen:
                found.broken.append(f"{name} {mutations}: ran {seen}")
        except Exception as error:
            found.broken.append(f"{name} {mutations}: {type(error).__name__}: {str(error)[:200]}")
        found.slowest = max(found.slowest, time.process_time() - began)
        if time.process_time() - began > SECONDS:
            found.broken.append(f"{name} {mutations}: {time.process_time() - began:.1f} s")
        try:
            naive(name, data)
        except Exception:
            found.naive += 1

    one()
    return found


def _report(name: str, row: int | None, found: Found) -> Report:
    return Report(
        name=f"fuzzed {name}",
        promise="whatever the bytes are, the answer is a value or one sentence, soon; nothing is run",
        row=row,
        tried=found.tried,
        held=found.tried - len(found.broken),
        window="the file is no longer sound",
        hits=found.answered,
        least_hits=found.tried // 10,
        control="the reader that comes to mind first, without a net",
        control_tried=found.tried,
        control_broke=found.naive,
        broken=tuple(found.broken[:20]),
        figures={"slowest_seconds": round(found.slowest, 2)},
    )


# ---------------------------------------------------------------- doors


def _model_files(model: Path) -> dict[str, bytes]:
    names = ("config.json", "manifest.json", "base.safetensors", "spatial_sr.safetensors", "card.json")
    return {name: (model / name).read_bytes() for name in names if (model / name).exists()}


def _model_door(folder: Path, model: Path) -> Door:
    place = folder / "fuzzed"
    shutil.copytree(model, place)

    def enter(_: Path, name: str, data: bytes) -> bool:
        sound = (place / name).read_bytes()
        (place / name).write_bytes(data)
        if name != "manifest.json":
            like_a_model(place)  # beyond the hashes
        try:
            verified(place)
        except ValueError as error:
            assert str(error).strip(), "no sentence"
            return True
        finally:
            (place / name).write_bytes(sound)
            like_a_model(place)
        return False

    return enter


def _media_files(folder: Path) -> dict[str, bytes]:
    place, images = folder / "sound", pictures(8, 32, 24)
    for name, codec, pixels in (
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "ffv1", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
        ("a.flv", "flv", "yuv420p"),
    ):
        clip(place / name, images, codec=codec, pixels=pixels)
    first, *rest = (Image.fromarray(image) for image in images)
    for name in ("a.gif", "a.webp", "a.png"):
        first.save(place / name, save_all=True, append_images=rest, duration=40)
    for name in ("b.jpg", "b.bmp", "b.tif", "b.png", "b.tga", "b.ppm"):
        first.save(place / name)
    return {path.name: path.read_bytes() for path in place.iterdir()}


def _media_door(folder: Path) -> Door:
    limits = Limits(frames=200, seconds=60, pixels=4_000_000)

    def enter(_: Path, name: str, data: bytes) -> bool:
        path = folder / f"fuzzed {name}"
        path.write_bytes(data)
        try:
            probe(path, limits)
            for frame in decode(path, short_side=16, limits=limits):
                assert frame.pixels.dtype == np.uint8 and frame.pixels.size and np.isfinite(frame.time)
        except DecodeError as error:
            assert error.reason.strip()
            return True
        return False

    return enter


_SIDECARS = {
    "a.json": b'{"caption": "a lantern swings", "numbers": [1.5, 2], "tags": ["a", "b"]}',
    "a.txt": "a kite rises é".encode(),
    "a.caption": b"a kite rises",
    "captions.csv": b"file,caption,speed\na.png,a lantern swings,1.5\nb.png,a kite rises,2\n",
    "metadata.jsonl": b'{"file_name": "a.png", "text": "a lantern swings"}\n{"file_name": "b.png", "text": "a kite"}\n',
    "captions.json": b'{"a.png": "a lantern swings", "b.png": "a kite"}',
    "captions.tsv": b"file\tcaption\na.png\ta lantern swings\n",
    "fps.txt": b"24\n",
}


def _sidecar_door(folder: Path) -> Door:
    place, config = folder / "sidecars", FolderConfig(size=16, cache=str(folder / "cache"))
    place.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(pictures(1, 32, 24)[0]).save(place / name)

    def enter(_: Path, name: str, data: bytes) -> bool:
        (place / name).write_bytes(data)
        try:
            found = open_folder(place, config)
            assert found.shots, "no shot"
            for shot in found.shots:
                (shot.caption or "").encode()  # no half of a character
                assert shot.numbers is None or np.isfinite(shot.numbers).all()
            str(found.report).encode()
            return bool(found.report.notes)
        except ValueError as error:
            assert name == "fps.txt" or name == "a.json", error  # pictures that a table lists stand alone
            return True
        finally:
            (place / name).unlink()

    return enter


# ---------------------------------------------------------------- readers that come to mind first


def _naive_json(name: str, data: bytes) -> None:
    if name.endswith(".json"):
        json.loads(data)
    else:
        data.decode()


def _naive_media(name: str, data: bytes) -> None:
    import io

    if name[0] == "b" or name.endswith((".gif", ".webp", ".png")):
        Image.open(io.BytesIO(data)).load()
    else:
        import av

        with av.open(io.BytesIO(data)) as container:
            list(container.decode(video=0))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as _place:
        _found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 300, Path(_place))
    print(json.dumps([one.json() for one in _found], indent=1))
    sys.exit(0 if all(one.passed for one in _found) else 1)
