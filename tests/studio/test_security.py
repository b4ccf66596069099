"""Every route, and every way to ask it that is not this studio's own page or whoever has the token: nothing happens."""

import re
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import TOKEN, Served, routes
from starlette.datastructures import Headers

from examples import examples
from framefall.studio.security import PUBLIC, Refusal, Rules, is_loopback, rules

OWN = "http://127.0.0.1:{port}"
BEARER = {"authorization": f"Bearer {TOKEN}"}
# what a request must not have: its headers in place of the good ones, and the answer
FOREIGN: dict[str, tuple[dict[str, str | None], int]] = {
    "another name leads here": ({"host": "evil.test"}, 421),
    "another name with the port": ({"host": "evil.test:{port}"}, 421),
    "a name that begins like ours": ({"host": "localhost.evil.test:{port}"}, 421),
    "a name with a dot at its end": ({"host": "localhost.:{port}"}, 421),
    "another address": ({"host": "10.0.0.1:{port}"}, 421),
    "an empty name": ({"host": ""}, 421),
    "another page": ({"origin": "http://evil.test"}, 403),
    "a page of another port": ({"origin": "http://127.0.0.1:1"}, 403),
    "a sandboxed frame": ({"origin": "null"}, 403),
    "a page of another name of ours": ({"origin": "http://localhost:{port}"}, 403),
    "a page of a file": ({"origin": "file://"}, 403),
    "a fetch from another site": ({"sec-fetch-site": "cross-site"}, 403),
    "a fetch from another port": ({"sec-fetch-site": "same-site"}, 403),
    "no token": ({"authorization": None}, 401),
    "a wrong token": ({"authorization": "Bearer " + "x" * len(TOKEN)}, 401),
    "half a token": ({"authorization": f"Bearer {TOKEN[:-1]}"}, 401),
    "a token of another kind": ({"authorization": f"Basic {TOKEN}"}, 401),
    "a wrong cookie": ({"authorization": None, "cookie": "framefall-{port}=wrong"}, 401),
}


def state(studio: Served) -> tuple[list[str], list[str]]:
    """All that the studio keeps: rows of its tables, and files."""
    with sqlite3.connect(studio.place.home.database) as base:
        rows = [line for line in base.iterdump() if line.startswith("INSERT")]
    files = [path.as_posix() for path in studio.place.home.path.rglob("*") if "studio.sqlite" not in path.name]
    return rows, sorted(files)


def test_every_route_refuses_whoever_it_should_and_nothing_changes(studio: Served, generated: dict[str, Any]) -> None:
    port = studio.client.base_url.port
    before, count = state(studio), 0
    with httpx.Client(base_url=studio.url) as client:
        for method, path in [*routes(studio.app), ("POST", "/api/a-route-of-tomorrow"), ("PUT", "/api/jobs")]:
            for what, (changes, status) in FOREIGN.items():
                if status == 401 and method in ("GET", "HEAD") and PUBLIC.fullmatch(path):
                    continue
                good = {**BEARER, "host": f"127.0.0.1:{port}"}
                headers = {
                    name: value.format(port=port) for name, value in {**good, **changes}.items() if value is not None
                }
                answer = client.request(method, path, headers=headers)
                wanted = 405 if status == 401 and method == "PUT" else status
                assert answer.status_code == wanted, (method, path, what, answer.text)
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert method == "HEAD" or answer.json().keys() == {"sentence"}
                count += 1
    assert count > 18 * 20 and state(studio) == before


def test_the_naive_rule_lets_in_who_is_refused_here() -> None:
    """Control: a server that looks at the token alone serves any page of the same browser, and any name."""

    class Naive(Rules):
        def refusal(self, method: str, path: str, headers: Headers) -> Refusal | None:
            return None if self.is_token(headers.get("authorization", "").removeprefix("Bearer ")) else Refusal(401, "")

    let_in = set()
    for what, (changes, _) in FOREIGN.items():
        good = {**BEARER, "host": "127.0.0.1:8765"}
        headers = Headers({name: value for name, value in {**good, **changes}.items() if value is not None})
        assert Rules(token=TOKEN).refusal("POST", "/api/jobs", headers) is not None
        if Naive(token=TOKEN).refusal("POST", "/api/jobs", headers) is None:
            let_in.add(what)
    assert let_in == {what for what, (_, status) in FOREIGN.items() if status != 401}


def test_a_cookie_shows_and_only_with_our_own_page_behind_it_changes(studio: Served) -> None:
    with httpx.Client(base_url=studio.url) as browser:
        opened = browser.get(f"/?token={TOKEN}")
        cookie = opened.headers["set-cookie"].lower()
        assert opened.status_code == 303 and "httponly" in cookie and "samesite=strict" in cookie
        assert TOKEN not in opened.headers["location"]
        assert browser.get("/api/jobs").status_code == 200
        body = {"model": "pico", "prompt": ""}
        assert browser.post("/api/complete", json=body).status_code == 403
        assert browser.post("/api/complete", json=body, headers={"origin": studio.url}).status_code == 200
        assert browser.post("/api/complete", json=body, headers={"sec-fetch-site": "same-origin"}).status_code == 200
        assert browser.get("/?token=another-token-altogether").status_code == 401


def test_a_form_of_another_page_has_no_type_that_is_read(studio: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = studio.client.post("/api/jobs", content=b'{"kind": "look"}', headers={"content-type": kind})
        assert answer.status_code == 415, kind


def test_a_request_has_no_more_bytes_than_it_may(studio: Served) -> None:
    large = b" " * (1 << 18) + b"{}"
    headers = {"content-type": "application/json"}
    assert studio.client.post("/api/jobs", content=large, headers=headers).status_code == 413
    unsaid = (large[at : at + 65536] for at in range(0, len(large), 65536))  # chunked: no length is said
    assert studio.client.post("/api/jobs", content=unsaid, headers=headers).status_code == 413


def said_to(address: tuple[str, int], head: bytes, rest: bytes) -> bytes:
    """What a client reads that sends all of its request, slowly, before it looks at the answer."""
    with socket.create_connection(address, timeout=10) as line:
        line.sendall(head)
        time.sleep(0.2)  # the server has answered
        for at in range(0, len(rest), 1 << 14):
            line.sendall(rest[at : at + (1 << 14)])
            time.sleep(0.01)
        found = b""
        while piece := line.recv(1 << 16):
            found += piece
    return found


def test_whoever_is_refused_before_all_was_sent_reads_why(studio: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    address, rest = ("127.0.0.1", studio.client.base_url.port), b" " * (3 << 15)
    lines = ("POST /api/jobs HTTP/1.1", "host: 127.0.0.1:{}", "content-type: application/json", "content-length: {}")
    head = "\r\n".join((*lines, "", "")).format(address[1], len(rest)).encode()
    for _ in range(3):
        found = said_to(address, head, rest)
        assert found.startswith(b"HTTP/1.1 401") and b"the token must come with the request" in found
    monkeypatch.setattr("framefall.studio.security.LINGER", 0.3)
    began = time.monotonic()
    with socket.create_connection(address, timeout=10) as line:  # whoever sends no more is not waited for
        line.sendall(head)
        while line.recv(1 << 16):
            pass
    assert time.monotonic() - began < 8
    monkeypatch.setattr("framefall.studio.security.LINGER", 0.0)  # control: the connection ends at once
    with pytest.raises(OSError):
        for _ in range(3):
            assert said_to(address, head, rest).startswith(b"HTTP/1.1 401")


def test_a_websocket_is_refused(studio: Served) -> None:
    headers = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-key": "x", "sec-websocket-version": "13"}
    assert studio.client.get("/api/jobs", headers=headers).status_code in (200, 400, 403, 426)
    assert all("websocket" not in type(route).__name__.lower() for route in studio.app.routes)


@settings(max_examples=examples(200, 5000), deadline=None)
@given(st.text(max_size=40), st.sampled_from(["localhost", "127.0.0.1", "[::1]"]))
def test_no_text_but_our_names_is_a_host(text: str, name: str) -> None:
    try:
        headers = Headers(raw=[(b"host", text.encode("latin-1")), (b"authorization", f"Bearer {TOKEN}".encode())])
    except UnicodeEncodeError:
        return
    found = Rules(token=TOKEN).refusal("GET", "/api/jobs", headers)
    plain = re.fullmatch(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", text, re.ASCII | re.IGNORECASE)
    assert (found is None) == bool(plain)
    assert Rules(token=TOKEN).refusal("GET", "/api/jobs", Headers({"host": f"{name}:1", **BEARER})) is None


def test_a_server_for_others_takes_addresses_and_no_names() -> None:
    remote = rules("0.0.0.0", 8765, TOKEN)
    assert remote.refusal("GET", "/api/jobs", Headers({"host": "192.168.1.5:8765", **BEARER})) is None
    found = remote.refusal("GET", "/api/jobs", Headers({"host": "evil.test:8765", **BEARER}))
    assert found is not None and found.status == 421
    assert is_loopback("127.0.0.1") and is_loopback("::1") and not is_loopback("0.0.0.0") and not is_loopback("a.b")


@pytest.mark.parametrize("token", ["", "short", "with spaces in it all", "ünicode-and-long-enough"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="a token must have at least 16 characters"):
        rules("127.0.0.1", 8765, token)


def test_pages_that_need_no_token_say_nothing_of_anybody(studio: Served) -> None:
    text = Path(__file__).parents[2] / "src" / "framefall" / "studio" / "routes" / "pages.py"
    assert "queue" not in text.read_text().replace("framefall.studio.queue", "")
