"""What people do on the studio's pages, and what is asked of them meanwhile."""

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def asked(studio: Any, path: str, post: Any = None) -> Any:
    """What the API answers."""
    headers = {"Authorization": f"Bearer {studio.token}", "Content-Type": "application/json"}
    data = None if post is None else json.dumps(post).encode()
    request = urllib.request.Request(f"{studio.url}api/{path}", data, headers)
    return json.load(urllib.request.urlopen(request, timeout=60))


def choose(page: "Page", model: str, prompt: str = "a ball falls") -> None:
    """A model by its name, and a prompt."""
    page.get_by_label("Model").first.select_option(label=model)
    page.get_by_role("combobox", name="Prompt").fill(prompt)


def start(page: "Page", name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def player(page: "Page") -> "Locator":
    """The first player, once its clip can be played."""
    found = page.locator("clip-player").first
    found.wait_for()
    page.wait_for_function("() => document.querySelector('clip-player').video.readyState >= 2")
    return found


def serious(page: "Page") -> list[str]:
    """What axe finds of serious or critical impact."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html']}, {one['nodes'][0]['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def go(page: "Page", name: str) -> None:
    """To another page, by its link."""
    page.get_by_role("navigation").get_by_role("link", name=name.title()).click()
    page.wait_for_function("name => document.querySelector('main h1').textContent === name", arg=name.title())
    page.wait_for_selector("main p:text('Loading')", state="detached")
