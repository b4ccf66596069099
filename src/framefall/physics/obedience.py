"""How well a clip does what was asked for, as far as one can see: its caption first, then the laws that need no scene.

It is what chooses among several clips of one prompt. Nothing is known of the scene but the sentence.
"""

import math
from dataclasses import dataclass, field

from framefall.physics.adherence import attribute_checks
from framefall.physics.evidence import gather
from framefall.physics.laws import LAWS, laws
from framefall.tracking.trajectory import Tracks
from framefall.worlds.scene import Attributes

# what can be held against a clip whose scene nobody knows; the caption has its own place
JUDGES = tuple(law.name for law in LAWS.values() if law.needs == "video" and law.strict is not None)


@dataclass(frozen=True, kw_only=True)
class Obedience:
    """What a clip shows of its caption and keeps of the laws. The better of two is the larger one of `rank`."""

    attributes: dict[str, bool] = field(default_factory=dict)  # stated ones, and whether the clip shows them
    laws: dict[str, bool] = field(default_factory=dict)  # those that had something to judge, and whether it keeps them
    measurable: bool = True  # whether things could be followed at all

    @property
    def rank(self) -> tuple[float, int]:
        """The share of the attributes that are shown; of equals, how many more laws are kept than broken.

        A law that has nothing to judge counts for neither: of two falls, the one in which something falls is better.
        """
        shown = sum(self.attributes.values()) / len(self.attributes) if self.attributes else 0.0
        return shown, 2 * sum(self.laws.values()) - len(self.laws)

    def __str__(self) -> str:
        said = []
        if self.attributes:
            wrong = [name for name, right in self.attributes.items() if not right]
            said.append(f"{len(self.attributes) - len(wrong)} of {len(self.attributes)} attributes of its caption")
            said[-1] += f" (not {', '.join(wrong)})" if wrong else ""
        if self.laws:
            said.append(f"{sum(self.laws.values())} of {len(self.laws)} laws")
        return " and ".join(said) or "nothing that can be judged"


def obedience(tracks: Tracks, said: Attributes | None, version: int = 1) -> Obedience:
    """What a clip's tracks show of what was said, in the words of a version of the worlds.

    A clip whose things cannot be followed shows nothing of it and keeps no law. What was left unsaid is not asked for.
    """
    found = laws(tracks, None, said, JUDGES, version)
    due = {name: one for name, one in found.items() if said is None or said.scenario in LAWS[name].applies}
    attributes = attribute_checks(gather(tracks, None, said, version))
    things = said.things if said is not None else ()
    for word in ("colour", "size"):
        if not all(getattr(thing, word) for thing in things):
            del attributes[word]
    if not tracks.measurable or not tracks.outlined:
        return Obedience(attributes=dict.fromkeys(attributes, False), laws=dict.fromkeys(due, False), measurable=False)
    return Obedience(
        attributes=attributes,
        laws={name: LAWS[name].passes(one.value) for name, one in due.items() if not math.isnan(one.value)},
    )
