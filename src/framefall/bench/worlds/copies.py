"""Do samples lie nearer to training clips than held-out clips do? Of the training clips most like each caption."""

from collections.abc import Iterator, Sequence

from framefall.bench.worlds.continuation import Found
from framefall.evaluate.metrics.suite import NamedVideo
from framefall.evaluate.sets.memorisation import FLAG_SHARE, describe, memorisation
from framefall.evaluate.worldbench.benchmark import Case, Protocol
from framefall.video import Video, from_pixels
from framefall.worlds.render.renderer import render
from framefall.worlds.scene import Scene
from framefall.worlds.world import World

LOOKED = 1500  # training scenes of a scenario
LIKE = 6  # of them that are drawn for each caption


def copies(made: Sequence[tuple[str, Video]], given: Sequence[Case], protocol: Protocol) -> Found:
    """Of content and of motion: the share of samples nearer to a training clip than 95 % of held-out clips are.

    The held-out clips are the worlds' own of the `given` cases, among whose captions are those of the samples, and
    both are held against the same training clips: for each case the `LIKE` of `LOOKED` whose things have most of its
    colours, shapes and sizes. At `chance` a sample is as near as a clip that was never seen; a training clip has 1.
    """
    fps = protocol.fps
    generated = describe((name, video, fps) for name, video in made)
    held_out = describe((case.name, case.video, fps) for case in given)
    training = describe(_alike(given, protocol))
    found = memorisation(generated, training, held_out, protocol.seed)
    spaces = {
        one.space: {"nearer": one.flagged, "rho": one.rho, "training_clips": len(training[one.space].names)}
        for one in found
    }
    return {**spaces, "chance": FLAG_SHARE / 100}


def _alike(given: Sequence[Case], protocol: Protocol) -> Iterator[NamedVideo]:
    """Training clips by name, each once, as the renderer shows them."""
    for scenario in protocol.scenarios:
        world = World((scenario,), "train", seed=protocol.seed, version=protocol.version)
        scenes = [world.scene(index) for index in range(LOOKED)]
        near: dict[int, Case] = {}
        for case in given:
            if case.scenario == scenario:
                order = sorted(range(LOOKED), key=lambda index: _unlike(scenes[index], case.log.scene))
                near |= dict.fromkeys(order[:LIKE], case)
        for index, case in near.items():
            video = from_pixels(render([world.log(index)], [case.times], case.view))
            yield f"{scenario}/train/{index}", video, protocol.fps


def _unlike(one: Scene, other: Scene) -> int:
    """How much of what a caption says of two scenes is different."""
    ours, theirs = one.attributes, other.attributes
    words = [ours.direction != theirs.direction, ours.speed != theirs.speed, ours.outcome != theirs.outcome]
    things = zip(ours.things, theirs.things, strict=False)
    unlike = [(a.colour != b.colour) * 3 + (a.shape != b.shape) * 2 + (a.size != b.size) for a, b in things]
    return sum(words) + sum(unlike) + 6 * abs(len(ours.things) - len(theirs.things))
