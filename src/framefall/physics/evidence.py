"""What the laws are judged on: a clip's tracks, made ready once, and what is known of its scene."""

from dataclasses import dataclass

from framefall.physics.joints import Joint
from framefall.physics.motions import Motion, find_motions
from framefall.physics.paths import Path, find_paths
from framefall.physics.truth import TrueBody, Truth
from framefall.tracking.trajectory import Tracks
from framefall.worlds.scene import Attributes

Finding = tuple[float, str]  # a value, and why it is NaN or what there is to say of it
NOTHING = float("nan")


@dataclass(frozen=True, eq=False)
class Evidence:
    """One clip. With a scene the first motions are those of its bodies, in its order."""

    tracks: Tracks
    motions: tuple[Motion, ...]
    truth: Truth | None = None
    said: Attributes | None = None

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.tracks.fps

    @property
    def paths(self) -> list[Path]:
        """Where everything went."""
        return [motion.path for motion in self.motions]

    @property
    def bodies(self) -> list[tuple[TrueBody, Motion]]:
        """The scene's bodies with what was seen of them; none without a scene."""
        return list(zip(self.truth.bodies, self.motions, strict=False)) if self.truth is not None else []

    @property
    def strangers(self) -> list[Motion]:
        """What is no body of the scene."""
        return list(self.motions[len(self.truth.bodies) :]) if self.truth is not None else []

    def joints(self, *kinds: str) -> list[Joint]:
        """The joints of some kinds, of all paths."""
        return [joint for motion in self.motions for joint in motion.joints if joint.kind in kinds]


def gather(tracks: Tracks, truth: Truth | None = None, said: Attributes | None = None) -> Evidence:
    """Tracks made ready; with a scene its attributes are what was said, if nothing else was."""
    if truth is not None and (tracks.frames != truth.frames or tracks.fps != truth.fps):
        raise ValueError(
            f"tracks and scene must have the same frames, got {tracks.frames} at {tracks.fps} fps and "
            f"{truth.frames} at {truth.fps} fps; project the scene to the clip's own frames"
        )
    if truth is not None and (tracks.height, tracks.width) != (truth.height, truth.width):
        raise ValueError(
            f"tracks and scene must have the same size, got {tracks.height}x{tracks.width} and "
            f"{truth.height}x{truth.width}; project the scene to the clip's own size"
        )
    motions = find_motions(find_paths(tracks, truth), tracks.fps, truth)
    return Evidence(tracks, motions, truth, said or (truth.said if truth is not None else None))
