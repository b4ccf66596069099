"""Pages with results on them: what axe says of them, tracks over the frames, and requests that come back whole."""

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from using import asked, choose, go, player, serious, start

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
pytestmark = pytest.mark.slow  # `make test-browser`


def submitted(studio: Any, kind: str, request: dict[str, Any]) -> str:
    """The id of a new job."""
    return str(asked(studio, "jobs", {"kind": kind, "request": request})["id"])


def clean(page: "Page", what: str) -> None:
    """Nothing serious in light or dark, with everything unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour is on its way to another
        assert serious(page) == [], (what, scheme)


@pytest.mark.parametrize("kind", ["generate", "compare"])
def test_axe_has_nothing_serious_to_say_of_results(open_page: Open, studio: Any, kind: str) -> None:
    """A finished clip with its scores, and a comparison; what has no name there, or no contrast, would be noticed."""
    setting = {"model": "worlds", "prompt": "a red ball falls", "until": "base"}
    request = {
        "generate": {**setting, "report": True, "tracks": True},
        "compare": {"a": setting, "b": {**setting, "guidance": 2}, "count": 2},
    }[kind]
    page = open_page(f"#/{kind}/{submitted(studio, kind, request)}")
    player(page)
    page.locator("table").first.wait_for()
    clean(page, kind)
    page.evaluate("document.querySelector('clip-player input[type=range]').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('.scroll td').style.color = '#666'")
    found = serious(page)
    assert [one for one in found if one.startswith("label")]
    assert [one for one in found if one.startswith("color-contrast")]


def test_a_report_has_its_tracks_over_the_frames(open_page: Open, studio: Any, disc: Any, tmp_path: Path) -> None:
    """Where the disc is, and not where it is not; away again when nobody wants them."""
    disc(tmp_path / "disc.mp4", range(0))
    page = open_page("#/measure")
    page.locator("drop-zone input").first.set_input_files(tmp_path / "disc.mp4")
    page.locator(".given").wait_for()
    start(page, "Measure")
    clip = player(page)
    job = asked(studio, f"jobs/{page.url.rsplit('/', 1)[1]}")
    tracks = asked(studio, f"files/{job['result']['clips'][0]['tracks']}")
    longest = max(tracks["paths"], key=lambda one: len(one["frames"]))
    box = page.get_by_label("Draw tracks")
    over = page.locator("clip-player canvas.over")
    assert over.is_hidden()
    box.check()
    for frame in (6, 18):
        clip.evaluate("(one, frame) => { one.frame = frame; }", frame)
        over.wait_for()
        x, y = longest["places"][longest["frames"].index(frame)]
        inked = """(canvas, [x, y]) => {
          const copy = new OffscreenCanvas(4, 4).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 2 - Math.round(x * canvas.width), 2 - Math.round(y * canvas.height));
          return copy.getImageData(0, 0, 4, 4).data.some(Boolean);
        }"""
        assert over.evaluate(inked, [x / 64, y / 64]), frame
        assert not over.evaluate(inked, [x / 64, 0.9])
    clean(page, "a report")
    box.uncheck()
    assert over.is_hidden()


def test_a_request_comes_back_with_the_files_that_were_dropped(
    open_page: Open, studio: Any, disc: Any, tmp_path: Path
) -> None:
    """With their roles, the mask that was painted, and a sentence once one of them is gone."""
    disc(tmp_path / "disc.mp4", range(0))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    page = open_page()
    choose(page, "worlds")
    page.get_by_text("Start from an image").click()
    panel = page.locator("given-panel")
    for name in ("disc.mp4", "red.png"):
        panel.locator("input[type=file]").first.set_input_files(tmp_path / name)
        page.get_by_label(f"What {name} is for").wait_for()
    page.get_by_label("What disc.mp4 is for").select_option("mask")
    page.get_by_label("What red.png is for").select_option("end")
    mask = page.get_by_role("application", name="Mask")
    mask.press("Space")
    page.get_by_role("button", name="another prompt later").click()
    page.get_by_label("From second").fill("1")
    panel.get_by_label("Prompt", exact=True).fill("a box falls")
    start(page, "Generate")
    page.wait_for_function("() => location.hash.length > 12")
    first = page.url.rsplit("/", 1)[1]
    use = asked(studio, f"jobs/{first}")["request"]["use"]
    assert use["video"] and use["mask"] and use["end"] and use["prompts_at"]

    again = open_page(f"#/generate/{first}")
    again.get_by_role("group", name="red.png").wait_for()
    start(again, "Generate")
    again.wait_for_function("first => !location.hash.endsWith(first)", arg=first)
    assert asked(studio, f"jobs/{again.url.rsplit('/', 1)[1]}")["request"]["use"] == use
    # a stroke more is another mask, and what was painted before is still in it
    again.get_by_role("application", name="Mask").press("ArrowDown")
    again.get_by_role("application", name="Mask").press("Space")
    start(again, "Generate")
    again.wait_for_timeout(500)
    headers = {"Authorization": f"Bearer {studio.token}"}
    urllib.request.urlopen(
        urllib.request.Request(f"{studio.url}api/uploads/{use['end']}", headers=headers, method="DELETE")
    )
    gone = open_page(f"#/generate/{first}")
    said = gone.locator("given-panel .note.warn")
    said.wait_for()
    assert said.text_content() == (
        "1 of the 3 files of this request is not there any more: drop it again, or go on without."
    )
    made = asked(studio, f"jobs/{first}/again", {})["id"]
    for _ in range(600):
        if (job := asked(studio, f"jobs/{made}"))["state"] == "failed":
            break
        time.sleep(0.1)
    assert job["sentence"] == "a file that was uploaded for this is not there any more; upload it again"


def test_a_training_is_watched_stopped_gone_on_with_and_judged(open_page: Open, studio: Any) -> None:
    page = open_page("#/train")
    page.get_by_label("Recipe").select_option("micro")
    page.get_by_label("Minutes").fill("0.3")
    start(page, "Train")
    page.locator("line-chart:visible").wait_for()
    clean(page, "a running training")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("stopped", exact=True).wait_for()
    page.get_by_text("the step that it was at is saved").wait_for()
    start(page, "Go on with it")
    page.get_by_text("Verdict: ").wait_for(timeout=180_000)
    result = asked(studio, f"jobs/{page.url.rsplit('/', 1)[1]}")["result"]
    assert result["says"] in (page.locator(".note", has_text="Verdict").text_content() or "")
    page.get_by_role("img", name=".png").first.wait_for()
    clean(page, "a finished training")
    go(page, "generate")
    name = next(one["name"] for one in asked(studio, "models") if one["id"] == result["model"])
    page.get_by_label("Model").first.select_option(label=name)
