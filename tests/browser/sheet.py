"""The studio's pages as pictures, to be looked at: `python tests/browser/sheet.py docs` renews the documentation's.

A real clip is made by the shipped cascade and measured; each page is shown light, dark and on a phone.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from conftest import CHROMIUM, FLAGS, TOKEN, Server

PAGES = ("generate", "compare", "train", "measure", "history")
LOOKS = {"readme": (1280, 1560), "light": (1280, 1000), "dark": (1280, 1000), "phone": (360, 1000)}
PROMPT = "a large red ball falls and bounces on the floor"
SCALE = 0.5  # of a picture on the sheet


def work(page: Any, server: Server, footage: Path) -> None:
    """A clip is made, two settings are compared, a toy is trained, a clip is measured."""
    page.goto(f"{server.url}#/generate")
    page.get_by_role("combobox", name="Prompt").fill(PROMPT)
    page.get_by_role("button", name="Generate", exact=True).click()
    page.locator("clip-player").wait_for()
    made = next(server.home.rglob("clip.mp4"))
    shutil.copy(made, footage / f"{PROMPT}.mp4")
    (footage / "broken.mp4").write_text("no video")
    page.goto(f"{server.url}#/compare")
    for at in (0, 1):
        page.get_by_label("Model").nth(at).select_option(label="worlds")
    page.get_by_role("combobox", name="Prompt").fill("a large blue ball falls and bounces")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("clip-player").wait_for()
    page.goto(f"{server.url}#/train")
    page.get_by_role("button", name="Look first").click()
    page.get_by_role("heading", name="1 file is used").wait_for()
    page.get_by_label("Recipe").select_option("micro")
    page.get_by_label("Minutes").fill("0.3")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text("Verdict: ").wait_for()
    page.goto(f"{server.url}#/measure")
    page.locator("drop-zone input").first.set_input_files(footage / f"{PROMPT}.mp4")
    page.get_by_role("button", name=f"Remove {PROMPT}").wait_for()
    page.get_by_role("button", name="Measure", exact=True).click()
    page.locator("clip-player").wait_for()


def shots(browser: Any, server: Server, footage: Path, look: str) -> Iterator[tuple[str, Image.Image]]:
    """Every page with the newest of its jobs, by its name."""
    width, height = LOOKS[look]
    scheme = "dark" if look == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{server.url}?token={TOKEN}#/history")
    page.wait_for_selector(".jobs li")
    if page.locator(".jobs .chip.good").count() == 0:
        work(page, server, footage)
    for name in PAGES:
        page.goto(f"{server.url}#/history")
        page.wait_for_selector(".jobs li")
        done = page.locator(f".jobs a[href^='#/{name}/']")
        if done.count():
            done.first.click()
            page.wait_for_selector("job-view .chip.good")
            page.wait_for_timeout(2000)  # its result is fetched and drawn
            page.evaluate("for (const one of document.querySelectorAll('clip-player')) one.frame = 12")
            if name == "measure":
                page.get_by_label("Draw tracks").check()
            page.evaluate("if (innerWidth < 500) document.querySelector('section[aria-label=Result]').scrollIntoView()")
        else:
            page.goto(f"{server.url}#/{name}")
        page.wait_for_timeout(1000)  # the picture is sought
        yield name, Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()


def main(folder: Path) -> None:
    """Writes `studio.webp`, the first page alone, and `studio-pages.webp`, the sheet of all."""
    from playwright.sync_api import sync_playwright

    rows = []
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        footage = Path(home) / "footage"
        footage.mkdir()
        server = Server(["--device", "cpu", "--root", str(footage)], Path(home) / "home")
        server.start()
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for look in LOOKS:
            pictures = dict(shots(browser, server, footage, look))
            if look == "readme":
                pictures["generate"].save(folder / "studio.webp", quality=80, method=6)
                continue
            rows.append([one.resize([round(SCALE * side) for side in one.size]) for one in pictures.values()])
        browser.close()
        server.stop()
    gap = 12
    size = (
        max(sum(one.width + gap for one in row) for row in rows) + gap,
        sum(row[0].height + gap for row in rows) + gap,
    )
    sheet, y = Image.new("RGB", size, "#888888"), gap
    for row in rows:
        x = gap
        for one in row:
            sheet.paste(one, (x, y))
            x += one.width + gap
        y += row[0].height + gap
    sheet.save(folder / "studio-pages.webp", quality=70, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
