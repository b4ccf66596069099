"""Pages of others, open in the browser that the studio is open in: whatever they send is refused, and changes nothing.

The browser is real, has the studio's cookie, and resolves a stranger's name to this machine, as after DNS rebinding.
"""

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.slow  # `make test-browser`; without a browser, `tests/studio/test_security.py`
STRANGER = "stranger.test"
MORE_FLAGS = [
    f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1",
    "--disable-features=LocalNetworkAccessChecks",  # a guard that not every browser has: ours must not need it
]
# what a page can send without asking anybody; `target` is a server's address
ATTACKS = """async (target) => {
  const body = '{"kind": "generate", "request": {"model": "worlds", "until": "base", "frames": 2}}';
  const plain = { "content-type": "text/plain" };
  const cookie = { credentials: "include" };
  const blindly = (more) =>
    fetch(target + "api/jobs", { ...cookie, mode: "no-cors", ...more }).then(() => "sent", () => "refused");
  const loaded = (element, from) => new Promise((done) => {
    element.onload = () => done("loaded");
    element.onerror = () => done("refused");
    element.src = target + from;
    document.body.append(element);
  });
  const opened = (source) => new Promise((done) => {
    source.onopen = () => done("opened");
    source.onerror = () => (source.close(), done("refused"));
  });
  const form = () => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.name = "sink";
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, { method: "post", enctype: "text/plain", action: target + "api/jobs", target: "sink" });
    form.append(Object.assign(document.createElement("input"), { name: body, value: "" }));
    document.body.append(form);
    frame.onload = () => done("sent");
    form.submit();
  });
  const attacks = {
    read: () => fetch(target + "api/jobs", cookie).then((reply) => String(reply.status), () => "refused"),
    "read blindly": () => blindly({}),
    "post blindly": () => blindly({ method: "POST", headers: plain, body }),
    beacon: async () => String(navigator.sendBeacon(target + "api/jobs", new Blob([body], plain))),
    form,
    image: () => loaded(new Image(), "favicon.ico"),
    script: () => loaded(document.createElement("script"), "static/app.js"),
    frame: () => loaded(document.createElement("iframe"), ""),
    events: () => opened(new EventSource(target + "api/jobs/0123456789abcdef/events", { withCredentials: true })),
    socket: () => opened(new WebSocket(target.replace("http", "ws") + "api/jobs")),
  };
  const found = {};
  for (const [name, attack] of Object.entries(attacks)) found[name] = await attack();
  await new Promise((done) => setTimeout(done, 300)); // a beacon goes when it likes
  return found;
}"""


class Naive(http.server.BaseHTTPRequestHandler):
    """A server that asks nobody who they are, and the strangers' own."""

    served: list[str] = []  # noqa: RUF012  methods and paths

    def _answer(self) -> None:
        self.served.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("content-length", 0)))
        text = b"a page that anybody may have"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if "events" in self.path else "text/html")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def naive() -> Iterator[int]:
    """The port of a server without a guard."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Naive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def context(chromium: "Browser", studio: Any) -> Iterator["BrowserContext"]:
    """Somebody's browser, in which the studio has been opened."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{studio.url}?token={studio.token}")
    page.wait_for_selector("button.primary")
    page.close()
    yield context
    context.close()


def kept(studio: Any) -> list[Any]:
    """What the studio knows: jobs and uploads."""
    found = []
    for path in ("jobs", "uploads"):
        request = urllib.request.Request(f"{studio.url}api/{path}", headers={"Authorization": f"Bearer {studio.token}"})
        found.append(json.load(urllib.request.urlopen(request)))
    return found


def attack(page: "Page", target: str) -> tuple[dict[str, str], dict[str, set[int]]]:
    """What the page sees of its attacks, and every status that the target has answered, whoever may read it."""
    asked: dict[str, list[str]] = {}
    told: list[tuple[str, int]] = []
    statuses: dict[str, set[int]] = {}

    def note(method: str, url: str, status: int) -> None:
        if url.startswith(target):
            statuses.setdefault(f"{method} {url.removeprefix(target)}", set()).add(status)

    devtools = page.context.new_cdp_session(page)  # hears of answers that the page is not shown
    devtools.send("Network.enable")
    devtools.on(
        "Network.requestWillBeSent",
        lambda one: asked.update({one["requestId"]: [one["request"]["method"], one["request"]["url"]]}),
    )
    devtools.on("Network.responseReceivedExtraInfo", lambda one: told.append((one["requestId"], one["statusCode"])))
    page.on("response", lambda one: note(one.request.method, one.url, one.status))  # of frames, which are others' too
    saw = page.evaluate(ATTACKS, target)
    for request, status in told:
        if request in asked:
            note(*asked[request], status)
    return saw, statuses


@pytest.mark.parametrize("name", [STRANGER, "127.0.0.1"])
def test_a_page_of_another_site_or_another_port_is_refused(
    context: "BrowserContext", studio: Any, naive: int, name: str
) -> None:
    before, page = kept(studio), context.new_page()
    page.goto(f"http://{name}:{naive}/")
    saw, statuses = attack(page, studio.url)
    assert {"GET api/jobs", "POST api/jobs", "GET favicon.ico"} <= set(statuses)
    assert set().union(*statuses.values()) == {403}, statuses
    assert {saw[one] for one in ("read", "image", "script", "events", "socket")} == {"refused"}, saw
    assert all("Framefall" not in frame.content() for frame in page.frames[1:])
    assert kept(studio) == before


def test_a_name_that_was_rebound_to_this_machine_is_refused(context: "BrowserContext", studio: Any) -> None:
    """The stranger's page came from the stranger; then its name led here, and to the browser we are its own site."""
    rebound = studio.url.replace("127.0.0.1", STRANGER)
    before, page = kept(studio), context.new_page()
    page.route(f"{rebound}page", lambda route: route.fulfill(content_type="text/html", body="<p>a stranger's page"))
    page.goto(f"{rebound}page")
    saw, statuses = attack(page, rebound)
    assert {"GET api/jobs", "POST api/jobs", "GET static/app.js", "GET "} <= set(statuses), saw
    assert set().union(*statuses.values()) == {421}, statuses
    assert saw["read"] == "421" and saw["socket"] == saw["events"] == "refused"
    assert kept(studio) == before


def test_the_same_attacks_get_through_where_nobody_asks(context: "BrowserContext", naive: int) -> None:
    """Control: the browser stops none of them by itself."""
    page = context.new_page()
    page.goto(f"http://{STRANGER}:{naive}/")
    Naive.served.clear()
    saw, statuses = attack(page, f"http://127.0.0.1:{naive}/")
    assert set().union(*statuses.values()) == {200}, statuses
    assert saw["read blindly"] == saw["post blindly"] == saw["form"] == "sent" and saw["frame"] == "loaded"
    assert Naive.served.count("POST /api/jobs") == 3  # the post, the beacon and the form
    assert any("anybody may have" in frame.content() for frame in page.frames[1:])


def test_our_own_page_is_served(context: "BrowserContext", studio: Any) -> None:
    """Control: the same request from the studio's own page makes a job."""
    page, before = context.new_page(), kept(studio)
    page.goto(studio.url)
    page.wait_for_selector("button.primary")
    status = page.evaluate(
        """(body) => fetch("api/jobs", { method: "POST", headers: { "Content-Type": "application/json" }, body })
            .then((reply) => reply.status)""",
        '{"kind": "generate", "request": {"model": "worlds", "until": "base", "frames": 2}}',
    )
    assert status == 202 and len(kept(studio)[0]["jobs"]) == len(before[0]["jobs"]) + 1
