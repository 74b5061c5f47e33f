"""Speed of generation against transformers' own LLaVA: the same random weights, pixels, ids, dtype and threads.

Prints, for CLIP-L/336 before a 135M- and a 1.1B-shaped Llama: time to first token and tokens per second of both, as
medians of interleaved runs, and their ratios (above 1: chiasm is faster); then what the second turn of a chat costs.

    python bench/generation.py --sizes 135m --dtype float32 --runs 3
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from chiasm.generation.engine import Engine
from chiasm.generation.prompt import Picture, Prompt
from chiasm.generation.sampling import Decoding
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava

# openai/clip-vit-large-patch14-336
VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
NUM_PATCHES = 576
# Shapes of SmolLM-135M and TinyLlama-1.1B.
LANGUAGE = {
    "135m": {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
    "1.1b": {
        "hidden_size": 2048,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "intermediate_size": 5632,
        "vocab_size": 32000,
    },
}
IMAGE = 31999


class Clock:
    """What seconds are counted: wall time, unless `--cpu-time`."""

    now: Callable[[], float] = staticmethod(time.perf_counter)


CLOCK = Clock()


@dataclass(frozen=True)
class Timing:
    """One answer: seconds to its first token, and tokens a second after it."""

    first: float
    decode: float
    ids: list[int]


def their_config(size: str) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig
    from transformers import LlavaConfig as TheirConfig

    language = LlamaConfig(**LANGUAGE[size], max_position_embeddings=2048)
    vision = CLIPVisionConfig(**{key: value for key, value in VISION.items() if key != "model_type"})
    return TheirConfig(vision_config=vision, text_config=language, image_token_index=IMAGE)


def models(size: str, dtype: torch.dtype) -> tuple[Llava, Any]:
    """Both implementations over one set of tensors."""
    from transformers import LlavaForConditionalGeneration

    torch.manual_seed(0)
    theirs = LlavaForConditionalGeneration._from_config(their_config(size), dtype=dtype).eval()
    theirs.generation_config.eos_token_id = None  # both sides write the full length
    language = {"model_type": "llama", **LANGUAGE[size], "max_position_embeddings": 2048}
    with torch.device("meta"):
        ours = Llava(LlavaConfig(vision=VISION, language=language, image_token_id=IMAGE)).eval()
    ours.load_state_dict({our_name(name): tensor for name, tensor in theirs.state_dict().items()}, assign=True)
    ours.language_model.tie_weights()
    for name, buffer in theirs.named_buffers():  # those a state does not hold: positions, rotary frequencies
        owner, _, leaf = our_name(name).rpartition(".")
        setattr(ours.get_submodule(owner), leaf, buffer)
    return ours, theirs


def our_name(name: str) -> str:
    """A name of transformers' LLaVA as chiasm's `Llava` has it."""
    if name.startswith("lm_head"):
        return f"language_model.{name}"
    name = name.removeprefix("model.").replace("multi_modal_projector.linear_1", "connector.0")
    name = name.replace("multi_modal_projector.linear_2", "connector.2")
    return name.replace("language_model.", "language_model.model.", 1) if name.startswith("language_model") else name


def chat_prompt(vocab_size: int) -> Prompt:
    """40 tokens, one picture, 20 tokens: about the length of a question in a vicuna template."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, min(vocab_size, IMAGE), (60,), generator=generator).tolist()
    pixels = torch.randn(1, 3, 336, 336, generator=generator)
    picture = Picture("a", 40, 40 + NUM_PATCHES, 0, 1)
    return Prompt([*ids[:40], *[IMAGE] * NUM_PATCHES, *ids[40:]], pixels, (picture,))


def time_ours(model: Llava, prompt: Prompt, num_tokens: int) -> Timing:
    start = CLOCK.now()
    stream = Engine(model).stream(prompt, Decoding(num_tokens))
    ids = [next(stream)]
    first = CLOCK.now()
    ids += stream
    return Timing(first - start, (len(ids) - 1) / (CLOCK.now() - first), ids)


def time_theirs(model: Any, prompt: Prompt, num_tokens: int) -> Timing:
    from transformers.generation.streamers import BaseStreamer

    times: list[float] = []

    class Ticks(BaseStreamer):  # type: ignore[misc]
        def put(self, value: torch.Tensor) -> None:
            times.append(CLOCK.now())

        def end(self) -> None:
            pass

    ids = torch.tensor([prompt.ids])
    start = CLOCK.now()
    answer = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=prompt.pixels.to(model.dtype),
        do_sample=False,
        max_new_tokens=num_tokens,
        pad_token_id=0,
        streamer=Ticks(),
    )
    # The streamer is handed the prompt first.
    return Timing(times[1] - start, (num_tokens - 1) / (times[-1] - times[1]), answer[0, ids.shape[1] :].tolist())


def interleaved(runs: int, *sides: Callable[[], Timing]) -> list[list[Timing]]:
    """Each side `runs` times in turns, so that a busy moment of the machine meets all; a first round is thrown away."""
    timings: list[list[Timing]] = [[] for _ in sides]
    for turn in range(runs + 1):
        order = list(range(len(sides)))
        # Who goes second finds caches and memory as the first left them: each side is second every other time.
        for side in order if turn % 2 else reversed(order):
            timings[side].append(sides[side]())
    return [each[1:] for each in timings]


def second_turn(model: Llava, prompt: Prompt) -> tuple[float, float, int]:
    """Seconds to the first token of turn 1 and of turn 2 of one chat, and the tokens turn 2 took from the cache."""
    engine = Engine(model)
    session = engine.session()
    start = CLOCK.now()
    stream = engine.stream(prompt, Decoding(16), session)
    answer = [next(stream)]
    first = CLOCK.now() - start
    answer += stream
    follow_up = Prompt([*prompt.ids, *answer, *range(100, 120)], prompt.pixels, prompt.pictures)
    start = CLOCK.now()
    again = engine.stream(follow_up, Decoding(1), session)
    next(again)
    return first, CLOCK.now() - start, again.num_cached


def compare(size: str, dtype: torch.dtype, runs: int, num_tokens: int) -> None:
    ours, theirs = models(size, dtype)
    prompt = chat_prompt(LANGUAGE[size]["vocab_size"])
    mine, other = interleaved(
        runs, lambda: time_ours(ours, prompt, num_tokens), lambda: time_theirs(theirs, prompt, num_tokens)
    )
    agreed = sum(a == b for a, b in zip(mine[0].ids, other[0].ids, strict=True))
    if dtype == torch.float32:
        assert agreed == num_tokens, f"greedy ids differ: {mine[0].ids} and {other[0].ids}"
    name = f"{size} {str(dtype).removeprefix('torch.')}"
    first = [statistics.median(t.first for t in side) for side in (mine, other)]
    decode = [statistics.median(t.decode for t in side) for side in (mine, other)]
    print(f"{name:<16} first token   {first[0]:8.3f} s   {first[1]:8.3f} s   {first[1] / first[0]:6.3f}")
    print(f"{name:<16} decode        {decode[0]:8.2f} /s  {decode[1]:8.2f} /s  {decode[0] / decode[1]:6.3f}")
    turns = [second_turn(ours, prompt) for _ in range(runs)]
    one, two = (statistics.median(turn[i] for turn in turns) for i in (0, 1))
    print(f"{name:<16} turn 1 and 2  {one:8.3f} s   {two:8.3f} s   {one / two:6.2f}   ({turns[0][2]} tokens cached)")
    print(f"{name:<16} greedy ids    {agreed} of {num_tokens} equal", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=LANGUAGE, default=list(LANGUAGE))
    parser.add_argument("--dtype", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count processor time, for a machine that others use meanwhile (needs --threads 1)",
    )
    options = parser.parse_args()
    if options.cpu_time:
        if options.threads != 1:
            parser.error("--cpu-time adds up the time of all threads: it needs --threads 1")
        CLOCK.now = time.process_time
    torch.set_num_threads(options.threads)
    counted = "processor" if options.cpu_time else "wall"
    print(f"torch {torch.__version__}, {options.threads} threads, medians of {options.runs} runs, {counted} time")
    print(f"\n{'model':<16} {'what':<13} {'chiasm':>10}   {'transformers':>10}   ratio")
    for size in options.sizes:
        for dtype in options.dtype:
            compare(size, getattr(torch, dtype), options.runs, options.tokens)


if __name__ == "__main__":
    main()
