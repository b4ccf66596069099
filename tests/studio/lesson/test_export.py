"""The lesson as a static site."""

import functools
import http.server
import re
import threading
import urllib.request

import pytest

from framefall.studio.lesson.examples import LESSON
from framefall.studio.lesson.export import SHARED, export


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "lesson"
    export(folder)
    return folder


def test_the_site_holds_all_that_the_lesson_is_made_of(site):
    for path in LESSON.rglob("*"):
        if path.is_file() and path.name != "index.html":
            assert (site / "lesson" / path.relative_to(LESSON)).read_bytes() == path.read_bytes()
    page = (site / "lesson" / "index.html").read_text()
    assert page.replace('\n<meta name="framefall" content="site">', "") == (LESSON / "index.html").read_text() != page
    # what a shared script imports is shared too
    for name in SHARED:
        text = (site / "static" / name).read_text()
        for other in re.findall(r'(?:from|import) "\./([^"]+)"', text):
            assert (site / "static" / other).is_file(), f"{name} needs {other}"


def test_a_plain_file_server_shows_it(site):
    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        assert b"url=lesson/" in urllib.request.urlopen(address).read()
        page = urllib.request.urlopen(f"{address}lesson/").read().decode()
        for name in re.findall(r'(?:src|href)="([^"#:]+)"', page):
            assert urllib.request.urlopen(f"{address}lesson/{name}").status == 200
        server.shutdown()


def test_it_replaces_itself_and_nothing_else(site, tmp_path):
    assert export(site)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear")
    with pytest.raises(ValueError, match="holds other things than a lesson"):
        export(tmp_path / "letters")
    (site / "static" / "style.css").write_text("mine")
    with pytest.raises(ValueError, match="no longer as Framefall made it"):
        export(site)
    assert (site / "static" / "style.css").read_text() == "mine"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not talk."""

    def log_message(self, *_: object) -> None:
        pass
