"""What a run will take, by arithmetic: parameters, tokens, steps, operations, memory, time. Nothing is started.

Memory is the peak of one device, as this package trains: what trains is kept in float32 with its gradient and AdamW's
two moments, what is frozen in the recipe's precision. Sharded, those are divided among the devices and one block at a
time is gathered. Times follow from a stated share of a stated peak; they are no measurement.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from chiasm.checkpoints.filling import empty
from chiasm.models.config import LlavaConfig
from chiasm.models.vision import num_layers_to_run
from chiasm.training import activations, lora, shapes
from chiasm.training.activations import Blocks, How
from chiasm.training.checking import check_image_size
from chiasm.training.config import PARTS, Recipe, Stage
from chiasm.training.loop import part_of
from chiasm.training.samples import Plan as Steps
from chiasm.training.shapes import Samples

GIB = 1024**3
# Ours. On a CPU: interpreter, torch and transformers, 0.38 GiB measured, and what the C library keeps of memory that
# was freed (see `allocation`), 0 to 0.4 GiB; on a GPU the CUDA context, cuBLAS workspaces and what the allocator loses
# between blocks.
HOST_BYTES = int(0.6 * GIB)
DEVICE_BYTES = int(1.5 * GIB)


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to run on. `tflops` is a device's bfloat16 peak: 312 for an A100 (NVIDIA's data sheet)."""

    gpus: int = 1
    gpu_memory: float = 80.0
    """GiB of each device."""
    tflops: float = 312.0
    utilisation: float = 0.4
    """Share of the peak that a step reaches; 0.4 is ours, of what well-kept trainers report."""
    cpu: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one device at the peak of a step."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    other: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.other


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage in numbers. `memory` by how it could run: `replicated`, `sharded`, each with `checkpointing` or not."""

    name: str
    trained: dict[str, int]
    samples: int
    samples_from: str
    steps: int
    picture_tokens: int
    tokens_per_sample: float
    longest_sample: int
    flops: float
    hours: float
    cache_bytes: int
    micro_batch: int
    chosen: str
    memory: dict[str, Memory]
    fits: bool
    advice: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A whole run in numbers."""

    recipe: str
    machine: Machine
    parameters: dict[str, int]
    stages: list[StagePlan]

    @property
    def fits(self) -> bool:
        """Whether every stage does."""
        return all(stage.fits for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """Plain values, totals included."""
        values = {**asdict(self), "fits": self.fits, "hours": sum(stage.hours for stage in self.stages)}
        for shown, stage in zip(values["stages"], self.stages, strict=True):
            for way, memory in stage.memory.items():
                shown["memory"][way]["total"] = memory.total
        return values


def plan(recipe: Recipe, machine: Machine) -> RunPlan:
    """The run's numbers; raises `UserError` where a shape or the size of the data cannot be known from here."""
    config = shapes.config_of(recipe.model)
    processor = shapes.processor_of(recipe)
    parameters = count_parameters(config)
    stages = []
    for name, stage in recipe.stages.items():
        if stage.image_size is not None:
            check_image_size(name, stage, int(config.vision["patch_size"]))
            config = config.resized(stage.image_size)
            if processor is not None:
                processor = processor.resized(stage.image_size)
        samples = shapes.samples_of(stage, processor)
        stages.append(_Stage(recipe, name, stage, config, parameters, samples, machine).plan())
    return RunPlan(recipe.name, machine, {part: parameters[part] for part in PARTS}, stages)


def count_parameters(config: LlavaConfig) -> dict[str, int]:
    """Parameters of each part, and under `linear` and `largest` those of the decoder's adapted layers and one block."""
    import torch

    model = empty(config, torch.float32, "meta")
    counts: dict[str, int] = {part: sum(p.numel() for p in part_of(model, part).parameters()) for part in PARTS}
    sizes = []
    for name in lora.layers(model.language_model):
        weight = cast(Any, model.language_model.get_submodule(name)).weight
        sizes.append((int(weight.shape[1]), int(weight.shape[0])))
    head = sum(p.numel() for p in cast(Any, model.language_model).get_output_embeddings().parameters())
    return {**counts, "linear": sum(a * b for a, b in sizes), "edges": sum(a + b for a, b in sizes), "head": head}


@dataclass(frozen=True, slots=True)
class _Pass:
    """What goes through the model at once, at most: samples, their tokens with those of pictures, and pictures.

    `rows` are trained tokens, whose logits are held; `mask` the pairs of a padded batch's mask.
    """

    samples: int
    tokens: int
    pictures: int
    rows: int
    mask: int


class _Stage:
    """The numbers of one stage, from what is known of it."""

    def __init__(
        self,
        recipe: Recipe,
        name: str,
        stage: Stage,
        config: LlavaConfig,
        parameters: dict[str, int],
        samples: Samples,
        machine: Machine,
    ) -> None:
        self._name, self._stage, self._samples, self._machine = name, stage, samples, machine
        self._parameters = parameters
        self._low = 4 if recipe.precision == "float32" else 2
        self._words = Blocks.of(config.language)
        run_layers = num_layers_to_run(config.feature_layer, int(config.vision["num_hidden_layers"]))
        self._tower = Blocks.of(config.vision, run_layers)
        self._vision_width = config.vision_width
        patches = int(config.vision["image_size"]) // int(config.vision["patch_size"])
        self._picture = patches * patches + config.class_token if stage.data.images is not None else 0
        self._seen = stage.objective == "answers"
        self._share = -(-stage.batch_size // machine.gpus)
        # How much goes through at once: samples, or tokens of a packed row.
        self._size = min(stage.micro_batch_size or stage.batch_size, self._share)
        if stage.pack:
            self._size = stage.row_length or stage.max_length * (stage.micro_batch_size or stage.batch_size)
        self._smallest = stage.max_length if stage.pack else 1
        # A sample's pictures cannot be cut: what is long is the text beside them.
        self._longest = min(stage.max_length, math.ceil(samples.longest_text) + self._picture) if self._seen else 0
        self._mean = min(stage.max_length, samples.mean_text + samples.share_with_picture * self._picture)

    @property
    def _how(self) -> How:
        if self._stage.lora is not None:
            return "adapters"
        return "trained" if "language" in self._stage.trains else "frozen"

    def _trained(self) -> dict[str, int]:
        counts: dict[str, int] = {part: self._parameters[part] for part in self._stage.trains}
        if self._stage.lora is not None:
            counts["language"] = self._stage.lora.rank * self._parameters["edges"]
        return counts

    def plan(self) -> StagePlan:
        """All of them."""
        steps = Steps.of(self._stage, self._samples.count)
        flops = self._flops_of_sample() * steps.length
        speed = self._machine.gpus * self._machine.tflops * 1e12 * self._machine.utilisation
        frozen_tower = "vision" not in self._stage.trains and self._seen
        keeps = frozen_tower and self._stage.augment is None  # changed pictures have no features that could be kept
        pictures = self._samples.count * self._samples.share_with_picture * (self._picture > 0) * keeps
        ways = {
            f"{where}{', checkpointing' if twice else ''}": self.memory(self._size, where == "sharded", twice)
            for where in (("replicated", "sharded") if self._machine.gpus > 1 else ("replicated",))
            for twice in (False, True)
        }
        room = int(self._machine.gpu_memory * GIB)
        twice = ", checkpointing" if self._stage.gradient_checkpointing else ""
        likely = [way for way in (f"replicated{twice}", f"sharded{twice}") if way in ways]
        chosen = next((way for way in likely if ways[way].total <= room), likely[-1])
        fits = ways[chosen].total <= room
        return StagePlan(
            name=self._name,
            trained=self._trained(),
            samples=self._samples.count,
            samples_from=self._samples.source,
            steps=steps.num_steps,
            picture_tokens=self._picture,
            tokens_per_sample=round(self._mean, 1),
            longest_sample=self._longest,
            flops=flops,
            hours=flops / speed / 3600,
            cache_bytes=int(pictures * self._picture * self._vision_width * self._low),
            micro_batch=self._pass(self._size).samples,
            chosen=chosen,
            memory=ways,
            fits=fits,
            advice=[] if fits else self._advice(ways, room),
        )

    def _pass(self, size: int) -> _Pass:
        """Of `size` samples, all as long as the longest; or of a packed row of `size` tokens, full, as long as most."""
        if not self._stage.pack:
            trained = min(self._longest, self._samples.longest_text) * self._samples.trained_share
            pictures = size if self._picture else 0
            return _Pass(size, size * self._longest, pictures, math.ceil(size * trained), size * self._longest**2)
        samples = min(self._share, max(1, math.ceil(size / max(1.0, self._mean))))
        if self._picture and self._stage.row_pictures is not None:
            samples = min(samples, self._stage.row_pictures)
        tokens = min(size, samples * self._longest)
        pictures = min(samples, tokens // self._picture) if self._picture else 0
        text = tokens - pictures * self._picture
        return _Pass(samples, tokens, pictures, math.ceil(text * self._samples.trained_share), 0)

    def memory(self, size: int, sharded: bool, twice: bool) -> Memory:
        """Bytes of one device at the peak of a step; `size` as in `_pass`."""
        ways = self._machine.gpus if sharded else 1
        trained = sum(self._trained().values())
        whole = {p for p in self._stage.trains if not (p == "language" and self._stage.lora is not None)}
        frozen = sum(self._parameters[part] for part in PARTS if part not in whole)
        bits = 4 if self._stage.lora is not None and self._stage.lora.bits == 4 else 16
        quantised = self._parameters["linear"] if bits == 4 else 0
        weights = (frozen - quantised) * self._low + int(quantised * 0.5625) + 4 * trained  # nf4: 4 bits and scales
        weights = -(-weights // ways)
        working = 2 * trained if self._low == 2 else 0  # copies in bfloat16, kept until the backward pass is done
        block = self._parameters["language"] // max(1, self._words.layers)
        if sharded:
            working = 2 * 2 * block * (self._low if "language" not in whole else 2) // 2
        kept, rows = self._activations(self._pass(size), twice)
        return Memory(
            weights=weights + working,
            gradients=4 * trained // ways,
            optimizer=8 * trained // ways,
            activations=kept,
            logits=rows,
            other=HOST_BYTES if self._machine.cpu else DEVICE_BYTES,
        )

    def _activations(self, at_once: _Pass, twice: bool) -> tuple[int, int]:
        """Bytes kept by the blocks, and by the logits of the trained positions."""
        tiles, tokens = at_once.pictures, at_once.tokens
        if not self._seen:
            patches = tiles * self._tower.positions
            return patches * self._tower.layers * activations.tower_block(self._tower, self._low, cast=True), 0
        how, low, words = self._how, self._low, self._words
        whole = activations.decoder_block(words, how, low, self._stage.lora.rank if self._stage.lora else 0)
        if self._stage.pack and self._machine.cpu:
            whole += round(activations.attended_apart(words, how, max(1, round(self._mean)), low))
        each = activations.block_input(words, low) if twice else whole
        kept = tokens * (words.layers * each + activations.ends(words, low))
        # On the way back one block is whole and its gradients are there: of the MLP and the residual stream.
        kept += tokens * (whole if twice else 0) + tokens * low * (2 * words.mlp + 4 * words.width)
        kept += at_once.mask
        kept += tiles * self._tower.positions * self._vision_width * low
        kept += tiles * self._picture * 4 * words.width * low  # the connector's two layers
        # Cached features are there: the tower has seen its pictures one by one, before the first step.
        shown = 1 if self._stage.features == "cache" else tiles
        passing = shown * self._tower.positions * activations.tower_passing(self._tower, low)
        if "vision" in self._stage.trains:
            kept += tiles * self._tower.positions * self._tower.layers * activations.tower_block(self._tower, low)
        return max(kept, passing), at_once.rows * activations.logits(words.vocabulary, low)

    def _flops_of_sample(self) -> float:
        """Multiplications and additions of a sample, forward, backward and what is computed twice.

        Two a weight and token forward, as many again for each gradient: of the activations, and of weights that train.
        """
        words, tower, trains = self._words, self._tower, self._stage.trains
        patches = tower.positions * (self._samples.share_with_picture if self._picture else 0)
        body = 4 * tower.width**2 + 2 * tower.width * tower.mlp
        seen = patches * tower.layers * (2 * body + 4 * tower.positions * tower.width)
        total = seen * (3 if "vision" in trains else 1)
        if not self._seen:
            return total
        total += 6 * self._parameters["connector"] * self._picture * self._samples.share_with_picture
        forward = self._mean * (2 * self._parameters["linear"] + 2 * words.layers * self._mean * words.width)
        rows = self._samples.mean_text * self._samples.trained_share
        forward += rows * 2 * words.vocabulary * words.width
        passes = {"trained": 3.0, "frozen": 2.0, "adapters": 2.0}[self._how]
        if self._how == "adapters" and self._stage.lora is not None:
            total += 6 * self._mean * self._stage.lora.rank * self._parameters["edges"]
        return total + forward * (passes + self._stage.gradient_checkpointing)

    def _advice(self, ways: dict[str, Memory], room: int) -> list[str]:
        """What would make it fit, the cheapest first."""
        found = []
        if not self._stage.gradient_checkpointing:
            better = [way for way, memory in ways.items() if "checkpointing" in way and memory.total <= room]
            if better:
                found.append(f"--set stages.{self._name}.gradient_checkpointing=true: fits {better[0]}")
        sharded = self._machine.gpus > 1
        smaller = self._size
        setting = "row_length" if self._stage.pack else "micro_batch_size"
        while smaller > self._smallest:
            smaller = max(smaller // 2, self._smallest)
            if self.memory(smaller, sharded, True).total <= room:
                found.append(
                    f"--set stages.{self._name}.{setting}={smaller} with gradient checkpointing"
                    f"{', sharded' if sharded else ''}: fits, with the same result"
                )
                break
        if "language" in self._stage.trains and self._stage.lora is None:
            found.append(f"--set 'stages.{self._name}.lora={{}}': trains adapters; see llava_v15_7b_lora for its rates")
        static = self.memory(self._smallest, False, True)
        needed = next(
            (n for n in (2, 4, 8, 16, 32, 64) if n > self._machine.gpus and self._per_device(static, n) <= room), None
        )
        if needed is not None:
            found.append(f"--gpus {needed}: one sample at a time fits when weights and moments are shared among them")
        return found or [f"no way found on {self._machine.gpu_memory:g} GiB: a smaller model, or larger devices"]

    @staticmethod
    def _per_device(memory: Memory, devices: int) -> int:
        held = memory.weights + memory.gradients + memory.optimizer
        return held // devices + memory.activations + memory.logits + memory.other
