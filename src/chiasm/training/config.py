"""What a run is, as values: a recipe holds a model and stages; a stage names what trains, on what, and how.

A recipe is written and read as YAML without loss. Unknown keys are refused with the nearest known one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from chiasm.data.plain_yaml import PlainLoader, read_yaml
from chiasm.errors import UserError, suggest

Part = Literal["vision", "connector", "language"]
PARTS: tuple[Part, ...] = get_args(Part)


# Names become folders.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_number_from_yes_and_no(cls, values: Any) -> Any:
        """pydantic reads true as 1; whoever writes `batch_size: true` meant something else."""
        for key, value in values.items() if isinstance(values, Mapping) else ():
            known = cls.model_fields.get(key) if isinstance(key, str) else None
            if isinstance(value, bool) and known is not None and known.annotation is not bool:
                raise ValueError(f"{key} must not be {str(value).lower()}: expected a number or a name")
        return values


class Vocabulary(_Value):
    """A tokenizer to be made here: byte-level BPE of `size` pieces, learnt from the text of these record files."""

    records: tuple[str, ...] = Field(min_length=1)
    size: int = Field(default=1024, ge=300, le=1_000_000)


class Model(_Value):
    """What is trained. `vision` and `language` are folders or hub names, or configurations for random weights.

    `start` is a whole checkpoint to go on from instead; `connector_weights` a stage-1 connector to begin with.
    """

    start: str | None = None
    vision: str | dict[str, Any] | None = None
    language: str | dict[str, Any] | None = None
    vocabulary: str | Vocabulary | None = None
    connector: str = "mlp2x_gelu"
    connector_weights: str | None = None
    feature_layer: int = -2
    class_token: bool = False
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [part is not None for part in (self.start, self.vision, self.language)]
        if given not in ([True, False, False], [False, True, True]):
            raise ValueError("a model needs either 'start' (a checkpoint) or both 'vision' and 'language'")
        if isinstance(self.language, dict) and self.vocabulary is None:
            raise ValueError(
                "a language model made from a configuration needs 'vocabulary': a folder, or records to learn it from"
            )
        if self.vocabulary is not None and not isinstance(self.language, dict):
            raise ValueError("'vocabulary' is for a language model made from a configuration; others bring their own")
        return self


class Data(_Value):
    """Which samples. `records` is LLaVA's JSON (list or lines), `images` the folder its paths are relative to."""

    records: str
    images: str | None = None
    order: Literal["shuffled", "modality_length", "short_first"] = "shuffled"
    max_dropped: float = Field(default=0.01, ge=0, le=1)
    """Fraction of samples that may be unusable before the run stops."""


class Optim(_Value):
    """AdamW and its schedule. `lr_by_part` overrides `lr` for single parts; norms and biases never decay."""

    lr: float = Field(gt=0)
    lr_by_part: dict[Part, Annotated[float, Field(gt=0)]] = {}
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(default=0.03, ge=0, le=1)
    """Fraction of all steps over which the learning rate rises from zero."""


class Lora(_Value):
    """Low-rank adapters on every linear layer of the language model but its output head, which itself stays frozen.

    The defaults are those of LLaVA-1.5's scripts/v1_5/finetune_lora.sh and of its train.py (dropout, no biases).
    """

    rank: int = Field(default=128, ge=1, le=65_536)
    alpha: float = Field(default=256, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    bits: Literal[4, 16] = 16
    """4 keeps the frozen weights as nf4, through bitsandbytes (QLoRA)."""


class Contrast(_Value):
    """What objective `clip` reads and trains beside the tower: more files, a text tower, the weights of its losses.

    Sizes and weights chosen by us, for towers that start from nothing on two cores.
    """

    captions: tuple[str, ...] = ()
    """More COCO captions files of the same pictures, in other languages say."""
    instances: str | None = None
    """A COCO instances file of the same pictures: boxes, with `phrases` or names of categories."""
    width: int = Field(default=128, ge=8, le=65_536)
    layers: int = Field(default=2, ge=1, le=1000)
    heads: int = Field(default=2, ge=1, le=1000)
    common: int = Field(default=192, ge=8, le=65_536)
    """Width of the space both towers end in."""
    max_tokens: int = Field(default=48, ge=4, le=10_000)
    """Tokens of a text, its end token among them; longer ones are cut."""
    captions_weight: float = Field(default=1.0, ge=0)
    """Of the loss between whole pictures and captions."""
    regions_weight: float = Field(default=1.0, ge=0)
    """Of the loss between boxes and phrases."""
    phrases_weight: float = Field(default=0.5, ge=0)
    """Of the loss between whole pictures and the phrases said of anything in them."""
    boxes_weight: float = Field(default=1.0, ge=0)
    """Of how far patches misplace the sides of their boxes."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        return self


class Augment(_Value):
    """How much pictures change each time training shows them; 0 changes nothing. None is mirrored: answers say "left".

    Brightness, contrast and saturation are multiplied by a factor drawn from 1 - x to 1 + x.
    """

    brightness: float = Field(default=0.0, ge=0, le=1)
    contrast: float = Field(default=0.0, ge=0, le=1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    crop: float = Field(default=0.0, ge=0, le=0.25)
    """The most that is cut off each of the four edges, in parts of the width or the height. It moves boxes.

    At most a quarter, so that what is left is at most twice as long for its width as what was allowed in.
    """


class Validation(_Value):
    """Held-out conversations looked at while a stage trains. Nothing is learnt of them, and no result changes."""

    records: str
    images: str | None = None
    """The folder the records' paths are relative to; None: that of the stage's data."""
    every: int = Field(default=500, ge=1)
    """Optimiser steps between two looks; the last step is followed by one as well."""
    answers: int = Field(default=4, ge=0, le=1000)
    """How many of the conversations, spread over the file, are asked their first question."""


class Stage(_Value):
    """One stage. `batch_size` counts samples of one optimiser step, `micro_batch_size` those computed at once."""

    trains: tuple[Part, ...] = Field(min_length=1)
    data: Data
    objective: str = "answers"
    template: str = "vicuna_v1"
    images: str = "pad"
    image_size: int | None = Field(default=None, ge=1, le=4096)
    """From this stage on pictures have this many pixels a side; None: as many as before."""
    batch_size: int = Field(ge=1, le=1_000_000)
    micro_batch_size: int | None = Field(default=None, ge=1)
    epochs: float = Field(default=1.0, ge=0)
    steps: int | None = Field(default=None, ge=0)
    """Optimiser steps; overrides `epochs`. 0 saves what there is and trains nothing."""
    max_length: int = Field(default=2048, ge=2, le=10_000_000)
    optim: Optim
    validation: Validation | None = None
    contrast: Contrast | None = None
    """For objective `clip`."""
    lora: Lora | None = None
    """Train adapters instead of the language model's own weights."""
    augment: Augment | None = None
    """Change pictures a little each time they are shown. Held-out ones stay as they are."""
    gradient_checkpointing: bool = False
    pack: bool = False
    """Conversations one behind the other in a row, each attending only to itself, instead of padded ones."""
    row_length: int | None = Field(default=None, ge=2, le=10_000_000)
    """Tokens of a packed row; None: `max_length` for each of `micro_batch_size`."""
    row_pictures: int | None = Field(default=None, ge=1)
    """Pictures of a packed row; None: as many as there are."""
    features: Literal["computed", "cache"] = "computed"
    """cache: what the frozen tower makes of a picture is computed once and kept on disk, for other runs as well."""
    compile: bool = False
    """Fuse the decoder's blocks with torch.compile; needs a C++ compiler on a CPU."""
    logits_at_once: int | None = Field(default=None, ge=1)
    """Trained positions whose logits are held at a time; None: all."""
    reset_connector: bool = False
    """Begin with a fresh connector, whatever earlier stages made of it."""

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> Self:
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by micro_batch_size {self.micro_batch_size}"
            )
        if idle := [part for part in self.optim.lr_by_part if part not in self.trains]:
            raise ValueError(f"optim.lr_by_part names {', '.join(idle)}, which this stage does not train")
        if self.lora is not None and "language" not in self.trains:
            raise ValueError("lora adapts the language model, which this stage does not train: add it to 'trains'")
        if self.pack and self.row_length is not None and self.row_length < self.max_length:
            raise ValueError(f"row_length {self.row_length} holds no sample of max_length {self.max_length}")
        if not self.pack and (self.row_length is not None or self.row_pictures is not None):
            raise ValueError("row_length and row_pictures are for packed rows: add 'pack: true'")
        if self.objective != "answers" and (self.pack or self.features == "cache"):
            raise ValueError(f"objective '{self.objective}' knows neither packed rows nor cached features")
        if self.objective != "answers" and self.validation is not None:
            raise ValueError(f"objective '{self.objective}' has no answers to validate: leave 'validation' out")
        if self.objective != "answers" and self.data.order != "shuffled":
            raise ValueError(f"objective '{self.objective}' has an order of its own: leave 'data.order' out")
        if self.contrast is not None and self.objective != "clip":
            raise ValueError(f"'contrast' is for objective 'clip', this stage has '{self.objective}'")
        if self.features == "cache" and "vision" in self.trains:
            raise ValueError("features: cache needs a frozen tower, but this stage trains 'vision'")
        self._check_augment()
        if self.reset_connector and "connector" not in self.trains:
            raise ValueError("reset_connector would leave a connector that nothing trained: add it to 'trains'")
        return self

    def _check_augment(self) -> None:
        if self.augment is None:
            return
        if self.objective not in ("answers", "clip"):
            raise ValueError(f"objective '{self.objective}' changes no pictures: leave 'augment' out")
        if self.features == "cache":
            raise ValueError("augment gives other pixels each time: leave 'features: cache' out, or 'augment'")
        if self.augment.crop and self.contrast is not None and self.contrast.instances is not None:
            raise ValueError("augment.crop would move what the boxes of contrast.instances lie on: leave 'crop' out")


class Recipe(_Value):
    """A whole run."""

    name: Name
    seed: int = Field(default=42, ge=0, lt=1 << 63)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """What is computed in; what trains is kept in float32 either way."""
    model: Model
    stages: dict[Name, Stage] = Field(min_length=1)
    save_every: int = Field(default=1000, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    workers: int = Field(default=2, ge=1)
    sample_timeout: float = Field(default=300.0, gt=0, le=3600)
    """Seconds the next sample is waited for before the run saves itself and ends.

    300 outlasts the restart of a file server; at most an hour, since other processes wait for this one (`PATIENCE`).
    """

    @model_validator(mode="after")
    def _sensible_stages(self) -> Self:
        if early := [name for name, stage in list(self.stages.items())[:-1] if stage.lora is not None]:
            raise ValueError(f"stages.{early[0]}.lora: only the last stage can train adapters; begin the next from it")
        taught = self.model.start is not None or self.model.connector_weights is not None
        for name, stage in self.stages.items():
            taught = taught or "connector" in stage.trains
            if stage.objective == "answers" and stage.data.images is not None and not taught:
                raise ValueError(
                    f"stages.{name} shows pictures through a connector that nothing has taught: put a stage "
                    "that trains the connector before it, or give model.connector_weights"
                )
        return self

    def to_yaml(self) -> str:
        """The recipe as YAML that `from_yaml` reads back to an equal value."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, path: Path) -> Recipe:
        """A recipe file; raises `UserError` naming the file and the field."""
        return cls.parse(read_yaml(path, "the recipe"), str(path))

    @classmethod
    def parse(cls, value: object, where: str) -> Recipe:
        """A recipe from plain values; raises one `UserError` with every field that is wrong."""
        if not isinstance(value, Mapping):
            raise UserError(
                f"{where}: a recipe must be a mapping with name, model and stages, not {type(value).__name__}"
            )
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{where}: " + "; ".join(_explained(cls, e["loc"], e) for e in error.errors())) from None

    def until(self, stage: str) -> Recipe:
        """The recipe without what follows `stage`; raises `UserError` when it has no such stage."""
        names = list(self.stages)
        if stage not in names:
            raise UserError(f"--until {stage!r}: no stage of '{self.name}', {suggest(stage, names)}")
        return self.model_copy(update={"stages": {n: self.stages[n] for n in names[: names.index(stage) + 1]}})

    def with_changes(self, assignments: list[str]) -> Recipe:
        """The recipe with `a.b=value` applied; values are YAML. Raises `UserError` for unknown paths.

        `stages.*.` stands for every stage.
        """
        tree = self.model_dump(mode="json")
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals or not path:
                raise UserError(f"--set {assignment!r}: expected a.b=value, as in --set stages.align.optim.lr=2e-3")
            try:
                value = _scalar(yaml.load(text, Loader=PlainLoader))
                for each in _paths(path, self.stages):
                    _assign(tree, each.split("."), value, assignment)
            except (yaml.YAMLError, ValueError, RecursionError) as error:
                raise UserError(f"--set {assignment[:200]!r}: the value is not YAML: {error}") from None
        return Recipe.parse(tree, "--set")


def _paths(path: str, stages: Iterable[str]) -> list[str]:
    """What a path names: itself, or the same in every stage."""
    every = "stages.*."
    return [path.replace(every, f"stages.{stage}.", 1) for stage in stages] if path.startswith(every) else [path]


def _scalar(value: Any) -> Any:
    """YAML 1.1 reads 2e-3 as text, because it has no dot; people mean the number."""
    if isinstance(value, str):
        try:
            return float(value) if any(c in value for c in "eE") else value
        except ValueError:
            return value
    return value


def _assign(tree: dict[str, Any], keys: list[str], value: Any, assignment: str) -> None:
    node: Any = tree
    for depth, key in enumerate(keys[:-1]):
        if not isinstance(node.get(key), dict):
            known = sorted(k for k, v in node.items() if isinstance(v, dict))
            raise UserError(
                f"--set {assignment!r}: nothing called '{'.'.join(keys[: depth + 1])}': {suggest(key, known)}"
            )
        node = node[key]
    node[keys[-1]] = value


def _explained(model: type[BaseModel], location: tuple[int | str, ...], error: Any) -> str:
    """One wrong field in words a person can act on, with the nearest name for an unknown key."""
    path = ".".join(str(part) for part in location)
    if error["type"] != "extra_forbidden":
        came = "" if error["type"] in ("missing", "value_error") else f", got {error['input']!r}"[:200]
        return f"{path or 'recipe'}: {error['msg'].removeprefix('Value error, ')}{came if path else ''}"
    return f"{path}: unknown key, {suggest(str(location[-1]), _keys_at(model, location[:-1]))}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The field names of the model that stands at `location`."""
    kinds: dict[str, type[BaseModel]] = {
        "model": Model,
        "data": Data,
        "optim": Optim,
        "lora": Lora,
        "augment": Augment,
        "validation": Validation,
        "contrast": Contrast,
        "vocabulary": Vocabulary,
    }
    for position, part in enumerate(location):
        if position == 1 and location[0] == "stages":
            model = Stage
        else:
            model = kinds.get(str(part), model)
    return list(model.model_fields)
