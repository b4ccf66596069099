"""What can be asked of the studio: bodies of requests, checked field by field before anything is done."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from framefall.weights import DEFAULT

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,2000}$", description="a name that the server has made")]
Model = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$", description="one of GET /api/models, by its id")]
Prompt = Annotated[str, Field(max_length=1000)]
Second = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
LONGEST = 600.0  # seconds of a clip
MOST_CLIPS = 16
Seed = Annotated[int, Field(ge=0, lt=2**53)]
Count = Annotated[int, Field(ge=1, le=MOST_CLIPS)]
MOST_MINUTES = 100_000.0


class Asked(BaseModel):
    """A body of which every field is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ImageAt(Asked):
    """An uploaded image, and when it is to be seen."""

    upload: Id
    second: Second = 0.0


class PromptAt(Asked):
    """What is to be seen from a second on."""

    second: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
    prompt: Prompt


class Use(Asked):
    """What is known of a clip before it is made. Uploads by their ids; what is given decides the use."""

    images: Annotated[list[ImageAt], Field(max_length=32)] = []
    video: Id | None = None  # to go on from, or to change
    extend: Literal["before", "after", "both"] | None = None
    end: Id | None = None  # an image or a video that the clip ends with
    mask: Id | None = None  # white: made anew
    strength: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0  # below 1: the video is drawn again
    loop: bool = False
    prompts_at: Annotated[list[PromptAt], Field(max_length=64)] = []

    @property
    def uploads(self) -> list[str]:
        """The ids of all that is used."""
        return [*(one.upload for one in self.images), *(one for one in (self.video, self.end, self.mask) if one)]


class Setting(Asked):
    """How clips are made."""

    model: Model = DEFAULT
    prompt: Prompt | None = None
    seconds: Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)] | None = None
    frames: Annotated[int, Field(ge=1, le=20_000)] | None = None
    quality: Literal["fast", "best"] = "fast"
    candidates: Annotated[int, Field(ge=1, le=32)] = 1  # of the base, for each clip; the best is made whole
    until: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")] | None = None  # the last stage to run
    guidance: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    use: Use = Use()

    @model_validator(mode="after")
    def _one_length(self) -> "Setting":
        if self.seconds is not None and self.frames is not None:
            raise ValueError("give frames or seconds, not both")
        return self


class Generate(Setting):
    """New clips of a model: numbers 0 to `count` - 1 of a seed."""

    seed: Seed = 0
    count: Count = 1
    report: bool = False  # also scores, a contact sheet, and marks on the time line
    tracks: bool = False  # also its tracks, to be drawn over the frames


class Compare(Asked):
    """Two settings on the same seed: clips of one number begin from the same noise."""

    a: Setting
    b: Setting
    seed: Seed = 0
    count: Count = 4


class Measure(Asked):
    """Scores of uploaded clips, alone or beside real ones."""

    uploads: Annotated[list[Id], Field(min_length=1, max_length=64)]
    reference: Annotated[list[Id], Field(max_length=64)] = []
    tracks: bool = True


class Look(Asked):
    """What a folder is taken as: what is used, what is refused and why."""

    folder: Id
    recipe: Annotated[str, Field(max_length=100)] = "nano"


class Estimate(Look):
    """What minutes of training on a folder buy."""

    minutes: Annotated[float, Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False)] = 30.0
    stages: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=32)] | None = None


class Train(Estimate):
    """A training on a folder; with `resume`, an earlier training job goes on."""

    resume: Id | None = None


class _Submission(Asked):
    pass


class GenerateJob(_Submission):
    """Make clips."""

    kind: Literal["generate"]
    request: Generate


class CompareJob(_Submission):
    """Make clips twice, and compare."""

    kind: Literal["compare"]
    request: Compare


class MeasureJob(_Submission):
    """Measure clips."""

    kind: Literal["measure"]
    request: Measure


class LookJob(_Submission):
    """Look at a folder."""

    kind: Literal["look"]
    request: Look


class EstimateJob(_Submission):
    """Say what a training would reach."""

    kind: Literal["estimate"]
    request: Estimate


class TrainJob(_Submission):
    """Train."""

    kind: Literal["train"]
    request: Train


Submission = Annotated[
    GenerateJob | CompareJob | MeasureJob | LookJob | EstimateJob | TrainJob, Field(discriminator="kind")
]


class Completion(Asked):
    """A prompt that is being written."""

    model: Model = DEFAULT
    prompt: Prompt = ""


def plain(asked: Asked) -> dict[str, Any]:
    """A body as JSON has it, with every field."""
    return asked.model_dump(mode="json")
