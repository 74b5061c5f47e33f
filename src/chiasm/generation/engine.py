"""The engine: prompts in, ids out, one at a time as they are chosen or many in a batch.

It knows the model, its key-value cache and its context length. It does not know text: an answer ends at an id, at a
length, or when whoever reads along says so.

Shapes: B rows, T tokens, D language width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, cast

import torch

from chiasm.errors import UserError
from chiasm.generation.cache import GrowingCache
from chiasm.generation.prompt import Picture, Prompt
from chiasm.generation.sampling import Decoding, choose
from chiasm.models import language
from chiasm.models.llava import Llava
from chiasm.processing.processor import Example

Finish = Literal["stop", "length"]

_TILES_AT_ONCE = 16  # ours: bounds the tower's activations (0.1 GB a tile of CLIP-L/336 in float32)
_SORTED_BATCHES = 8  # ours: prompts are sorted by length within so many batches, so pixels of few are held


class Session:
    """The cache of one conversation and what it holds, so that a longer prompt computes only what is new."""

    def __init__(self, cache: GrowingCache) -> None:
        self.cache = cache
        self.contents: list[int | str] = []
        self.num_prompt = 0  # tokens of the last prompt; what follows it in `contents` is its answer

    def is_worth(self, prompt: Prompt) -> bool:
        """Whether `prompt` should go on from here, though what it does not share is lost to another conversation.

        It should when it repeats or continues the last prompt, shares a whole picture with it, or shares half of all
        that is held. The system text alone is shared by strangers.
        """
        shared = prompt.num_shared(self.contents)
        if shared >= min(self.num_prompt or len(self.contents), len(prompt.ids) - 1):
            return True
        return 2 * shared >= len(self.contents) or any(picture.end <= shared for picture in prompt.pictures)


@dataclass(frozen=True, slots=True)
class Generated:
    """One finished answer of a batch: `index` of its prompt, its ids without the end token, and why it ended."""

    index: int
    ids: list[int]
    finish: Finish


@dataclass(slots=True)
class _Row:
    """A prompt of a batch on its way."""

    index: int
    prompt: Prompt
    limit: int
    draw: torch.Generator
    ids: list[int] = field(default_factory=list)


class Answering(Iterator[int]):
    """An answer on its way: iterate for its ids, without the end token. `finish` is set once it has ended.

    `num_cached` of the prompt's tokens were taken from the session. `close` (or dropping it) stops the work.
    """

    def __init__(self, engine: Engine, prompt: Prompt, decoding: Decoding, session: Session | None) -> None:
        self._limit = engine.limit(prompt, decoding)
        self._engine, self._prompt, self._decoding = engine, prompt, decoding
        self._session = engine.session() if session is None else session
        self._draw = decoding.draw()
        self._last: int | None = None
        # What an interrupted step has left in the cache, nobody has written into `contents`.
        self._session.cache.keep_first(len(self._session.contents))
        self.num_cached = prompt.num_shared(self._session.contents)
        self.num_answer = 0
        self.finish: Finish | None = None
        self._closed = False

    def __next__(self) -> int:
        if self._closed or self.finish is not None:
            raise StopIteration
        if self.num_answer == self._limit:
            self.finish = "length"
            raise StopIteration
        if self._last is None:
            logits = self._engine.prefill(self._prompt, self._session, self.num_cached)
        else:
            logits = self._engine.step(self._last, self._session)
        (chosen,) = choose(logits, self._decoding, [self._draw])
        if chosen in self._decoding.end_ids:
            self.finish = "stop"
            raise StopIteration
        self._last = chosen
        self.num_answer += 1
        return chosen

    def close(self) -> None:
        """No further ids."""
        self._closed = True


class Engine:
    """Generates with one model, on its device and in its dtype. The model must be in evaluation mode."""

    def __init__(self, model: Llava) -> None:
        self.model = model
        self._config = cast("Any", model.language_model).config

    @property
    def max_positions(self) -> int | None:
        """The context length of the language model; None when it has no bound."""
        bound = getattr(self._config.get_text_config(decoder=True), "max_position_embeddings", None)
        return int(bound) if bound is not None else None

    def session(self) -> Session:
        """An empty session."""
        return Session(GrowingCache(self._config))

    def prompt(self, example: Example) -> Prompt:
        """The prompt of a `processing.Example` made for this model."""
        return Prompt.from_example(example, self.model.config.image_token_id)

    def limit(self, prompt: Prompt, decoding: Decoding) -> int:
        """How many tokens the answer may have; raises `UserError` when the prompt alone fills the context."""
        bound = self.max_positions
        if bound is None:
            return decoding.max_tokens
        if len(prompt.ids) >= bound:
            num_pictures = sum(picture.end - picture.start for picture in prompt.pictures)
            raise UserError(
                f"the conversation takes {len(prompt.ids)} tokens ({num_pictures} of them pictures) and this model's "
                f"context holds {bound}, the answer included. Leave out turns or pictures"
            )
        return min(decoding.max_tokens, bound - len(prompt.ids))

    def stream(self, prompt: Prompt, decoding: Decoding, session: Session | None = None) -> Answering:
        """The answer to `prompt`, id by id; what `session` already holds of it is not computed again."""
        return Answering(self, prompt, decoding, session)

    def generate(
        self,
        prompts: Iterable[Prompt],
        decoding: Decoding,
        batch_size: int = 8,
        heard: Callable[[int, int], bool] | None = None,
    ) -> Iterator[Generated]:
        """Answers in the order they finish; greedy ones are those `stream` gives for each prompt alone.

        `prompts` are taken as they are needed. `heard(index, id)` is told every id and returns True to end that answer.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        waiting = enumerate(prompts)
        while window := list(islice(waiting, batch_size * _SORTED_BATCHES)):
            # Neighbours in length share a batch with little padding; the longest first, so that memory is asked early.
            window.sort(key=lambda item: -len(item[1].ids))
            for start in range(0, len(window), batch_size):
                yield from self._batch(window[start : start + batch_size], decoding, heard)

    def _batch(
        self,
        numbered: Sequence[tuple[int, Prompt]],
        decoding: Decoding,
        heard: Callable[[int, int], bool] | None,
    ) -> Iterator[Generated]:
        rows = [_Row(index, prompt, self.limit(prompt, decoding), decoding.draw()) for index, prompt in numbered]
        cache = GrowingCache(self._config)
        logits, mask_BT = self._prefill_batch([row.prompt for row in rows], cache)
        while True:
            going = []
            for position, (row, chosen) in enumerate(
                zip(rows, choose(logits, decoding, [row.draw for row in rows]), strict=True)
            ):
                if chosen in decoding.end_ids:
                    yield Generated(row.index, row.ids, "stop")
                    continue
                row.ids.append(chosen)
                if heard is not None and heard(row.index, chosen):
                    yield Generated(row.index, row.ids, "stop")
                elif len(row.ids) == row.limit:
                    yield Generated(row.index, row.ids, "length")
                else:
                    going.append(position)
            if not going:
                return
            if len(going) < len(rows):
                rows = [rows[position] for position in going]
                mask_BT = self._keep_rows(cache, mask_BT, going)
            logits, mask_BT = self._step_batch([row.ids[-1] for row in rows], cache, mask_BT)

    # Inference mode is entered a step at a time: around a `yield` it would stay on in the caller's code.

    @torch.inference_mode()
    def prefill(self, prompt: Prompt, session: Session, num_cached: int) -> torch.Tensor:
        """Logits (1, V) after the prompt, of which `session` holds the first `num_cached` tokens."""
        session.cache.keep_first(num_cached)
        del session.contents[num_cached:]
        new = [picture for picture in prompt.pictures if picture.start >= num_cached]
        features = self._features([(prompt, picture) for picture in new])
        ids_BT = torch.tensor([prompt.ids[num_cached:]], device=self.model.device)
        x_BTD = self.model.embed(ids_BT, torch.cat([features[p.key] for p in new]) if new else None)
        x_BTD = self.model.hidden(x_BTD, None, session.cache)
        session.contents.extend(prompt.contents[num_cached:])
        session.num_prompt = len(prompt.ids)
        return self.model.logits(x_BTD[:, -1])

    @torch.inference_mode()
    def step(self, token_id: int, session: Session) -> torch.Tensor:
        """Logits (1, V) after one more token."""
        x_BTD = self._embed_chosen([token_id])
        x_BTD = self.model.hidden(x_BTD, None, session.cache)
        session.contents.append(token_id)
        return self.model.logits(x_BTD[:, -1])

    @torch.inference_mode()
    def _prefill_batch(
        self, prompts: Sequence[Prompt], cache: GrowingCache
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits (B, V) after each prompt, padded on the left, and the mask (B, T); None when all have one length."""
        length = max(len(prompt.ids) for prompt in prompts)
        ids_BT = torch.zeros(len(prompts), length, dtype=torch.int64)
        mask_BT = torch.zeros(len(prompts), length, dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            ids_BT[row, length - len(prompt.ids) :] = torch.tensor(prompt.ids)
            mask_BT[row, length - len(prompt.ids) :] = 1
        mask = None if bool(mask_BT.all()) else mask_BT.to(self.model.device)
        shown = [(prompt, picture) for prompt in prompts for picture in prompt.pictures]
        features = self._features(shown)
        ordered = torch.cat([features[picture.key] for _, picture in shown]) if shown else None
        x_BTD = self.model.embed(ids_BT.to(self.model.device), ordered)
        return self.model.logits(self.model.hidden(x_BTD, mask, cache)[:, -1]), mask

    @torch.inference_mode()
    def _step_batch(
        self, ids: Sequence[int], cache: GrowingCache, mask_BT: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits (B, V) after one more token a row, and the mask with it."""
        if mask_BT is not None:
            mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(ids), 1)], 1)
        x_BTD = self._embed_chosen(ids)
        return self.model.logits(self.model.hidden(x_BTD, mask_BT, cache)[:, -1]), mask_BT

    @torch.inference_mode()
    def _keep_rows(self, cache: GrowingCache, mask_BT: torch.Tensor | None, rows: list[int]) -> torch.Tensor | None:
        """Take finished rows out of the cache and the mask."""
        kept = torch.tensor(rows, device=self.model.device)
        cache.keep_rows(kept)
        return None if mask_BT is None else mask_BT[kept]

    def _embed_chosen(self, ids: Sequence[int]) -> torch.Tensor:
        """One chosen id a row -> (B, 1, D). Unlike in `Llava.embed`, the placeholder's id is a token like others."""
        return language.embed(self.model.language_model, torch.tensor(ids, device=self.model.device)[:, None])

    def _features(self, shown: Sequence[tuple[Prompt, Picture]]) -> dict[str, torch.Tensor]:
        """Features (tokens, D) of each different picture among `shown`, by digest; each is encoded once."""
        pixels: dict[str, torch.Tensor] = {}
        for prompt, picture in shown:
            if picture.key not in pixels:
                pixels[picture.key] = prompt.pixels[picture.first_tile : picture.first_tile + picture.num_tiles]
        if not pixels:
            return {}
        tiles = torch.cat(list(pixels.values()))
        encoded = torch.cat([self.model.encode_images(some) for some in torch.split(tiles, _TILES_AT_ONCE)])
        counts = [len(some) for some in pixels.values()]
        return {
            key: features.flatten(0, -2) for key, features in zip(pixels, torch.split(encoded, counts), strict=True)
        }
