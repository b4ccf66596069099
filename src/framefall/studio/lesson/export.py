"""The lesson as a static site: a folder that any file server shows, without a model and without the studio."""

from pathlib import Path

from framefall import outputs
from framefall.outputs import FolderKind
from framefall.studio.lesson.examples import LESSON

# what the lesson takes of the studio's own pages
SHARED = ("style.css", "dom.js", "clip-player.js", "paths.js", "favicon.svg")
SITE = FolderKind("a lesson", needs="lesson/index.html")
_SITE = '<meta name="framefall" content="site">'  # there is no studio behind this page: live controls stay away
_INDEX = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=lesson/">
<title>How video diffusion works: a lesson</title>
</head>
<body><p><a href="lesson/">The lesson</a></p></body>
</html>
"""


def export(folder: str | Path) -> list[str]:
    """Publishes the lesson at `folder`, in place of one that Framefall made; gives the names of its files.

    Raises `ValueError` where something else stands there.
    """
    static = LESSON.parent
    files = {f"static/{name}": static / name for name in SHARED}
    files |= {f"lesson/{path.relative_to(LESSON)}": path for path in sorted(LESSON.rglob("*")) if path.is_file()}
    with outputs.folder(folder, SITE, overwrite=None).writing() as partial:
        (partial / "index.html").write_text(_INDEX)
        for name, path in files.items():
            place = partial / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
        page = partial / "lesson" / "index.html"
        page.write_text(page.read_text().replace("<head>", f"<head>\n{_SITE}", 1))
    return ["index.html", *files]
