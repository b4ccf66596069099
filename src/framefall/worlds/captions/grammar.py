"""The sentences of captions, as patterns with slots; captions fill them, and the parser reads them backwards.

A `Form` is all of a scene's attributes that change which words stand where; the rest are values in slots. Each
form has `PARAPHRASES` patterns. `{thing0}` stands for "a {size0} {colour0} {shape0}", `{others}` for all things
but the first, `{colours}` for the colours of a pile, `{behind}` for a screen where there is one.
"""

from dataclasses import dataclass

from framefall.worlds.captions.bins import SIZES, SPEEDS
from framefall.worlds.scene import COLOURS, SOLIDS
from framefall.worlds.shapes import OUTLINES

PARAPHRASES = 5

# by scenario and variant (an outcome, or how many); a word that fills slots may not stand in a pattern as itself,
# or else it must be the same word in every pattern that is otherwise equal
PATTERNS: dict[tuple[str, str], tuple[str, ...]] = {
    ("fall", ""): (
        "{thing0} falls and bounces on the floor",
        "{thing0} drops to the floor and bounces",
        "let go in the air, {thing0} falls and bounces",
        "gravity pulls {thing0} to the floor, where it bounces",
        "the scene shows {thing0} in free fall that bounces off the floor",
    ),
    ("projectile", ""): (
        "{thing0} is thrown to the {direction} at a {speed} pace and flies in an arc",
        "{thing0} flies {direction} in an arc, launched at a {speed} speed",
        "thrown {direction} at a {speed} pace, {thing0} follows an arc",
        "tossed at a {speed} speed, {thing0} curves through the air to the {direction}",
        "the scene shows {thing0} thrown to the {direction} in an arc at a {speed} pace",
    ),
    ("uniform", ""): (
        "{thing0} moves {direction} at a {speed} pace",
        "{thing0} glides {direction} in a straight line at a {speed} speed",
        "at a steady {speed} pace {thing0} drifts {direction}",
        "nothing pushes {thing0}, which travels {direction} at a {speed} speed",
        "the scene shows {thing0} heading {direction} at an even and {speed} pace",
    ),
    ("collision", "hits"): (
        "{thing0} moves {direction} at a {speed} pace and hits {thing1} at rest{behind}",
        "{thing0} heads {direction} at a {speed} speed and knocks {thing1} away, which stood still{behind}",
        "moving {direction} at a {speed} pace, {thing0} bumps into {thing1} that is not moving{behind}",
        "{thing1} stands still until {thing0} moving {direction} at a {speed} speed strikes it{behind}",
        "the scene shows {thing0} that moves {direction} at a {speed} pace into a resting thing, {thing1}{behind}",
    ),
    ("collision", "meets"): (
        "{thing0} moves {direction} at a {speed} pace and meets {thing1} that comes the other way{behind}",
        "{thing0} heading {direction} and {thing1} heading towards it at a {speed} speed collide{behind}",
        "moving {direction} at a {speed} pace, {thing0} runs into {thing1} on its way to it{behind}",
        "{thing1} approaches {thing0} that moves {direction}, both at a {speed} speed, and they collide{behind}",
        "here {thing0} moving {direction} and {thing1} coming towards it meet at a {speed} pace{behind}",
    ),
    ("billiards", ""): (
        "on a table with cushions {thing0} shoots {direction} at a {speed} pace among {others}",
        "{thing0} is shot {direction} at a {speed} speed at {others} on a walled table",
        "a game of billiards: {thing0} rushes {direction} at a {speed} pace, and {others} wait at rest",
        "{others} lie still between four walls, and {thing0} comes {direction} at a {speed} speed",
        "the scene shows {count} things on a table: {thing0} shot {direction} at a {speed} pace, and {others}",
    ),
    ("pendulum", ""): (
        "{thing0} hangs from a rod and swings, first to the {direction}",
        "{thing0} swings on a rod, starting to the {direction}",
        "let go aside, {thing0} on a rod swings to the {direction} and back",
        "a pendulum with {thing0} as its bob swings to the {direction} first",
        "the scene shows {thing0} on a stiff rod that begins to swing {direction}",
    ),
    ("ramp", "rolls"): (
        "{thing0} rolls on a ramp to the {direction}",
        "{thing0} starts to roll {direction} along a slope",
        "on a slope {thing0} rolls {direction}, faster and faster",
        "from rest {thing0} rolls along an incline to the {direction}",
        "the scene shows {thing0} rolling {direction} on a ramp",
    ),
    ("ramp", "slides"): (
        "{thing0} slides on a ramp to the {direction}",
        "{thing0} starts to slide {direction} along a slope",
        "on a slope {thing0} slides {direction}, faster and faster",
        "from rest {thing0} slides along an incline to the {direction}",
        "the scene shows {thing0} sliding {direction} on a ramp",
    ),
    ("ramp", "flies"): (
        "{thing0} rolls on a ramp to the {direction}, flies off its end and lands on the floor",
        "{thing0} starts to roll {direction} along a slope that ends in the air, and flies",
        "on a slope {thing0} rolls {direction} and flies off where the slope ends",
        "from rest {thing0} rolls along an incline to the {direction} and jumps off its end",
        "the scene shows {thing0} rolling {direction} off the end of a ramp and falling",
    ),
    ("occluder", "one"): (
        "{thing0} moves {direction} at a {speed} pace and passes behind a {occluder} screen",
        "{thing0} goes {direction} at a {speed} speed, is hidden by a {occluder} panel and comes out again",
        "behind a {occluder} screen {thing0} passes {direction} at a {speed} pace and shows up on the other side",
        "a {occluder} panel hides {thing0} for a while as it moves {direction} at a {speed} speed",
        "the scene shows {thing0} heading {direction} at a {speed} pace and passing behind a {occluder} wall",
    ),
    ("occluder", "two"): (
        "{thing0} and {thing1} move {direction} at a {speed} pace and pass behind a {occluder} screen",
        "{thing0} and {thing1} go {direction} at a {speed} speed, are hidden by a {occluder} panel and come out again",
        "behind a {occluder} screen {thing0} and {thing1} pass {direction} at a {speed} pace and show up again",
        "a {occluder} panel hides {thing0} and {thing1} for a while as they move {direction} at a {speed} speed",
        "two things, {thing0} and {thing1}, heading {direction} at a {speed} pace pass behind a {occluder} wall",
    ),
    ("occluder_bounce", ""): (
        "{thing0} moves {direction} at a {speed} pace, bounces behind a {occluder} screen and comes back",
        "{thing0} goes {direction} at a {speed} speed behind a {occluder} panel, meets a hidden wall and returns",
        "behind a {occluder} screen {thing0} that came {direction} at a {speed} pace bounces and turns round",
        "a {occluder} panel hides {thing0} going {direction} at a {speed} speed, until it comes back the same way",
        "the scene shows {thing0} heading {direction} at a {speed} pace that returns from behind a {occluder} wall",
    ),
    ("stack", "stands"): (
        "a stack of {count} {size0} boxes stands: {colours}",
        "{count} {size0} boxes, {colours}, stand one on the other",
        "a tower of {count} {size0} boxes, {colours}, does not fall",
        "in a pile {count} {size0} boxes keep their balance: {colours}",
        "the scene shows {count} {size0} boxes in a stable stack: {colours}",
    ),
    ("stack", "topples"): (
        "a stack of {count} {size0} boxes topples to the {direction}: {colours}",
        "{count} {size0} boxes, {colours}, stacked one on the other, topple to the {direction}",
        "a tower of {count} {size0} boxes, {colours}, falls over to the {direction}",
        "in a pile {count} {size0} boxes lose their balance to the {direction}: {colours}",
        "the scene shows {count} {size0} boxes in an unstable stack that tips {direction}: {colours}",
    ),
    ("double_drop", ""): (
        "{thing0} and, from higher, {thing1} fall to the floor at once",
        "{thing0} and {thing1} are dropped at once, the second from a greater height",
        "let go together, {thing0} lands first and {thing1} from higher lands later",
        "gravity pulls {thing0} and, above it in height, {thing1} to the floor, where they bounce",
        "the scene shows {thing0} and {thing1} dropped from different heights, the lower one first",
    ),
    ("pour", ""): (
        "{count} {size0} {colour0} balls pour into a jar",
        "a jar is filled with {count} {size0} {colour0} balls",
        "{count} {size0} {colour0} balls fall into a jar and come to rest",
        "into a jar go {count} {size0} {colour0} balls",
        "the scene shows {count} {size0} {colour0} balls that tumble into a jar",
    ),
    ("light", ""): (
        "light sweeps to the {direction} over {thing0} that stands still",
        "{thing0} stands still while the light moves {direction}",
        "over {thing0} at rest a lamp wanders to the {direction}",
        "nothing moves but the light, which goes {direction} past {thing0}",
        "the scene shows {thing0} at rest, lit by a lamp that moves {direction}",
    ),
    ("solid_fall", ""): (
        "{thing0} falls on a tiled floor and settles",
        "{thing0} drops on the tiles, bounces and comes to rest",
        "let go over a tiled floor, {thing0} falls, bounces and settles",
        "gravity pulls {thing0} on the tiles, where it settles",
        "the scene shows {thing0} in free fall that settles on a tiled floor",
    ),
    ("solid_collision", ""): (
        "{thing0} rolls {direction} over a tiled floor at a {speed} pace and hits {thing1}",
        "{thing0} comes rolling {direction} at a {speed} speed and bumps into {thing1} on the tiles",
        "rolling {direction} at a {speed} pace over the tiles, {thing0} runs into {thing1}",
        "{thing1} stands on the tiles until {thing0} rolling {direction} at a {speed} speed strikes it",
        "the scene shows {thing0} that rolls {direction} at a {speed} pace into {thing1} on a tiled floor",
    ),
    ("solid_orbit", ""): (
        "{thing0}, {thing1} and {thing2} stand on a tiled floor",
        "on the tiles there are {thing0}, {thing1} and {thing2}",
        "three things stand still on a tiled floor: {thing0}, {thing1} and {thing2}",
        "nothing moves on the tiles, neither {thing0} nor {thing1} nor {thing2}",
        "the scene shows {thing0}, {thing1} and {thing2} at rest on a tiled floor",
    ),
    ("solid_behind", ""): (
        "{thing0} rolls {direction} at a {speed} pace behind a {occluder} board on a tiled floor",
        "{thing0} rolling {direction} at a {speed} speed over the tiles is hidden by a {occluder} board for a while",
        "behind a {occluder} board on the tiles {thing0} rolls {direction} at a {speed} pace",
        "a {occluder} board on a tiled floor hides {thing0} that rolls {direction} at a {speed} speed",
        "the scene shows {thing0} rolling {direction} at a {speed} pace past the back of a {occluder} board",
    ),
}
CAMERA = (
    ", while the camera pans {camera}",
    ", as the camera moves {camera}",
    ", seen by a camera that pans {camera}",
    ", and the camera turns to the {camera}",
    ", filmed by a camera moving {camera}",
)
GRAVITY = (
    ", with gravity {gravity}",
    ", under a gravity of {gravity}",
    ", where gravity is {gravity}",
    ", with a gravity of {gravity}",
    ", at gravity {gravity}",
)
VELOCITY = (
    ", at {velocity} heights a second",
    ", with a launch speed of {velocity}",
    ", where the speed is {velocity} heights a second",
    ", with a speed of {velocity}",
    ", making {velocity} heights a second",
)

# what fills the slots, by the word that a caption has for it
_COUNTS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"  # from two on
NUMBERS = {word: value for value, word in enumerate(_COUNTS.split(" "), start=2)}
SIDES = ("left", "right", "up", "down")
_PACES = {"medium": "moderate"}  # for the word "medium" is a size already
WORDS: dict[str, tuple[str, str]] = (  # word in captions: its kind, and the attribute's value
    {word: ("size", word) for word in SIZES}
    | {_PACES.get(word, word): ("speed", word) for word in SPEEDS}
    | {word: ("colour", word) for word in COLOURS}
    | {word: ("shape", word) for word in (*OUTLINES, *SOLIDS)}
    | {word: ("side", word) for word in SIDES}
    | {word: ("count", str(value)) for word, value in NUMBERS.items()}
)
KINDS = {"direction": "side", "camera": "side", "occluder": "colour", "gravity": "number", "velocity": "number"}
SAY = {(kind, value): word for word, (kind, value) in WORDS.items()}  # the other way round


@dataclass(frozen=True)
class Form:
    """Which words stand where: everything but the values."""

    scenario: str
    variant: str  # an outcome, or how many things
    things: int  # whose words stand apart; 1 where all things are alike
    behind: bool = False  # a collision's screen
    camera: bool = False
    gravity: bool = False
    velocity: bool = False


def pattern(form: Form, paraphrase: int) -> str:
    """The sentence with slots like {colour0}, {direction}, {gravity}."""
    text = PATTERNS[form.scenario, form.variant][paraphrase]
    text = text.replace("{behind}", " behind a {occluder} screen" if form.behind else "")
    text += CAMERA[paraphrase] if form.camera else ""
    text += GRAVITY[paraphrase] if form.gravity else ""
    text += VELOCITY[paraphrase] if form.velocity else ""
    things = [f"a {{size{i}}} {{colour{i}}} {{shape{i}}}" for i in range(form.things)]
    colours = [f"{{colour{i}}}" for i in range(form.things)]
    text = text.replace("{others}", _listed(things[1:]))
    text = text.replace("{colours}", "from the bottom " + ", then ".join(colours))
    for index, thing in enumerate(things):
        text = text.replace(f"{{thing{index}}}", thing)
    return text


def _listed(things: list[str]) -> str:
    """One, two and three."""
    return things[0] if len(things) == 1 else " and ".join((", ".join(things[:-1]), *things[-1:])) if things else ""
