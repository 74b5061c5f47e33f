"""Speed of answering many short questions about pictures, against transformers' own LLaVA with the same weights.

CLIP-L/336 before a 135M-shaped Llama, random weights, answers of two tokens, in the shapes of three benchmarks: POPE
(18 questions a picture), VQAv2 (5) and MME (2). The other side is `LlavaForConditionalGeneration.generate`, one
question at a time and in its best batch of 1, 2, 4, 8 or 16. All get the same ids and the same pixels, made before the
clock starts. Prints seconds a question as medians of interleaved runs, ratios (above 1: chiasm is faster) beside those
required, the memory each side asked for on top of the weights, and how many answers are equal id for id.

transformers spends the same on every question, so it is timed on the first `--questions` of each shape.

    python -m bench.evaluation --dtype bfloat16 --pictures ../shared/data/coco/images
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import itertools
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.generation import IMAGE, NUM_PATCHES, models
from chiasm.generation.engine import Engine
from chiasm.generation.prompt import Picture, Prompt
from chiasm.generation.sampling import Decoding
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.pictures import open_picture

NUM_TOKENS = 2  # of an answer: "Yes" and the end
BATCHES = (1, 2, 4, 8, 16)
SYSTEM_TOKENS = 40  # vicuna's system text and "USER: "


@dataclass(frozen=True)
class Shape:
    """A benchmark's proportions: questions a picture, tokens behind the picture (ours, counted on real questions)."""

    name: str
    num_pictures: int
    num_questions: int
    num_tokens: tuple[int, int]
    required_alone: float
    required_batch: float | None


SHAPES = {
    "pope": Shape("POPE", 2, 18, (22, 30), 10.0, 8.0),
    "vqav2": Shape("VQAv2", 4, 5, (20, 32), 3.5, None),
    "mme": Shape("MME", 6, 2, (28, 44), 1.8, None),
}


@dataclass(frozen=True)
class Timing:
    """One side's run: seconds a question, bytes on top of what was there before, the answers."""

    seconds: float
    num_bytes: int | None
    answers: list[list[int]]


def real_pictures(folder: Path | None, count: int) -> list[torch.Tensor]:
    """Pixels (1, 3, 336, 336) of the first photographs of `folder`, or noise."""
    if folder is None:
        generator = torch.Generator().manual_seed(1)
        return [torch.randn(1, 3, 336, 336, generator=generator) for _ in range(count)]
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(paths) < count:
        raise SystemExit(f"{folder} holds {len(paths)} pictures, {count} are needed")
    processing = ImageProcessing()
    return [processing.pixels(open_picture(path)) for path in paths[:count]]


def prompts_of(shape: Shape, pictures: Sequence[torch.Tensor]) -> list[Prompt]:
    """All questions of a shape, picture by picture."""
    draw = random.Random(shape.name)
    system = [draw.randrange(5, IMAGE) for _ in range(SYSTEM_TOKENS)]
    prompts = []
    for number, pixels in enumerate(pictures[: shape.num_pictures]):
        picture = Picture(str(number), SYSTEM_TOKENS, SYSTEM_TOKENS + NUM_PATCHES, 0, 1)
        for _ in range(shape.num_questions):
            question = [draw.randrange(5, IMAGE) for _ in range(draw.randint(*shape.num_tokens))]
            prompts.append(Prompt([*system, *[IMAGE] * NUM_PATCHES, *question], pixels, (picture,)))
    return prompts


def answer_ours(model: Llava, prompts: Sequence[Prompt]) -> list[list[int]]:
    """A fresh engine, so that nothing is left from the run before."""
    generated = Engine(model).generate(prompts, Decoding(NUM_TOKENS))
    return [each.ids for each in sorted(generated, key=lambda each: each.index)]


def answer_theirs(model: Any, prompts: Sequence[Prompt], batch_size: int) -> list[list[int]]:
    """transformers' `generate` over batches padded on the left."""
    answers: list[list[int]] = []
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]
        length = max(len(prompt.ids) for prompt in batch)
        padding = [length - len(prompt.ids) for prompt in batch]
        ids = torch.tensor([[0] * pad + prompt.ids for pad, prompt in zip(padding, batch, strict=True)])
        mask = torch.tensor([[0] * pad + [1] * (length - pad) for pad in padding])
        answer = model.generate(
            input_ids=ids,
            attention_mask=mask,
            pixel_values=torch.cat([prompt.pixels for prompt in batch]).to(model.dtype),
            do_sample=False,
            max_new_tokens=NUM_TOKENS,
            pad_token_id=0,
        )
        answers += answer[:, length:].tolist()
    return answers


def _memory(name: str) -> int | None:
    """A number of bytes from the kernel's account of this process: VmRSS now, VmHWM at most; None off Linux."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def timed(answer: Callable[[], list[list[int]]], num_questions: int) -> Timing:
    """Run one side once."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc: hand freed memory back, or it would hide what is new
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # makes VmHWM begin anew
    except OSError:
        before = None
    else:
        before = _memory("VmRSS")
    start = time.perf_counter()
    answers = answer()
    seconds = (time.perf_counter() - start) / num_questions
    most = _memory("VmHWM")
    return Timing(seconds, None if before is None or most is None else most - before, answers)


def best_batch(theirs: Any, prompts: Sequence[Prompt]) -> int:
    """The batch size at which transformers takes least time a question, each tried once on one full batch."""
    seconds = {}
    for size in BATCHES:
        some = list(itertools.islice(itertools.cycle(prompts), size))
        seconds[size] = timed(lambda some=some, size=size: answer_theirs(theirs, some, size), size).seconds  # type: ignore[misc]
    print(
        "  transformers by batch: " + ", ".join(f"{size}: {value:.2f} s" for size, value in seconds.items()), flush=True
    )
    return min(seconds, key=seconds.__getitem__)


def compare(shape: Shape, ours: Llava, theirs: Any, options: argparse.Namespace, batch: int) -> bool:
    """Time all sides of one shape in turns and print; whether the required ratios were reached."""
    prompts = prompts_of(shape, real_pictures(options.pictures, shape.num_pictures))
    few = prompts[: options.questions]
    full = prompts[: -(-options.questions // batch) * batch] if batch <= len(prompts) else prompts
    sides: dict[str, Callable[[], Timing]] = {
        "chiasm": lambda: timed(lambda: answer_ours(ours, prompts), len(prompts)),
        "one at a time": lambda: timed(lambda: answer_theirs(theirs, few, 1), len(few)),
        f"batches of {batch}": lambda: timed(lambda: answer_theirs(theirs, full, batch), len(full)),
    }
    timings: dict[str, list[Timing]] = {name: [] for name in sides}
    for turn in range(options.runs):
        names = list(sides)
        for name in names[turn % 3 :] + names[: turn % 3]:  # who goes first changes
            timings[name].append(sides[name]())
    seconds = {name: statistics.median(each.seconds for each in runs) for name, runs in timings.items()}
    print(f"  {shape.name}: {len(prompts)} questions about {shape.num_pictures} pictures")
    reached = True
    required = [None, shape.required_alone, shape.required_batch]
    for (name, runs), least in zip(timings.items(), required, strict=True):
        ratio = seconds[name] / seconds["chiasm"]
        told = "" if least is None else f" (required {least:g})"
        most = max((each.num_bytes for each in runs if each.num_bytes is not None), default=None)
        memory = "" if most is None else f"   {most / 2**20:6.0f} MB"
        print(f"    {name:<16} {seconds[name]:8.4f} s a question{memory}   {ratio:6.2f} x{told}")
        reached = reached and (least is None or ratio >= least)
    mine, alone = timings["chiasm"][0].answers, timings["one at a time"][0].answers
    equal = sum(a == b for a, b in zip(mine, alone, strict=False))
    print(f"    {equal} of {len(alone)} answers equal those of one at a time", flush=True)
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--dtype", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"])
    parser.add_argument("--pictures", type=Path, help="a folder of photographs; noise without it")
    parser.add_argument("--questions", type=int, default=16, help="how many transformers is timed on, a shape")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch", type=int, choices=BATCHES, help="transformers' batch; without it the best is sought")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, medians of {options.runs} interleaved runs")
    reached = True
    for dtype in options.dtype:
        print(f"\n{dtype}", flush=True)
        ours, theirs = models("135m", getattr(torch, dtype))
        first = prompts_of(SHAPES["pope"], real_pictures(options.pictures, 2))
        answer_ours(ours, first[:2])
        answer_theirs(theirs, first[:1], 1)
        batch = options.batch or best_batch(theirs, first)
        for name in options.shapes:
            reached &= compare(SHAPES[name], ours, theirs, options, batch)
    print("\nall required ratios reached" if reached else "\nNOT all required ratios reached")
    raise SystemExit(0 if reached else 1)


if __name__ == "__main__":
    main()
