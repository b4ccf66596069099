"""The lesson in a browser, from a plain file server: what its controls say, by keyboard, on a phone, light and dark."""

import functools
import http.server
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from framefall.studio.lesson.examples import examples
from framefall.studio.lesson.export import export
from framefall.studio.lesson.numbers import formatted, found

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TABS = ("time", "attention", "cascade", "physics")
Open = Callable[..., "Page"]
BUILT = """tab => document.querySelector(`#${tab} .diagram`) !== null
    && [...document.querySelectorAll(`#${tab} *`)].filter((one) => one.ready)
        .every((one) => one.childElementCount || one.hidden)"""
UNFOLD = "document.querySelectorAll('details').forEach((one) => (one.open = true))"
MOVE = "(one, share) => { one.value = Math.round(one.max * share); one.dispatchEvent(new Event('input')); }"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not talk."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site(chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The exported lesson, served as python -m http.server would."""
    folder = tmp_path_factory.mktemp("site") / "lesson"
    export(folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def lesson(chromium: "Browser", site: str) -> Iterator[Open]:
    """`lesson("time", width=360)`: the page at a tab, with its diagrams; whatever it complains of fails the test."""
    contexts, errors, asked = [], list[str](), list[str]()

    def make(tab: str = "time", *, width: int = 1280, **options: Any) -> "Page":
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site}lesson/#{tab}" if tab else f"{site}lesson/")
        page.wait_for_function(BUILT, arg=tab or "time")
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((site, "blob:", "data:"))] == []


def check_numbers(page: "Page") -> int:
    """Each number that is shown is the library's; how many there are."""
    shown = page.evaluate(
        "[...document.querySelectorAll('data[data-from]')]"
        ".map((one) => [one.dataset.from, one.dataset.form, one.textContent])"
    )
    values = examples()
    for path, form, text in shown:
        assert text == formatted(found(values, path), form), path
    return len(shown)


@pytest.mark.parametrize("tab", [TABS[1], *(pytest.param(tab, marks=pytest.mark.slow) for tab in (TABS[0], *TABS[2:]))])
def test_every_number_is_the_librarys_wherever_the_controls_stand(lesson: Open, tab: str) -> None:
    page = lesson(tab)
    page.evaluate(UNFOLD)
    assert check_numbers(page) > 30
    choices = page.locator(f"#{tab} .choice input")
    for place in range(choices.count()):
        choices.nth(place).evaluate("one => one.click()")
        check_numbers(page)
    sliders = page.locator(f"#{tab} .diagram .field input[type=range], #{tab} frame-player input[type=range]")
    for place in range(sliders.count()):
        for share in (0, 0.5, 1):
            sliders.nth(place).evaluate(MOVE, share)
            check_numbers(page)
    # a number that somebody typed would be found
    page.evaluate("document.querySelector('data[data-from]').textContent = '7.25'")
    with pytest.raises(AssertionError):
        check_numbers(page)


@pytest.mark.slow
def test_time_the_meters_move_with_the_frame_and_damage_is_noticed(lesson: Open) -> None:
    page = lesson("time")
    slider = page.locator("time-fusion frame-player input[type=range]")
    meter = page.locator("time-fusion tbody tr").first.locator("data").first
    slider.evaluate(MOVE, 0.2)
    first = meter.text_content()
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "frame 5 of 16"
    assert meter.text_content() != first
    said = page.locator("time-damage .readout")
    page.locator("time-damage").get_by_role("radio", name="freeze").check()
    assert "repeated frames" in (said.text_content() or "")
    assert page.locator("time-damage .chip.warn").count() > 3  # calm is void where nothing happens
    page.locator("time-damage").get_by_role("radio", name="teleport").check()
    assert said.text_content() == "Noticed by: permanence."
    page.get_by_role("slider", name="Strength").press("Home")
    assert said.text_content() == "No metric complains of the sound clip."


@pytest.mark.slow
def test_attention_a_frame_says_whom_it_listens_to(lesson: Open) -> None:
    page = lesson("attention")
    who = page.locator("attention-map")
    said = who.locator(".readout")
    who.get_by_role("button", name="frame 1", exact=True).hover()
    assert "Frame 1 sees frames 1, 2, 3." in (said.text_content() or "")
    who.get_by_role("radio", name="full attention").check()
    assert "sees all frames" in (said.text_content() or "")
    who.get_by_role("button", name="frame 1", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert "Frame 2 sees" in (said.text_content() or "")
    real = page.locator("attention-real .readout")
    first = real.text_content()
    page.get_by_role("slider", name="Block").press("End")
    assert real.text_content() != first
    page.get_by_role("slider", name="Frames of the clip").press("End")
    assert "1,048,576 pairs" in (page.locator("cost-curve .readout").text_content() or "")


@pytest.mark.slow
def test_cascade_steps_stages_and_sizes(lesson: Open) -> None:
    page = lesson("cascade")
    step = page.get_by_role("slider", name="Step")
    step.press("End")
    assert step.get_attribute("aria-valuetext") == "step 16 of 24"
    page.locator("cascade-walk").get_by_role("radio", name="SSR").check()
    page.wait_for_function("() => document.querySelector('cascade-walk clip-player').video.videoWidth === 256")
    cost = page.locator("cascade-without .readout data")
    whole = cost.text_content()
    page.locator("cascade-without").get_by_role("checkbox", name="SSR").uncheck()
    assert cost.text_content() != whole
    assert page.locator("cascade-without").get_by_text("left out").count() == 1
    said = page.locator("cascade-planner .readout")
    shipped = said.text_content()
    page.get_by_role("slider", name="Finished clip:").press("End")
    large = said.text_content()
    page.locator("cascade-planner").get_by_role("radio", name="U-Net").check()
    assert len({shipped, large, said.text_content()}) == 3
    before = page.locator("stage-blame tbody").text_content()
    page.locator("stage-blame .choice input").last.evaluate("one => one.click()")
    assert page.locator("stage-blame tbody").text_content() != before


@pytest.mark.slow
def test_physics_scenes_twins_and_a_whole_game_by_keyboard(lesson: Open) -> None:
    page = lesson("physics")
    scenes, game, made = page.locator("physics-scenes"), page.locator("physics-game"), examples()["physics-game"]
    scenes.get_by_role("radio", name="hide").check()
    assert scenes.locator("tbody").get_by_text("reappearance").first.is_visible()
    assert scenes.locator(".readout").is_hidden()  # nothing falls there
    scenes.get_by_role("radio", name="throw").check()
    assert "Gravity" in (scenes.locator(".readout").text_content() or "")
    assert "Fooled: roughness" in (page.locator("physics-twins .readout").text_content() or "")
    for number, pair in enumerate(made["pairs"]):
        assert game.get_by_role("heading").text_content() == f"Pair {number + 1} of 10"
        game.get_by_role("button", name="Left is real").press("Enter")
        told = game.locator(".readout").text_content() or ""
        assert told.startswith("Yes" if pair["left"] == "valid" else "No")
        assert f"The model was {'right' if pair['model']['right'] else 'wrong'}." in told
        page.keyboard.press("Enter")  # the focus is on what comes next
    mine = sum(pair["left"] == "valid" for pair in made["pairs"])
    assert game.locator(".readout").text_content() == f"You: {mine} of 10. The model: {made['right']} of 10."
    game.get_by_role("button", name="Play again").press("Enter")
    assert game.get_by_role("heading").text_content() == "Pair 1 of 10"


@pytest.mark.slow
def test_contents_pager_and_address_lead_to_the_card(lesson: Open) -> None:
    page = lesson("time")
    page.locator("#time .contents").get_by_role("link", name="How flicker is measured").click()
    assert page.url.endswith("#time-flicker")
    page.locator("#time-damage .pager a.next").click()
    page.wait_for_function("() => !document.getElementById('attention').hidden")
    assert page.locator("#time").is_hidden()
    assert page.locator("details#convolution").get_attribute("open") is not None
    assert page.locator("#tab-attention").get_attribute("aria-current") == "page"
    page.go_back()
    page.wait_for_function("() => !document.getElementById('time').hidden")


STOP = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const seen = getComputedStyle(one).boxShadow !== "none" || !!one.closest(".choice");
  for (let at = one; at; at = at.parentElement) if (at.ready) return [at.localName, seen];
  return [one.closest(".contents, .pager, .tabs")?.className ?? "", seen];
}"""


@pytest.mark.slow
def test_the_keyboard_reaches_every_diagram_and_shows_where_it_is(lesson: Open) -> None:
    page = lesson("")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the lesson"
    page.keyboard.press("Enter")
    for tab in TABS:
        turn(page, tab)
        page.evaluate("document.querySelector('#main').focus()")
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            stop = page.evaluate(STOP)
            if stop is None:  # the end of the page
                break
            assert stop[1], (tab, page.evaluate("document.activeElement.outerHTML"))
            reached.add(stop[0])
        wanted = page.evaluate(
            """tab => [...document.querySelectorAll(`#${tab} *`)].filter((one) => one.ready && !one.hidden
            && one.querySelector("button, input, select, [tabindex='0']")).map((one) => one.localName)""",
            tab,
        )
        assert {*wanted, "contents", "pager"} <= reached, tab


def test_it_reads_without_scripts(chromium: "Browser", site: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}lesson/")
    text = page.locator("main").inner_text()
    for name in ("Time breaks naive extrapolation", "The cascade", "Physics and consistency", "References"):
        assert name in text
    assert formatted(found(examples(), "cascade-planner:networks.transformer.rows.4.times"), "d0") in text
    context.close()


@pytest.mark.slow
def test_cards_are_read_aloud(lesson: Open) -> None:
    page = lesson("time")
    page.evaluate("() => { globalThis.spoken = []; speechSynthesis.speak = (said) => void spoken.push(said.text); }")
    button = page.get_by_role("button", name="Read aloud: How flicker is measured")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    (text,) = page.evaluate("spoken")
    assert text.startswith("How flicker is measured")
    assert "flicker is the mean distance" in text  # an equation in words
    button.click()
    assert button.get_attribute("aria-pressed") == "false"


def turn(page: "Page", tab: str) -> None:
    """Opens a tab, with everything that is folded."""
    page.evaluate("tab => { location.hash = tab; }", tab)
    page.wait_for_function("tab => !document.getElementById(tab).hidden", arg=tab)
    page.wait_for_function(BUILT, arg=tab)
    page.evaluate(UNFOLD)


@pytest.mark.slow
def test_nothing_is_wider_than_a_phone(lesson: Open) -> None:
    page = lesson(width=360)
    for tab in TABS:
        turn(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, tab
        assert page.evaluate("(([one]) => one.scrollWidth <= one.clientWidth)(document.querySelectorAll('nav.tabs'))")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_serious_to_say(lesson: Open, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = lesson(color_scheme=scheme)
    for tab in TABS:
        turn(page, tab)
        bad = [one for one in axe.run(page).response["violations"] if one["impact"] in ("serious", "critical")]
        assert bad == [], json.dumps(
            [[tab, one["id"], [node["html"][:300] for node in one["nodes"][:3]]] for one in bad]
        )


@pytest.mark.slow
def test_nothing_moves_until_it_is_asked_to(lesson: Open) -> None:
    page = lesson("time")
    assert page.get_by_role("link", name="Back to the studio").count() == 0  # there is none behind this page
    assert page.evaluate("[...document.querySelectorAll('frame-player')].every((one) => !one.playing)")
    player = page.locator("time-fusion frame-player")
    player.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('time-fusion frame-player').playing")
    player.get_by_role("button", name="Pause").click()
    assert not page.evaluate("document.querySelector('time-fusion frame-player').playing")


@pytest.mark.slow
def test_in_the_studio_a_clip_is_made_and_measured_live(open_page: Open, studio: Any) -> None:
    """The guard's rules hold for the lesson too: the fixture fails at any word on the console."""
    page = open_page()
    page.evaluate("localStorage.setItem('theme', 'dark')")
    page.goto(f"{studio.url}lesson/#time")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"  # as it was chosen in the studio
    assert page.get_by_role("link", name="Back to the studio").get_attribute("href") == "../"
    live = page.locator("#time live-clip")
    live.get_by_label("Seed").fill("3")
    live.get_by_role("button", name="Make it now").click()
    live.locator("clip-player").wait_for(timeout=90_000)
    flicker = live.locator("tbody td").first.text_content()
    request = urllib.request.Request(f"{studio.url}api/jobs", headers={"Authorization": f"Bearer {studio.token}"})
    job = json.load(urllib.request.urlopen(request))["jobs"][0]
    assert job["request"]["seed"] == 3
    assert flicker == f"{job['result']['clips'][0]['scores']['flicker']:.4f}"
