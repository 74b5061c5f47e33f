"""What `bench.serving` asks: a server of a folder's model, or of random weights. No answer ends of itself."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.full_size import VISION

NAME = "bench"

# One gives 64 picture tokens, so that most of the time goes into the answers; one 576, as most LLaVA have.
TOWERS: dict[str, dict[str, Any]] = {
    "small": {
        "model_type": "clip_vision_model",
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "image_size": 112,
        "patch_size": 14,
    },
    "clip-l": VISION,
}


def random_weights(tower: str) -> tuple[Any, Any]:
    """A model and its processor: 135M-shaped, of random weights that write letters and never end an answer."""
    import torch

    from bench.generation import LANGUAGE
    from chiasm.models.config import LlavaConfig
    from chiasm.models.llava import Llava
    from chiasm.processing.images import ImageProcessing
    from chiasm.processing.processor import Processor
    from tests.backends.tiny import byte_tokenizer

    torch.manual_seed(0)
    vision = TOWERS[tower]
    language = {"model_type": "llama", **LANGUAGE["135m"], "max_position_embeddings": 2048}
    weights = Llava(LlavaConfig(vision=vision, language=language, image_token_id=258))
    with torch.no_grad():
        head: Any = weights.language_model
        head.lm_head.weight[94:] = 0  # the likeliest of the first ids, the printable letters of ASCII, is above 0
    images = ImageProcessing(policy="pad", size=vision["image_size"], patch_size=vision["patch_size"])
    return weights, Processor(byte_tokenizer(), "vicuna_v1", images, image_token_id=258)


def assistant(model: str | None, tower: str, dtype: str | None = "float32") -> Any:
    """The model of a folder in `dtype` (None: its own), or random weights.

    Neither ends an answer of itself, so that all have the same length.
    """
    import torch

    from chiasm.backends.local import LocalChatModel

    if model is None:
        return LocalChatModel(*random_weights(tower)).only_asked()
    found = LocalChatModel.load(model, dtype=dtype).only_asked()
    head, ends = found.model.logits, sorted(found.processor.end_ids)

    def endless(x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = head(x)
        for end in ends:  # one by one: what a benchmark adds to a step should not be seen in it
            logits[..., end] = -torch.inf
        return logits

    found.model.logits = endless  # type: ignore[method-assign]
    return found


def serve(
    model: str | None, tower: str, dtype: str | None, threads: int, limits: tuple[int, int], listening: socket.socket
) -> None:
    """The server's process. `limits`: how many answers are written side by side, how many requests may wait."""
    import torch

    from chiasm.serving.app import Server, Settings
    from chiasm.serving.listening import listener
    from chiasm.serving.pictures import PictureGuard

    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads,)) as thread:
        answerer = thread.submit(assistant, model, tower, dtype).result().compute_in(thread)
        pictures = PictureGuard(opens=answerer.open_ahead)
        settings = Settings(
            NAME, max_running=limits[0], max_waiting=limits[1], max_tokens=10_000, grace=1.0, pictures=pictures
        )
        listener(Server(answerer, settings), 1.0).run([listening])
