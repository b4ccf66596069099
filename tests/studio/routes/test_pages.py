"""Pages out of the package, and nothing else out of it."""

import httpx
import pytest
from serving import Served

from framefall.studio.routes.pages import SHOWN, STATIC


def test_the_page_is_there_without_a_token_and_may_load_nothing_from_elsewhere(studio: Served) -> None:
    with httpx.Client(base_url=studio.url) as anybody:
        answer = anybody.get("/")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "http" not in policy and "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-cache"
        assert anybody.get("/api/jobs").status_code == 401


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "nothing.js", "a\0b", ""])
def test_nothing_but_pages_comes_out(studio: Served, name: str) -> None:
    assert studio.client.get(f"/static/{name}".replace("\0", "%00")).status_code in (401, 404)
    assert studio.client.get(f"/lesson/{name or 'x'}".replace("\0", "%00")).status_code in (401, 404)


def test_every_file_of_the_pages_has_a_type_that_browsers_believe(studio: Served) -> None:
    for path in (one for one in STATIC.rglob("*") if one.is_file()):
        assert path.suffix in SHOWN, path
        if "lesson" not in path.parts:
            answer = studio.client.get(f"/static/{path.relative_to(STATIC).as_posix()}")
            assert answer.status_code == 200 and answer.headers["content-type"] == SHOWN[path.suffix]
