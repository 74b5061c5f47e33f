"""The engine: prompts in, ids out, one at a time as they are chosen or many that share what they have in common.

It knows the model, its key-value caches and its context length. It does not know text: an answer ends at an id, at a
length, or when whoever reads along says so.

Shapes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch

from chiasm.errors import UserError
from chiasm.generation import attention, ties
from chiasm.generation.cache import GrowingCache
from chiasm.generation.features import Features
from chiasm.generation.logits import sharp_logits
from chiasm.generation.one_by_one import OneByOne
from chiasm.generation.prompt import Prompt, picture_tokens, room, runs
from chiasm.generation.sampling import Decoding, Likelihood, choose, likelihoods
from chiasm.generation.scheduler import NUM_IDLE, Event, Scheduler, Stepper, log_likelihood
from chiasm.generation.trunk import Branch, Finish
from chiasm.models import language
from chiasm.models.familiarity import Familiarity
from chiasm.models.llava import Llava

# Ours. Of keys and values: 2 GiB are 46,000 tokens of a 135M model in float32, 4,000 of a 7B model in bfloat16.
_CACHE_BYTES = 2 << 30
_FEATURE_BYTES = 256 << 20  # 200 pictures of 576 tokens, 576 wide, in float32
_SLOTS = 32


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
    """One finished answer of many: `index` of its prompt, its ids without the end token, and why it ended.

    `num_cached` of the prompt's tokens were taken from what others had computed. `likelihoods` of the ids, if wanted.
    `is_lost`: what it was held to could not be followed to the end.
    """

    index: int
    ids: list[int]
    finish: Finish
    num_cached: int = 0
    likelihoods: list[Likelihood] = field(default_factory=list)
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Ranked:
    """How likely each answer to the prompt `index` is: sums of log-probabilities over its tokens, in float32."""

    index: int
    log_likelihoods: list[float]


class Answering(Iterator[int]):
    """An answer on its way: iterate for its ids, without the end token. `finish` is set once it has ended.

    `num_cached` of the prompt's tokens were taken from the session. `likelihoods` are those of the ids, where they are
    wanted. `close` (or dropping it) stops the work.
    """

    def __init__(self, engine: Engine, prompt: Prompt, decoding: Decoding, session: Session | None) -> None:
        self._limit = engine.limit(prompt, decoding)
        self._engine, self._prompt, self._decoding = engine, prompt, decoding
        self._session = engine.session() if session is None else session
        self._draw = decoding.draw()
        self._constraint = decoding.constraint() if decoding.constraint else None
        self.likelihoods: list[Likelihood] = []
        self._ids: list[int] = []
        # What an interrupted step has left in the cache, nobody has written into `contents`.
        self._session.cache.keep_first(len(self._session.contents))
        self.num_cached = prompt.num_shared(self._session.contents)
        self.finish: Finish | None = None
        self._closed = False

    @property
    def num_answer(self) -> int:
        """Ids so far."""
        return len(self._ids)

    def __next__(self) -> int:
        if self._closed or self.finish is not None:
            raise StopIteration
        if self.num_answer == self._limit:
            self.finish = "length"
            raise StopIteration
        if self._ids:
            logits = self._engine.step(self._ids[-1], self._session)
        else:
            logits = self._engine.prefill(self._prompt, self._session, self.num_cached)
        settle = partial(ties.settled, self._engine.model, [(self._prompt, self._ids)])
        (chosen,) = choose(logits, self._decoding, [self._draw], [self._constraint], settle)
        if chosen in self._decoding.end_ids:
            self.finish = "stop"
            raise StopIteration
        if self._decoding.num_likely is not None:
            self.likelihoods += likelihoods(logits, [chosen], self._decoding.num_likely)
        if self._constraint is not None:
            self._constraint.take(chosen)
        self._ids.append(chosen)
        return chosen

    def close(self) -> None:
        """No further ids."""
        self._closed = True


class Engine:
    """Generates with one model, on its device and in its dtype. The model must be in evaluation mode and stay as it is.

    The features of pictures are kept, 256 MB of them. What many prompts hold of keys and values is bounded by
    `cache_bytes`: 2 GiB, or half of what is free on a GPU. Models that attend in a way of their own get no shared
    beginnings: their prompts are answered one after another.
    """

    def __init__(self, model: Llava, cache_bytes: int | None = None, familiarity: Familiarity | None = None) -> None:
        self.model = model
        self.features = Features(model, _FEATURE_BYTES, familiarity)
        self._config = cast("Any", model.language_model).config
        bound = getattr(self._config.get_text_config(decoder=True), "max_position_embeddings", None)
        self._max_positions = None if bound is None else int(bound)  # asked for with every prompt
        self._shares = attention.take_over(model.language_model)
        self._cache_bytes = cache_bytes

    @property
    def max_positions(self) -> int | None:
        """The context length of the language model; None when it has no bound."""
        return self._max_positions

    def session(self) -> Session:
        """An empty session."""
        return Session(GrowingCache(self._config))

    def limit(self, prompt: Prompt, decoding: Decoding) -> int:
        """How many tokens the answer may have; raises `UserError` when the prompt alone fills the context."""
        bound = self.max_positions
        if bound is None:
            return decoding.max_tokens
        return min(decoding.max_tokens, room(len(prompt.ids), picture_tokens(prompt.pictures), bound))

    def check_fits(self, prompt: Prompt, num_answer: int) -> None:
        """Raise `UserError` unless the context holds `prompt` and an answer of `num_answer` tokens."""
        if self.limit(prompt, Decoding(max_tokens=num_answer)) < num_answer:
            raise UserError(
                f"the conversation takes {len(prompt.ids)} tokens and its answer {num_answer}, and this model's "
                f"context holds {self.max_positions}. Leave out turns or pictures, or shorten the answer"
            )

    def stream(self, prompt: Prompt, decoding: Decoding, session: Session | None = None) -> Answering:
        """The answer to `prompt`, id by id; what `session` already holds of it is not computed again."""
        return Answering(self, prompt, decoding, session)

    def stepper(self, num_slots: int = _SLOTS, num_idle: int = NUM_IDLE) -> Stepper:
        """A scheduler of its own for whoever steps it: at most `num_slots` prompts side by side.

        What `num_idle` beginnings took that nobody goes on from is kept, for who comes next.
        """
        if self._shares:
            return Scheduler(self.model, self.features, self._num_cached(), num_slots, num_idle)
        return OneByOne(self.stream, self.score, self.session())

    def branch(self, prompt: Prompt, decoding: Decoding, num_shared: int | None = None, keep: bool = False) -> Branch:
        """`prompt` for `Stepper.submit`. Raises `UserError` when it fills the context.

        `num_shared` of its first tokens (a picture counts whole or not) are about to be asked with by others too; None:
        all of them. `keep`: its answer is likely to be part of a next prompt.
        """
        shared = prompt.num_shared(prompt.contents[:num_shared])
        return Branch(prompt, decoding, self.limit(prompt, decoding), shared, keep=keep)

    def generate(
        self,
        prompts: Iterable[Prompt],
        decoding: Decoding,
        num_slots: int = _SLOTS,
        heard: Callable[[int, int], bool] | None = None,
    ) -> Iterator[Generated]:
        """Answers in the order they finish; greedy ones are those `stream` gives for each prompt alone.

        `prompts` are taken as they are needed; those that begin alike should follow each other. `heard(index, id)` is
        told every id and returns True to end that answer.
        """
        if num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, not {num_slots}")
        indices: dict[Branch, int] = {}

        def branches() -> Iterator[list[Branch]]:
            for start, run, num_shared in runs(prompts, num_slots):
                grown = [self.branch(prompt, decoding, num_shared) for prompt in run]
                indices.update(zip(grown, range(start, start + len(run)), strict=True))
                yield grown

        stepper = self.stepper(num_slots)
        for event in _events(stepper, branches(), num_slots):
            branch, finish = event.branch, event.finish
            if event.token is not None and heard is not None and heard(indices[branch], event.token):
                stepper.cancel(branch)
                finish = "stop"
            if finish is not None:
                index = indices.pop(branch)
                yield Generated(index, branch.ids, finish, branch.num_cached, branch.likelihoods, branch.is_lost)

    def rank(
        self, questions: Iterable[tuple[Prompt, Sequence[Sequence[int]]]], num_slots: int = _SLOTS
    ) -> Iterator[Ranked]:
        """How likely each of several answers to a prompt is, in the order the prompts are done.

        `questions` are taken as they are needed. Raises `ValueError` for an answer of no tokens, `UserError` where
        prompt and answer do not fit into the context.
        """
        places: dict[Branch, tuple[int, int]] = {}
        found: dict[int, list[float | None]] = {}

        def branches() -> Iterator[list[Branch]]:
            for index, (prompt, answers) in enumerate(questions):
                found[index] = [None] * len(answers)
                grown = [self._scored(prompt, answer) for answer in answers]
                places.update((branch, (index, place)) for place, branch in enumerate(grown))
                yield grown

        for event in _events(self.stepper(num_slots), branches(), num_slots):
            index, place = places.pop(event.branch)
            found[index][place] = event.branch.log_likelihood
            if None not in found[index]:
                yield Ranked(index, cast("list[float]", found.pop(index)))

    def _scored(self, prompt: Prompt, answer: Sequence[int]) -> Branch:
        if not answer:
            raise ValueError("an answer to be ranked needs at least one token")
        self.check_fits(prompt, len(answer))
        decoding, shared = Decoding(max_tokens=len(answer)), prompt.num_shared(prompt.contents)
        return Branch(prompt, decoding, len(answer), shared, targets=tuple(answer))

    def _num_cached(self) -> int:
        """How many tokens `cache_bytes` hold."""
        num_bytes = self._cache_bytes
        if num_bytes is None:
            on_gpu = self.model.device.type == "cuda"
            num_bytes = torch.cuda.mem_get_info(self.model.device)[0] // 2 if on_gpu else _CACHE_BYTES
        config = self._config.get_text_config(decoder=True)
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return max(1, int(num_bytes) // int(2 * config.num_hidden_layers * heads * width * self.model.dtype.itemsize))

    # Inference mode is entered a step at a time: around a `yield` it would stay on in the caller's code.

    @torch.inference_mode()
    def prefill(self, prompt: Prompt, session: Session, num_cached: int, num_logits: int = 1) -> torch.Tensor:
        """Logits (K, V) at the last K = `num_logits` tokens; `session` holds the first `num_cached` of the prompt."""
        session.cache.keep_first(num_cached)
        del session.contents[num_cached:]
        new = [picture for picture in prompt.pictures if picture.start >= num_cached]
        features = self.features.of((prompt, picture) for picture in new)
        ids_BT = torch.tensor([prompt.ids[num_cached:]], device=self.model.device)
        x_BTD = self.model.embed(ids_BT, torch.cat([features[p.key] for p in new]) if new else None)
        x_BTD = self.model.hidden(x_BTD, None, session.cache)
        session.contents.extend(prompt.contents[num_cached:])
        session.num_prompt = len(prompt.ids)
        return sharp_logits(self.model, x_BTD[0, -num_logits:])

    @torch.inference_mode()
    def step(self, token_id: int, session: Session) -> torch.Tensor:
        """Logits (1, V) after one more token."""
        # Unlike in `Llava.embed`, the placeholder's id is a token like others: it was chosen.
        x_BTD = language.embed(self.model.language_model, torch.tensor([[token_id]], device=self.model.device))
        x_BTD = self.model.hidden(x_BTD, None, session.cache)
        session.contents.append(token_id)
        return sharp_logits(self.model, x_BTD[:, -1])

    def score(self, prompt: Prompt, targets: tuple[int, ...], session: Session) -> float:
        """Sum of the log-probabilities of `targets` as the answer to `prompt`."""
        session.cache.keep_first(len(session.contents))
        num_cached = prompt.num_shared(session.contents)
        whole = Prompt([*prompt.ids, *targets[:-1]], prompt.pixels, prompt.pictures)
        return log_likelihood(self.prefill(whole, session, num_cached, len(targets)), targets)


def _events(stepper: Stepper, batches: Iterator[list[Branch]], num_ahead: int) -> Iterator[Event]:
    """All events of all `batches`, which are taken when fewer than `num_ahead` prompts wait."""
    while True:
        while stepper.num_waiting < num_ahead and (batch := next(batches, None)) is not None:
            for branch in batch:
                stepper.submit(branch)
        events = stepper.step()
        if not events:
            assert not stepper.num_waiting, "nobody runs and nobody may"
            return
        yield from events
