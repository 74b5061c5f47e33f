"""Speed and memory of training against transformers: the same samples, weights, types of number and optimiser.

The peer is `LlavaForConditionalGeneration` with a padding collator and AdamW under autocast, which is what Trainer and
TRL run: weights that train in float32, frozen ones in bfloat16. CLIP-L/336 before a 135M-shaped Llama with 49k pieces,
random weights, real photographs and conversations, repeated to 64 samples. Every measurement runs in a process of its
own, ours and theirs in turn. Ratios above 1: chiasm is faster; of memory below 1: chiasm takes less.

    python -m bench.training --samples 64 --batch 8 --runs 3
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from bench import step_kinds
from bench.generation import LANGUAGE, VISION
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava
from chiasm.processing.batch import pad
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Example, Processor
from chiasm.processing.tokens import PieceTokenizer
from chiasm.training import loop, objectives, optim
from chiasm.training.allocation import keep_freed_memory
from chiasm.training.config import Data, Optim, Stage, Vocabulary
from chiasm.training.features import CacheSettings, TowerFeatures
from chiasm.training.metrics import Silent
from chiasm.training.objectives.answers import Answers
from chiasm.training.stepping import Stepper
from chiasm.training.vocabulary import learn

IMAGE = 49151  # the placeholder: a row of the vocabulary that the tokenizer made here does not reach
TRAINS: dict[int, tuple[Any, ...]] = {1: ("connector",), 2: ("connector", "language")}
TEMPLATE = {1: "plain", 2: "vicuna_v1"}
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass(frozen=True)
class Setting:
    """One measurement: which side, which stage, on what."""

    side: str
    stage: int
    folder: Path
    num_samples: int
    batch: int
    row_length: int
    dtype: torch.dtype = torch.bfloat16
    threads: int = 2
    clock: str = "wall"
    cached: bool = True
    compile: bool = False
    peer: str = "autocast"
    profile: str = ""
    """kinds: the last step's time is measured by kind of work; names: and the dearest operators are printed."""


@dataclass(frozen=True)
class Measured:
    """`seconds` and `losses` by step, `caching` seconds before the first, gigabytes at the highest.

    `kinds`: seconds of a profiled step, which is not among the others.
    """

    seconds: list[float]
    losses: list[float]
    caching: float
    gigabytes: float
    kinds: dict[str, float] = field(default_factory=dict)


def write_samples(data: Path, folder: Path, count: int) -> None:
    """Half of the records from COCO, half from Flickr8k, as one file; a tokenizer learnt from all their text."""
    names = ("coco/llava_cocoqa.json", "flickr8k/llava_caption_train.json")
    whole = [json.loads((data / name).read_text()) for name in names]
    pairs = [record for pair in zip(*whole, strict=False) for record in pair]
    for number, record in enumerate(pairs):
        record["id"] = f"{number}"
    chosen = [pairs[i % 32] for i in range(count)]
    (folder / "records.json").write_text(json.dumps(chosen))
    (folder / "text.json").write_text(json.dumps(pairs))
    tokenizer = learn(Vocabulary(records=(str(folder / "text.json"),), size=8000))
    tokenizer.save(str(folder / "tokenizer.json"))


def build(setting: Setting) -> tuple[Llava, Processor]:
    """Our model with seeded weights, and its processor."""
    torch.manual_seed(0)
    model = Llava(
        LlavaConfig(vision=VISION, language={"model_type": "llama", **LANGUAGE["135m"]}, image_token_id=IMAGE)
    )
    tokenizer = PieceTokenizer(Tokenizer.from_file(str(setting.folder / "tokenizer.json")))
    return model, Processor(tokenizer, TEMPLATE[setting.stage], ImageProcessing(), image_token_id=IMAGE)


def stage_of(setting: Setting, data: Path) -> Stage:
    return Stage(
        trains=TRAINS[setting.stage],
        template=TEMPLATE[setting.stage],
        data=Data(records=str(setting.folder / "records.json"), images=str(data)),
        batch_size=setting.batch,
        optim=Optim(lr=1e-4),
        pack=True,
        row_length=setting.row_length,
        max_length=setting.row_length,
        features="cache" if setting.cached else "computed",
        compile=setting.compile,
    )


def batches(objective: Answers, setting: Setting) -> Iterator[list[Example]]:
    for begin in range(0, setting.num_samples, setting.batch):
        yield [objective.sample(i) for i in range(begin, min(begin + setting.batch, setting.num_samples))]


def run_ours(setting: Setting, data: Path) -> Measured:
    now = CLOCKS[setting.clock]
    model, processor = build(setting)
    stage = stage_of(setting, data)
    loop.freeze(model, stage, setting.dtype)
    objective = objectives.build(stage, model, processor)
    assert isinstance(objective, Answers)
    begin = now()
    if setting.cached:
        features = TowerFeatures(model, processor, setting.dtype, CacheSettings(setting.folder / "cache", 1e6))
        features.fill(objective.pictures(), setting.threads, Silent())
        objective.see_through(features)
    caching = now() - begin
    trained = loop.trained_parameters(model, None, stage)
    optimizer = optim.build_optimizer(trained, stage.optim)
    parameters = [parameter for named in trained.values() for _, parameter in named]
    stepper = Stepper(model, objective, optimizer, parameters, stage, setting.dtype)

    def step(samples: list[Example]) -> float:
        num_targets = sum(objective.num_targets(sample) for sample in samples)
        return float(stepper.step(samples, num_targets, 1.0)["loss"])

    with loop._computing(model, stage):
        return timed(batches(objective, setting), step, caching, setting)


def run_theirs(setting: Setting, data: Path) -> Measured:
    """Pictures are decoded and normalised in the step by our processor, bit for bit as theirs would; ids are ours."""
    model, processor = build(setting)
    stage = stage_of(setting, data)
    objective = Answers(stage, processor)
    theirs = their_model(setting, model)
    del model
    parameters = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0)
    low = setting.dtype == torch.bfloat16 and setting.peer == "autocast"

    def step(samples: list[Example]) -> float:
        batch = padded(samples)
        if setting.peer == "bfloat16":
            batch["pixel_values"] = batch["pixel_values"].to(torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = theirs(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    return timed(batches(objective, setting), step, 0.0, setting)


def their_model(setting: Setting, model: Llava) -> Any:
    """transformers' LLaVA with our weights, each part frozen or not, and in the type it has, as on our side."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaForConditionalGeneration
    from transformers import LlavaConfig as TheirConfig

    vision = CLIPVisionConfig(**{key: value for key, value in VISION.items() if key != "model_type"})
    config = TheirConfig(vision_config=vision, text_config=LlamaConfig(**LANGUAGE["135m"]), image_token_index=IMAGE)
    theirs = LlavaForConditionalGeneration(config)
    parts = {
        "vision": (theirs.model.vision_tower, model.vision_tower),
        "connector": (theirs.model.multi_modal_projector, model.connector),
        "language": (theirs.model.language_model, model.language_model.base_model),
    }
    for name, (their_part, our_part) in parts.items():
        trains = name in TRAINS[setting.stage]
        with torch.no_grad():
            pairs = zip(their_part.parameters(), our_part.parameters(), strict=True)
            for one, other in pairs:
                one.copy_(other)
        low = setting.dtype == torch.bfloat16 and (not trains or setting.peer == "bfloat16")
        their_part.requires_grad_(trains).to(torch.bfloat16 if low else torch.float32)
    theirs.tie_weights()
    return theirs.train()


def padded(samples: list[Example]) -> dict[str, torch.Tensor]:
    """What a padding collator makes of samples."""
    batch = pad(samples, "right")
    batch["pixel_values"] = batch.pop("pixels")
    return batch


def timed(
    given: Iterator[list[Example]], step: Callable[[list[Example]], float], caching: float, setting: Setting
) -> Measured:
    """Time of each step, the preparation of its samples included."""
    now, seconds, losses, kinds = CLOCKS[setting.clock], [], [], dict[str, float]()
    highest = 0.0
    forget_highest()
    last = -(-setting.num_samples // setting.batch) - 1
    begin = now()
    for number, samples in enumerate(given):
        prepared = now() - begin
        if setting.profile and number == last:
            highest = highest_gigabytes()  # the profiler takes a gigabyte of its own
            loss, kinds, profile = step_kinds.profiled(partial(step, samples))
            kinds["data"] = prepared
            if setting.profile == "names":
                table = profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=14)
                print(f"{table}\n{step_kinds.as_text(kinds)}")
        else:
            loss = step(samples)
            seconds.append(now() - begin)
        losses.append(loss)
        begin = now()
    return Measured(seconds, losses, caching, highest or highest_gigabytes(), kinds)


def forget_highest() -> None:
    """What building took does not count: both sides begin with random weights in float32. Linux only."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def highest_gigabytes() -> float:
    """Resident memory at its highest since `forget_highest`; where the system cannot tell, since the start."""
    with contextlib.suppress(OSError):
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _in_process(setting: Setting, data: Path, answer: Any) -> None:
    torch.set_num_threads(setting.threads)
    if setting.side == "ours":
        keep_freed_memory()  # as `chiasm train` does
    answer.send((run_ours if setting.side == "ours" else run_theirs)(setting, data))


def measured(setting: Setting, data: Path) -> Measured:
    """In a process of its own, so that its highest use of memory is its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(setting, data, there))
    process.start()
    there.close()
    try:
        found: Measured = here.recv()
    except EOFError:
        raise SystemExit(f"the {setting.side} side of stage {setting.stage} died: see above") from None
    finally:
        process.join()
    return found


def gflop_a_token(stage: int) -> float:
    """Matrix products of a step through the decoder, for one token: forward, for inputs, and for weights in stage 2."""
    size = LANGUAGE["135m"]
    width, inner = size["hidden_size"], size["intermediate_size"]
    head = width // size["num_attention_heads"]
    block = width * (2 * width + 2 * head * size["num_key_value_heads"]) + 3 * width * inner
    return 2 * size["num_hidden_layers"] * block * (2 if stage == 1 else 3) / 1e9


def num_tokens(setting: Setting, data: Path) -> float:
    """Tokens of a sample on average."""
    _, processor = build(setting)
    objective = Answers(stage_of(setting, data), processor)
    seen = min(setting.num_samples, 32)
    return sum(len(objective.sample(i).input_ids) for i in range(seen)) / seen


def compare(base: Setting, data: Path, runs: int) -> None:
    """One stage: rates with a warm cache, over an epoch that begins without one, and memory."""
    cold, warm, theirs = [], [], []
    for number in range(runs):
        fresh = base.folder / f"cold{base.stage}{number}"
        fresh.mkdir()
        for name in ("records.json", "tokenizer.json"):
            (fresh / name).write_bytes((base.folder / name).read_bytes())
        if number == 0:
            cold.append(measured(replace(base, folder=fresh), data))
        warm.append(measured(replace(base, folder=base.folder / f"cold{base.stage}0", profile="kinds"), data))
        theirs.append(measured(replace(base, side="theirs"), data))
    rate = {
        name: base.batch
        / statistics.median(s for each in found for s in each.seconds[1 if len(each.seconds) > 1 else 0 :])
        for name, found in (("warm", warm), ("theirs", theirs))
    }
    epoch = cold[0].caching + sum(cold[0].seconds), statistics.median(sum(each.seconds) for each in theirs)
    highest = [statistics.median(each.gigabytes for each in found) for found in (warm, theirs)]
    tokens = num_tokens(base, data)
    per_second = rate["warm"] * tokens * gflop_a_token(base.stage)
    name = f"stage {base.stage}"
    faster = rate["warm"] / rate["theirs"]
    print(f"{name:<10} warm cache    {rate['warm']:8.3f} /s  {rate['theirs']:8.3f} /s  {faster:6.2f}")
    print(f"{name:<10} one epoch     {epoch[0]:8.1f} s   {epoch[1]:8.1f} s   {epoch[1] / epoch[0]:6.2f}")
    print(f"{name:<10} peak memory   {highest[0]:8.2f} GB  {highest[1]:8.2f} GB  {highest[0] / highest[1]:6.2f}")
    torch.set_num_threads(base.threads)
    top = step_kinds.product_peak(base.dtype, CLOCKS[base.clock])
    print(
        f"{name:<10} {tokens:.0f} tokens a sample, {per_second:.0f} GFLOP a second in the decoder's matrix products: "
        f"{per_second / top:.0%} of the {top:.0f} of one plain product\n"
        f"{name:<10} a step: {step_kinds.as_text(warm[0].kinds)}",
        flush=True,
    )


def compare_losses(base: Setting, data: Path) -> None:
    exact = replace(base, dtype=torch.float32, num_samples=20, batch=2, compile=False)
    exact.folder.joinpath("exact").mkdir(exist_ok=True)
    mine, other = measured(exact, data), measured(replace(exact, side="theirs"), data)
    apart = max(abs(a - b) for a, b in zip(mine.losses, other.losses, strict=True))
    verdict = "equal" if apart < 1e-3 else "NOT EQUAL"
    print(
        f"stage {base.stage}    float32 loss of {len(mine.losses)} steps: at most {apart:.2e} apart, {verdict}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--stages", nargs="+", type=int, choices=[1, 2], default=[1, 2])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8, help="samples of an optimiser step")
    parser.add_argument("--row", type=int, default=2200, help="tokens of our packed rows")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--compile", action="store_true", help="our side with torch.compile")
    parser.add_argument("--peer", choices=["autocast", "bfloat16"], default="autocast", help="how the peer computes")
    parser.add_argument("--cpu-time", action="store_true", help="count processor time (needs --threads 1)")
    parser.add_argument("--losses", action="store_true", help="compare losses in float32 only")
    parser.add_argument("--profile", action="store_true", help="print where our second step's time goes")
    options = parser.parse_args()
    if options.cpu_time and options.threads != 1:
        parser.error("--cpu-time adds up the time of all threads: it needs --threads 1")
    if not options.data.is_dir():
        parser.error(f"no photographs in {options.data}: name the folder with --data")
    clock = "processor" if options.cpu_time else "wall"
    size = f"{options.samples} samples by {options.batch}"
    print(f"torch {torch.__version__}, {options.threads} threads, {clock} time, {size}")
    print(f"\n{'':<10} {'what':<13} {'chiasm':>10}   {'peer':>9}    ratio   (peer: {options.peer})")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(options.data, folder, max(options.samples, 20))  # the losses are of 20
        for stage in options.stages:
            base = Setting(
                "ours",
                stage,
                folder,
                options.samples,
                options.batch,
                options.row,
                threads=options.threads,
                clock=clock,
                compile=options.compile,
                peer=options.peer,
                profile="names" if options.profile else "",
            )
            if options.profile:
                measured(replace(base, num_samples=2 * base.batch), options.data)
                continue
            if not options.losses:
                compare(base, options.data, options.runs)
            compare_losses(base, options.data)


if __name__ == "__main__":
    main()
