"""The studio's pages in a real browser: what people do there, with the keyboard, on a phone, by ear, light and dark."""

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from using import asked, choose, go, player, serious, start

from framefall import publish

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = ("generate", "compare", "train", "measure", "history")
HEAVIEST = 300_000  # bytes of the first page without media
USABLE = 3_000  # ms; under one where nobody else uses the machine
STOPS = 5_000  # ms until a page says that a job has stopped: the server's 2 s and some for a machine that is busy
Open = Callable[..., "Page"]


def test_a_prompt_becomes_a_clip_that_plays(open_page: Open, studio: Any, trained: Path) -> None:
    page = open_page()
    choose(page, trained.name)
    page.get_by_label("Score it").uncheck()
    start(page, "Generate")
    clip = player(page)
    (job,) = [one for one in asked(studio, "jobs")["jobs"] if one["id"] == page.url.rsplit("/", 1)[1]]
    (made,) = job["result"]["clips"]
    assert clip.evaluate("one => one.frames") == made["frames"]
    # it plays: its own clock moves, and the page says which frame is shown
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('clip-player').frame > 0")
    page.get_by_role("button", name="Pause").click()
    # frame by frame
    slider = page.get_by_role("slider", name="Frame of")
    clip.evaluate("one => { one.frame = 0; }")
    page.get_by_role("button", name="Next frame").click()
    assert slider.get_attribute("aria-valuetext") == f"frame 2 of {made['frames']}"
    # each stage has its own clip, and two of them show beside each other and as a difference
    page.get_by_role("radio", name="base").check()
    page.wait_for_function("() => document.querySelector('clip-player').video.videoWidth === 16", timeout=20_000)
    page.get_by_label("Beside it").select_option(label="SSR")
    assert clip.get_attribute("view") == "side" and page.locator("clip-player video.b").is_visible()
    page.get_by_label("View").select_option("difference")
    page.wait_for_function("() => document.querySelector('clip-player canvas.difference').width > 16")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download").click()
    (output,) = [one for one in job["outputs"] if one["id"] == made["video"]]
    assert publish.sha256(Path(downloading.value.path())) == output["sha256"]
    # the same again, bit for bit
    start(page, "Remake exactly")
    page.get_by_text("Made again: the same bits.").wait_for()


@pytest.mark.slow
def test_a_job_stops_midway_and_leaves_no_clip(open_page: Open, studio: Any) -> None:
    page = open_page()
    choose(page, "worlds")
    page.get_by_label("Clips").fill("16")
    page.get_by_label("best").check()
    start(page, "Generate")
    page.locator(".stages progress").first.wait_for()
    preview = page.locator(".stages img").first  # what the stage believes the clip to be, while it is made
    preview.wait_for()
    page.wait_for_function("() => document.querySelector('.stages img').naturalWidth === 32")
    first = preview.get_attribute("src")
    page.wait_for_function("first => document.querySelector('.stages img').getAttribute('src') !== first", arg=first)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("stopped", exact=True).wait_for(timeout=STOPS)
    assert page.locator("clip-player").count() == 0
    job = asked(studio, f"jobs/{page.url.rsplit('/', 1)[1]}")
    assert (job["state"], job["result"]) == ("cancelled", None)


@pytest.mark.slow
def test_the_keyboard_is_enough(open_page: Open, trained: Path) -> None:
    """From the top of the page to the second frame of a clip; every stop on the way can be seen."""
    page = open_page()

    def go_to(what: str, key: str = "Tab", most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press(key)
            assert page.evaluate("getComputedStyle(document.activeElement).boxShadow") != "none" or page.evaluate(
                "document.activeElement.closest('.choice, .zone, .combo, main') !== null"
            ), page.evaluate("document.activeElement.outerHTML")
            if page.evaluate("what => document.activeElement.matches(what)", what):
                return
        raise AssertionError(f"{most} presses of {key} do not lead to {what}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    go_to("request-form select")
    page.keyboard.type(trained.name[0])
    go_to("[role=combobox]")
    page.keyboard.type("a ")
    page.locator("[role=listbox]").wait_for()
    page.keyboard.press("ArrowDown")
    chosen = page.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).textContent"
    )
    page.keyboard.press("Enter")
    assert page.get_by_role("combobox", name="Prompt").input_value() == chosen
    page.get_by_label("Model").first.select_option(label="worlds")  # which one the first letter found is not the point
    go_to("button[type=submit]")
    page.keyboard.press("Enter")
    player(page)
    go_to("clip-player input[type=range]")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('clip-player').frame") == 1
    go_to("request-form select", "Shift+Tab")  # no trap on the way back


@pytest.mark.slow
def test_a_prompt_that_leaves_what_the_model_knows_is_told_so(open_page: Open, studio: Any) -> None:
    page = open_page()
    choose(page, "worlds", "a dragon falls")
    said = page.locator("prompt-field .note")
    said.wait_for()
    sentence = asked(studio, "complete", {"model": "worlds", "prompt": "a dragon falls"})["sentence"]
    assert said.text_content() == sentence
    page.get_by_role("combobox", name="Prompt").fill("a red ball falls")
    said.wait_for(state="hidden")


@pytest.mark.slow
def test_what_a_metric_complains_of_is_marked(open_page: Open, studio: Any, disc: Any, tmp_path: Path) -> None:
    """A clip that stands still for a while: the frames are on the time line, and a press goes there."""
    clip = tmp_path / "stands still.mp4"
    disc(clip, range(8, 14))
    page = open_page("#/measure")
    dropped = page.evaluate_handle(
        """([name, bytes]) => {
          const held = new DataTransfer();
          held.items.add(new File([Uint8Array.from(bytes)], name, { type: "video/mp4" }));
          return held;
        }""",
        [clip.name, list(clip.read_bytes())],
    )
    page.locator("drop-zone").first.dispatch_event("drop", {"dataTransfer": dropped})
    page.locator(".given").wait_for()
    start(page, "Measure")
    player(page)
    page.get_by_role("group", name="Player: stands still.mp4").wait_for()
    measured = asked(studio, f"jobs/{page.url.rsplit('/', 1)[1]}")["result"]["clips"][0]
    repeated = next(one for one in measured["marks"] if one["metric"] == "repeated_frames")
    page.get_by_role("button", name="repeated frames").first.click()
    assert page.evaluate("document.querySelector('clip-player').frame") == repeated["first"]
    for metric, value in measured["scores"].items():  # every number on the page is the library's
        if value is not None:
            row = page.locator("tr", has=page.locator("th", has_text=metric.replace("_", " "))).first
            shown = (row.locator("td").first.text_content() or "").split()[0]
            assert float(shown) == pytest.approx(value, rel=1e-3), metric


@pytest.mark.slow
def test_every_use_reaches_the_request(open_page: Open, studio: Any, disc: Any, tmp_path: Path) -> None:
    """A video to go on from, in each of its roles; an image at a second; the end; a loop; a prompt from later on."""
    disc(tmp_path / "disc.mp4", range(0))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    page = open_page()
    choose(page, "worlds")
    page.get_by_text("Start from an image").click()
    panel = page.locator("given-panel")

    def use() -> dict[str, Any]:
        """What the server takes the request as."""
        before = page.url
        start(page, "Generate")
        page.wait_for_function("before => location.href !== before", arg=before)
        job = page.url.rsplit("/", 1)[1]
        found = asked(studio, f"jobs/{job}")["request"]["use"]
        return {name: value for name, value in found.items() if value not in (None, [], False)}

    panel.locator("input[type=file]").set_input_files(tmp_path / "disc.mp4")
    role = page.get_by_label("What disc.mp4 is for")
    for name in ("after", "before", "both"):
        role.select_option(name)
        found = use()
        assert found["extend"] == name and found["video"]
    role.select_option("strength")
    page.get_by_label("How far away from it").fill("0.3")
    assert use()["strength"] == 0.3
    role.select_option("end")
    assert set(use()) == {"end", "strength"}
    role.select_option("mask")
    start(page, "Generate")
    page.get_by_text("Paint over what is to be made anew first.").wait_for()
    mask = page.get_by_role("application", name="Mask")
    box = mask.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.up()
    mask.press("Space")  # the keyboard paints where the pointer was
    for _ in range(10):
        mask.press("ArrowRight")
    mask.press("Space")
    found = use()
    request = urllib.request.Request(f"{studio.url}api/files/{found['mask']}")
    request.add_header("Authorization", f"Bearer {studio.token}")
    painted = np.asarray(Image.open(urllib.request.urlopen(request)).convert("L"))
    assert painted.shape == (64, 64)
    assert painted[16, 16] == painted[16, 48] == 255 and painted[48, 16] == painted[48, 48] == 0
    page.get_by_role("button", name="Remove disc.mp4").click()
    panel.locator("input[type=file]").set_input_files(tmp_path / "red.png")
    page.get_by_label("Second", exact=True).fill("1.5")
    page.get_by_label("Loop").check()
    page.get_by_role("button", name="another prompt later").click()
    page.get_by_label("From second").fill("1")
    panel.get_by_label("Prompt", exact=True).fill("a box falls")
    found = use()
    assert found["images"][0]["second"] == 1.5 and found["loop"] is True
    assert found["prompts_at"] == [{"second": 1.0, "prompt": "a box falls"}]


@pytest.mark.slow
def test_two_settings_play_in_step_with_their_differences(open_page: Open, studio: Any) -> None:
    page = open_page("#/compare")
    for at in (0, 1):
        page.get_by_label("Model").nth(at).select_option(label="worlds")
    page.get_by_label("Clips").fill("2")
    start(page, "Compare")
    clip = player(page)
    assert page.locator("clip-player video.b").is_visible()
    clip.evaluate("one => { one.frame = 7; }")
    page.wait_for_function(
        "() => (([a, b]) => Math.abs(a.currentTime - b.currentTime) < 1e-3 && a.currentTime > 1)"
        "([...document.querySelectorAll('clip-player video')])"
    )
    metrics = asked(studio, f"jobs/{page.url.rsplit('/', 1)[1]}")["result"]["metrics"]
    assert metrics
    for row in metrics:
        if row["a"]["n"] or row["b"]["n"]:
            assert (
                page.get_by_role("row", name=row["metric"].replace("_", " ")).first.text_content().endswith(row["says"])
            )


@pytest.mark.slow
def test_a_folder_is_looked_at_before_it_is_trained_on(open_page: Open, studio: Any) -> None:
    page = open_page("#/train")
    start(page, "Look first")
    page.get_by_text("it does not begin like any").first.wait_for()
    page.get_by_role("heading", name="1 file is used").wait_for()
    start(page, "What would the minutes buy?")
    page.get_by_role("heading", name="That is not enough").wait_for()


@pytest.mark.slow
def test_history_and_what_waits_survive_a_restart(open_page: Open, studio: Any) -> None:
    page = open_page()
    choose(page, "worlds", "a ball that history remembers")
    start(page, "Generate")
    player(page)
    setting = {"model": "worlds", "prompt": "a ball that takes its time", "quality": "best"}
    asked(studio, "jobs", {"kind": "generate", "request": {**setting, "count": 16}})
    asked(studio, "jobs", {"kind": "generate", "request": {**setting, "prompt": "a ball that waits"}})
    studio.stop()
    studio.start()
    page = open_page("#/history")
    page.get_by_role("button", name="Stop: a ball that takes its time").click()
    waited = page.locator("li", has_text="a ball that waits")
    waited.get_by_text("done", exact=True).wait_for()
    waited.get_by_role("link").click()
    player(page)
    go(page, "history")
    page.get_by_role("link", name="a ball that history remembers").first.click()
    player(page)
    assert page.get_by_role("combobox", name="Prompt").input_value() == "a ball that history remembers"


def test_the_first_page_is_light_and_comes_from_here_alone(open_page: Open, studio: Any, heard: Any) -> None:
    open_page()
    assert all(address.startswith((studio.url, "blob:", "data:")) for address in heard.requests)
    parts = {address.partition("?")[0] for address in heard.requests if "/api/" not in address}
    assert len(parts) > 10
    weight = sum(len(urllib.request.urlopen(address).read()) for address in parts)
    assert weight < HEAVIEST


@pytest.mark.slow
def test_the_first_page_can_be_used_within_a_second(open_page: Open, studio: Any) -> None:
    """From the navigation to a form whose models are there and whose button is: the best of three, on any machine."""
    watch = """new MutationObserver(() => {
      if (!document.querySelector("request-form option") || !document.querySelector("button.primary:enabled")) return;
      globalThis.usable ??= performance.now();
    }).observe(document, { subtree: true, childList: true });"""
    page = open_page()
    page.add_init_script(watch)

    def load() -> float:
        page.goto("about:blank")
        page.goto(studio.url)
        page.wait_for_function("() => globalThis.usable")
        return float(page.evaluate("usable"))

    best = min(load() for _ in range(3))
    print(f"usable after {best:.0f} ms")
    assert best < USABLE

    def late(route: Any) -> None:
        time.sleep(0.4)
        route.continue_()

    page.route("**/api/models", late)
    assert load() > 400  # what comes late would be noticed


def test_a_phone_shows_all_of_every_page(open_page: Open) -> None:
    page = open_page(width=360, height=740)
    for name in PAGES:
        go(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    page.evaluate("document.querySelector('main').append(document.createElement('pre'))")
    page.evaluate("document.querySelector('main > pre').textContent = 'x'.repeat(400)")
    assert page.evaluate("document.documentElement.scrollWidth") > 360  # what is too wide would be noticed


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_serious_to_say(open_page: Open, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    for name in PAGES:
        go(page, name)
        assert serious(page) == [], name
    page.evaluate("document.querySelector('#theme').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('#theme').textContent = ''")
    assert [one for one in serious(page) if one.startswith("button-name")]  # a button without a name would be noticed


@pytest.mark.slow
def test_who_wants_no_motion_gets_none(open_page: Open) -> None:
    calm, lively = (open_page(reduced_motion=wish) for wish in ("reduce", "no-preference"))
    asked_of = "getComputedStyle(document.querySelector('button.primary')).transitionDuration"
    assert calm.evaluate(asked_of) == "0s" and lively.evaluate(asked_of) != "0s"


def test_without_the_key_the_page_says_what_to_do(chromium: Any, studio: Any) -> None:
    page = chromium.new_page()
    page.goto(studio.url)
    page.get_by_text("Open the link that `framefall studio` printed").wait_for()
    page.close()
