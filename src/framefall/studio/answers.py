"""What the studio answers: jobs, their results by kind, files, models. The schema of the API is made of these."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = Literal["queued", "running", "done", "failed", "cancelled"]
FileKind = Literal["video", "picture", "json", "page"]
ENDED = ("done", "failed", "cancelled")
PREVIEW = "preview"  # the kind of a file that is shown while a job runs, and is no output


class Answer(BaseModel):
    """An object that the server sends."""

    model_config = ConfigDict(protected_namespaces=())


class Error(Answer):
    """Why a request was refused: what must hold, what was given, what to do."""

    sentence: str


class File(Answer):
    """Something to look at; its bytes are at `url` (GET, with ranges)."""

    id: str
    url: str
    name: str
    kind: FileKind
    type: str  # media type
    bytes: int
    sha256: str
    stage: str | None = None  # of a clip: the stage that made it
    clip: int | None = None  # of several: which
    side: Literal["a", "b"] | None = None  # of a comparison


class Upload(Answer):
    """An uploaded clip or picture."""

    id: str
    url: str
    name: str
    kind: Literal["image", "video"]
    type: str
    bytes: int
    frames: int
    width: int
    height: int
    fps: float
    notes: list[str]


class Interval(Answer):
    """A mean and its 95 % interval; null where nothing could be measured, or of one clip."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0


class Score(Answer):
    """A metric over clips."""

    metric: str
    about: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    better: Literal["lower", "higher", "one"]
    unit: str
    floor: float | None  # what the reference itself scores
    real_video: Interval | None  # what real video usually scores
    per_clip: dict[str, float | None]


class Mark(Answer):
    """Frames at which a metric complains."""

    metric: str
    first: int
    last: int  # included
    text: str


class Clip(Answer):
    """A clip that was made or measured."""

    name: str
    video: str | None  # file id (of an upload: its id)
    tracks: str | None = None  # file id of its tracks, as JSON to be drawn over the frames
    sheet: str | None = None
    stages: dict[str, str] = {}  # file id by stage
    frames: int
    fps: float
    width: int
    height: int
    seed: int | None = None
    seconds: dict[str, float] = {}  # by stage
    unknown: str = ""  # what of the prompt the model does not know
    scores: dict[str, float | None] = {}
    reasons: dict[str, str] = {}  # of metrics that could not be measured
    marks: list[Mark] = []


class GenerateResult(Answer):
    """Of a generate job."""

    clips: list[Clip]
    scores: list[Score] = []
    same: bool | None = None  # of a job made again: whether every file has the same bits


class Difference(Answer):
    """One metric of both sides: `difference` is the mean of a - b over clips of one seed."""

    metric: str
    about: str
    unit: str
    better: Literal["lower", "higher", "one"]
    a: Interval
    b: Interval
    difference: Interval
    says: str  # which is better, or that nothing can be said


class CompareResult(Answer):
    """Of a compare job; `a[i]` and `b[i]` have one seed."""

    a: list[Clip]
    b: list[Clip]
    metrics: list[Difference]


class MeasureResult(Answer):
    """Of a measure job."""

    clips: list[Clip]
    scores: list[Score]
    skipped: dict[str, str]
    distances: list[dict[str, Any]]
    protocol: str
    page: str | None  # file id of the report
    json_file: str | None  # file id of all numbers


class Taken(Answer):
    """What one file of a folder was taken as."""

    path: str
    kind: str
    shots: int
    frames: int
    fps: float
    width: int
    height: int
    caption: str | None
    where: str
    numbers: list[float] | None


class Skipped(Answer):
    """A file that cannot be used."""

    path: str
    reason: str


class LookResult(Answer):
    """Of a look job."""

    files: list[Taken]
    skipped: list[Skipped]
    notes: list[str]
    seconds: float
    text: str  # the same in a few lines


class StageOutlook(Answer):
    """What a budget buys one stage."""

    stage: str
    steps: int
    clips: int
    minutes: float | None
    seconds_a_step: float | None
    pieces: int | None
    enough: bool
    because: str


class EstimateResult(Answer):
    """Of an estimate job."""

    stages: list[StageOutlook]
    enough: bool
    sentences: list[str]


class TrainedStage(Answer):
    """One stage of a training."""

    stage: str
    steps: int
    loss: float | None
    held_out: float | None
    enough: bool | None
    because: str


class TrainResult(Answer):
    """Of a train job; `model` is what a generate job may ask for."""

    model: str
    stages: list[TrainedStage]
    skipped: dict[str, str]
    enough: bool | None
    says: str


Result = GenerateResult | CompareResult | MeasureResult | LookResult | EstimateResult | TrainResult


class Progress(Answer):
    """How far a job is."""

    stage: str  # or what is being done
    what: str
    step: float
    steps: float | None
    done: float | None  # 0..1 of this part
    eta: float | None  # seconds, of this part


class Preview(Answer):
    """What a stage believes the clip to be at a step (x0); an animated picture."""

    stage: str
    step: int
    steps: int
    url: str
    width: int
    height: int
    frames: int


class LossPoint(Answer):
    """A training loss, or with `held_out` a measurement on clips that are kept back."""

    stage: str
    step: int
    done: float
    loss: float | None
    held_out: bool = False


class Job(Answer):
    """A job. What `result` is depends on `kind`."""

    id: str
    kind: Literal["generate", "compare", "train", "measure", "look", "estimate"]
    request: dict[str, Any]
    state: State
    sentence: str  # why it failed, or where it stands
    progress: Progress | None
    outputs: list[File]
    result: Result | None
    notes: list[str]
    losses: list[LossPoint]
    created: float  # seconds since 1970
    started: float | None
    ended: float | None
    attempt: int
    cancelling: bool
    again: str | None  # the job that this one makes again


class Jobs(Answer):
    """Jobs, the newest first; `before` asks for the next."""

    jobs: list[Job]
    before: int | None


class StageAbout(Answer):
    """A stage of a model; its clips are so many frames of so many pixels."""

    name: str
    task: str
    makes: str
    frames: int
    height: int
    width: int
    fps: float
    parameters: int
    scores: dict[str, float]
    failures: list[str]
    seen: int


class ModelAbout(Answer):
    """A model, and what it knows."""

    id: str
    name: str
    origin: Literal["shipped", "given", "trained"]
    description: str
    license: str
    stages: list[StageAbout]
    trained_on: list[str]
    scenes: list[str]
    captions: list[str]
    words: dict[str, int]  # the most frequent first
    scores: dict[str, float]
    failures: list[str]
    uses: list[str]  # of `Use`
    sizes: list[tuple[int, int]]  # height, width of each stage's clips


class RecipeAbout(Answer):
    """A recipe to train by."""

    name: str
    about: str
    stages: list[StageAbout]


class Completed(Answer):
    """What a model makes of a prompt."""

    known: bool
    sentence: str  # what it does not know, and the nearest that it does
    words: dict[str, str]  # each unknown word, and the nearest known one
    completions: list[str]


class Folder(Answer):
    """A folder that may be trained on, with the folders in it."""

    id: str
    name: str
    parent: str | None
    folders: list["FolderName"]
    media: int  # files in it that look like videos or images


class FolderName(Answer):
    """A folder to open by its id."""

    id: str
    name: str


class About(Answer):
    """The studio itself."""

    version: str
    device: str
    queued: int
    running: str | None  # the id of the job that runs
    most_upload_bytes: int
    uploads_bytes: int
    uploads_limit: int
