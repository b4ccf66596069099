"""One run, complete, as a frozen dataclass: what is trained, on what, and how long."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from framefall.cascade.stage_config import Sampling, StageConfig
from framefall.data.folder import FolderConfig
from framefall.ranges import Often, Share, Size, listed, within
from framefall.train.conditions import ConditionShares
from framefall.train.known import KnownShares


@dataclass(frozen=True, kw_only=True)
class Optim:
    """Muon for hidden matrices, AdamW for the rest; warm-up, constant, cool-down."""

    kernels: bool = False  # the kernels of convolutions are Muon's too, each as a matrix
    muon_lr: Size = 0.02
    adam_lr: Size = 1e-3
    adam_betas: tuple[Share, Share] = (0.9, 0.95)
    weight_decay: Size = 0.01
    clip_norm: Size = 1.0  # largest norm of the whole gradient
    warmup_steps: Often = 50
    cooldown: Size = 0.2  # the last share of the run, in which the rate falls to 0
    ema_width: Size = 0.1  # of the averaged weights' window, as a share of the steps so far


FEW = 8  # steps of a stage that is distilled progressively, as of Imagen Video's


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """What a stage learns of a teacher, in place of what data say."""

    method: Literal["flow_map", "progressive"] = "flow_map"
    teacher: str = ""  # SHA-256 of its weights
    sampling: Sampling = field(default_factory=Sampling)  # the teacher's, whose guidance and grid the student learns
    # flow_map: intervals of a step of so many are the teacher's, longer ones learnt of shorter; progressive: the last
    # round's steps
    steps: Often = 32
    rounds: Annotated[int, within(1, 30)] = 2  # progressive: each halves the steps
    instants: Share = 0.35  # flow_map: of the clips learn the teacher's own intervals ...
    free: Share = 0.15  # ... or ones between any two times; the others lie on grids of 1, 2, 4, ... steps
    ramp_steps: Often = 300  # flow_map: until then intervals grow to their full length
    usual_scale: Share = 0.5  # of the clips have the guidance scale of `sampling`, the others any that is taken
    power: Annotated[float, within(0, 10)] = 0.5  # flow_map: of a clip's own loss that it is divided by

    def __post_init__(self) -> None:
        if self.steps < 1 or (self.method == "flow_map" and (self.steps < 2 or self.steps & (self.steps - 1))):
            raise ValueError(f"steps of a flow map must be a power of two above 1, got {self.steps}; try 32")
        if min(self.instants, self.free) < 0 or self.instants + self.free > 1:
            raise ValueError(
                "instants and free must be at least 0 and together at most 1,"
                f" got {self.instants} and {self.free}; try 0.35 and 0.15"
            )
        if self.rounds < 1 or self.ramp_steps < 0:
            given = f"{self.rounds} and {self.ramp_steps}"
            raise ValueError(f"rounds must be at least 1 and ramp_steps at least 0, got {given}; try 2 and 300")


@dataclass(frozen=True, kw_only=True)
class StageRecipe:
    """How one stage is trained."""

    stage: StageConfig
    batch: Annotated[int, within(0, 65_536)] = 16  # clips a step, over all ranks and accumulations
    accumulate: Often = 1  # parts of a batch that are computed one after another
    steps: Often = 20_000  # when neither --steps nor --minutes says otherwise
    share: Size = 1.0  # of the minutes that a run over all stages is given
    flip: bool = True  # mirror half of the clips: more data, where left and right do not matter
    text_dropout: Share = 0.1  # of the clips lose their caption, for guidance
    image_share: Share = 0.1  # of the batches are still images, if the source has any
    known: KnownShares = field(default_factory=KnownShares)  # of a base that can be told any frames
    conditions: ConditionShares = field(default_factory=ConditionShares)  # of a base told structure or content
    errors: Share = (
        0.0  # of super-resolution: as much as this of what a base gets wrong is in the clips that it is given
    )
    optim: Optim = field(default_factory=Optim)
    sharding: Literal["none", "full"] = "none"  # full: the ranks share weights, moments and averages out (FSDP2)
    lora: Annotated[int, within(0, 1024)] = 0  # rank of a LoRA that is learnt in the place of the weights; 0: none
    distillation: Distillation | None = None  # what it learns of a teacher; None: of data

    def __post_init__(self) -> None:
        if self.batch < 1 or self.accumulate < 1 or self.batch % self.accumulate:
            raise ValueError(
                f"batch must be a multiple of accumulate, got batch={self.batch}, accumulate={self.accumulate}"
            )
        if self.sharding == "full" and (self.lora or self.distillation):
            what = "a LoRA" if self.lora else "distilling"
            raise ValueError(f"{what} needs whole weights on every rank, got sharding='full'; set it to none")
        if self.errors and self.stage.task.kind != "spatial_sr":
            kind = self.stage.task.kind
            raise ValueError(
                f"errors are of spatial super-resolution, whose clips are drawn; got a {kind}, set it to 0"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A cascade to train. A variant is `replace(nano(), ...)`, or `--set stages.base.batch=8`."""

    name: str
    stages: Annotated[dict[str, StageRecipe], listed(32)]
    data: FolderConfig = field(default_factory=FolderConfig)
    seed: Annotated[int, within(-(2**63), 2**64)] = 0
    workers: Annotated[int, within(0, 256)] = (
        0  # make clips ahead: threads for a folder, processes for a world; no bit depends on it
    )
    save_every: Annotated[int, within(1, 10**9)] = 200  # steps between two checkpoints ...
    save_minutes: Size = 2.0  # ... or this long, whichever comes first
    strip_minutes: Size = 3.0  # between two strips of samples
    keep: Annotated[int, within(1, 10**9)] = 2  # checkpoints kept
    compile: bool = False  # torch.compile: minutes of start-up, then faster steps
    weights: Literal["bfloat16", "float32"] = "bfloat16"  # of the finished model's files
