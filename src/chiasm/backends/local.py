"""A model on this machine as a `ChatModel`: processor, engine and tokenizer joined.

Safe to share between threads: streams that are open side by side share the engine's steps.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import torch

from chiasm.backends.json_answers import JsonAnswers
from chiasm.backends.local_looking import looked
from chiasm.backends.local_prompts import Attempts, PromptWriter
from chiasm.backends.shared_steps import SharedSteps
from chiasm.backends.spoken import Spoken
from chiasm.backends.told import LOST, Listening, LocalTelling, WrittenAnswer
from chiasm.chat import Answer, Delta, Looked, Ranking, Reader, Sampling, Telling, Usage, collect
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.generation import fused
from chiasm.generation.engine import Engine, Generated
from chiasm.generation.looking import attention_to_pictures
from chiasm.generation.prompt import Picture, Prompt
from chiasm.generation.sampling import Decoding
from chiasm.models.device import usable_device
from chiasm.models.familiarity import Familiarity
from chiasm.models.language import output_head
from chiasm.models.llava import Llava
from chiasm.models.onednn import lay_out
from chiasm.processing.pictures import PictureLimits
from chiasm.processing.processor import Processor
from chiasm.processing.token_bytes import TokenBytes

log = logging.getLogger("chiasm")

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_NUM_SESSIONS = 32  # ours: caches of so many conversations are kept, if `cache_bytes` has room for them

_Made = TypeVar("_Made")


class LocalChatModel:
    """`model` and `processor` together; both are plain and may be used by themselves.

    The model is put into evaluation mode, and must not change from then on: the caches of the last conversations and
    the features of pictures are kept, so that the next turn of one, or another question about its picture, computes
    only what is new. `batch_size` is how many conversations are on their way at once, `num_sessions` of how many others
    the caches are kept, `cache_bytes` how much the keys and values of all may take: by default 2 GiB, on a GPU half of
    what is free. `familiarity`: what pictures are like that the model has learnt from; answers about others say so.
    """

    def __init__(
        self,
        model: Llava,
        processor: Processor,
        *,
        batch_size: int = 32,
        num_sessions: int = _NUM_SESSIONS,
        cache_bytes: int | None = None,
        familiarity: Familiarity | None = None,
    ) -> None:
        self.model, self.processor, self.batch_size = model.eval(), processor, batch_size
        self._engine = Engine(model, cache_bytes, familiarity)
        self._writer = PromptWriter(processor)
        self._album = self._writer.album(paths=False)  # a file may change between two questions
        self._bytes = TokenBytes(processor.tokenizer)
        self._json = JsonAnswers(processor.tokenizer, processor.end_ids)
        self._steps = threading.Lock()
        self._thread: Executor | None = None
        self._own_thread: Executor | None = None
        self._together = SharedSteps(self._engine.stepper(batch_size, num_sessions), self._computed, self._begun)

    @classmethod
    def load(
        cls, source: Path | str, *, dtype: str | None = None, device: str | None = None, template: str | None = None
    ) -> Self:
        """The checkpoint of a folder or hub name, in its own dtype and on the best device here by default.

        Without `dtype`, small models are float32 on a CPU: they answer faster so, and `fused` takes no other.
        """
        from chiasm.checkpoints import load

        if dtype is not None and dtype not in _DTYPES:
            raise UserError(f"no dtype '{dtype}': expected one of {', '.join(_DTYPES)}")
        chosen = _DTYPES[dtype] if dtype else None
        checkpoint = load(source, dtype=chosen, device=usable_device(device), template=template, only_asked=True)
        return cls(checkpoint.model, checkpoint.processor, familiarity=checkpoint.familiarity)

    def only_asked(self) -> Self:
        """Itself, faster: steps in fewer operations, on a CPU layers laid out for it.

        `model` can no longer be trained or saved.
        """
        fused.take_over(self.model.language_model)
        # In 16 bits some logits are computed again, from rows of the head's weights.
        is_half = self.model.dtype.itemsize == 2
        lay_out(self.model, output_head(self.model.language_model) if is_half else None)
        return self

    def compute_in(self, thread: Executor) -> Self:
        """Itself, computing in the one thread of `thread`, whoever asks; the model should have been loaded there, too.

        torch keeps as many threads as there are cores for each thread that ever computed. Once there are more than
        cores they sleep between any two operations: a step of a small model then takes twice as long. For servers: who
        asks must be another thread, and not the main one, whose Ctrl-C would not reach the step it waits for.
        """
        self._thread = thread
        return self

    def answer(
        self,
        question: str,
        images: Iterable[object] = (),
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> str:
        """The answer to one question about pictures: a list of paths, bytes, PIL images or arrays.

        Raises `ValueError` for a picture that is not in a list, `UserError` for one that cannot be opened.
        """
        if not isinstance(question, str):
            raise ValueError(f"question must be a string, not {type(question).__name__}")
        conversation = Conversation((user(question, _several(images)),))
        sampling = Sampling(max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
        return collect(self.stream(conversation, sampling)).text

    def stream(self, conversation: Conversation, sampling: Sampling) -> Generator[Delta, None, None]:
        """The answer to the last user turn, piece by piece, trimmed of white space at both ends.

        Raises `UserError` for a conversation that cannot be encoded or does not fit, at the first piece.
        """
        answer = self._asked(conversation, sampling)
        with contextlib.closing(self._together.answer(answer.branch)) as ids:
            for token_id in ids:
                yield answer.hear(token_id)
                if answer.stopped:
                    break
        yield answer.end()

    def tell(self, conversation: Conversation, sampling: Sampling, reader: Reader) -> Telling:
        """As `stream`, told to `reader` by the thread of `compute_in`, or one that is made now; raises `UserError`."""
        answer = self._asked(conversation, sampling)
        self._together.tell(answer.branch, Listening(answer, reader))
        return LocalTelling(self._together, answer.branch)

    def _asked(self, conversation: Conversation, sampling: Sampling) -> WrittenAnswer:
        prompt = self._writer.prompt(conversation, self._album)
        # Beside others, who may well ask about the same picture, what follows it is this conversation's own affair.
        num_shared = prompt.pictures[-1].end if prompt.pictures and self._together.num_open else None
        branch = self._engine.branch(prompt, self._decoding(sampling), num_shared, keep=True)
        return WrittenAnswer(branch, self._spoken(sampling), self._unfamiliar)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """Answers in the order they finish; greedy ones are those of `stream`.

        Conversations with the same system text and pictures are answered together, whatever their order: a picture is
        opened and encoded once, what they share is computed once. Pictures are opened as they are needed, by a thread.
        Conversations that cannot be encoded or do not fit are left out; when all others are answered,
        `UnansweredError` says which (for one conversation alone its own error).
        """
        decoding, answers = self._decoding(sampling), dict[int, _Text]()

        def prompts() -> Iterator[Prompt]:
            for index, prompt in attempts:
                answers[index] = _Text(self._spoken(sampling), len(prompt.ids), prompt.pictures)
                asked.append(index)
                yield prompt

        def made(index: int) -> Prompt:
            prompt = self._writer.prompt(conversations[index], album)
            self._engine.limit(prompt, decoding)  # raises where it does not fit
            return prompt

        asked: list[int] = []  # the index of each prompt
        album, attempts = self._writer.album(), Attempts(conversations, made)
        generating = self._engine.generate(
            prompts(), decoding, self.batch_size, lambda place, token: answers[asked[place]].hears(token)
        )
        while (generated := self._next(generating)) is not None:
            index = asked[generated.index]
            answer = answers.pop(index)
            if generated.is_lost:
                attempts.failures[index] = UserError(LOST)
                continue
            usage = Usage(answer.num_prompt, generated.num_cached, len(generated.ids))
            deltas: Iterable[Delta] = [*answer.deltas, answer.spoken.end(generated.finish, usage)]
            if sampling.num_likely is not None:
                deltas = self._retold(sampling, generated, usage)
            yield replace(collect(deltas, index), unfamiliar=self._unfamiliar(answer.pictures))
        attempts.check()

    def rank_all(self, conversations: Sequence[Conversation], options: Sequence[Sequence[str]]) -> Iterator[Ranking]:
        """Rankings in the order they finish: how likely each of `options[i]` is as the answer to conversation i.

        An option is written behind the conversation as the template begins an answer, trimmed, without what ends it.
        Log-probabilities are computed in float32. Conversations are ordered, and errors told, as in `answer_all`.
        Raises `ValueError` when there are not as many lists of options as conversations.
        """
        if len(conversations) != len(options):
            raise ValueError(f"{len(conversations)} conversations but {len(options)} lists of options")

        def questions() -> Iterator[tuple[Prompt, list[list[int]]]]:
            for index, question in attempts:
                asked.append((index, tuple(len(answer) for answer in question[1])))
                yield question

        def made(index: int) -> tuple[Prompt, list[list[int]]]:
            if not options[index]:
                raise UserError("there is no option to rank")
            prompt = self._writer.prompt(conversations[index], album)
            answers = [self._writer.answer_ids(conversations[index], option) for option in options[index]]
            self._engine.check_fits(prompt, max(map(len, answers)))
            return prompt, answers

        asked: list[tuple[int, tuple[int, ...]]] = []  # of each question its index and its options' tokens
        album, attempts = self._writer.album(), Attempts(conversations, made)
        ranking = self._engine.rank(questions(), self.batch_size)
        while (ranked := self._next(ranking)) is not None:
            index, num_tokens = asked[ranked.index]
            yield Ranking(tuple(ranked.log_likelihoods), num_tokens, index)
        attempts.check()

    def open_ahead(self, content: bytes, limits: PictureLimits) -> tuple[int, int]:
        """Width and height of a picture that is about to be asked about, and is then open; raises `PictureError`."""
        return self._album.open(content, limits).size

    def prompt_tokens(self, conversation: Conversation) -> tuple[int, tuple[int, ...], int | None]:
        """How many tokens it takes to ask, how many of them each picture, and how many the context holds (None: any).

        Raises `UserError` for a conversation that cannot be encoded.
        """
        prompt = self._writer.prompt(conversation, self._album)
        return len(prompt.ids), tuple(p.end - p.start for p in prompt.pictures), self._engine.max_positions

    def looked(self, conversation: Conversation, answer: str) -> Looked:
        """Where the model looks to give `answer` to the last user turn, in each of its pictures.

        One pass over conversation and answer, as `chiasm.generation.looking` says. Raises `UserError` where there is no
        picture, an answer without text, or more than the context holds.
        """
        prompt = self._writer.prompt(conversation, self._album)
        if not prompt.pictures:
            raise UserError("there is no picture in this conversation to have looked at")
        if not answer.strip():
            raise UserError("the answer is empty: nothing was looked at for it")
        answer_ids = self._writer.answer_ids(conversation, answer)
        self._engine.check_fits(prompt, len(answer_ids))
        shown = [self._album.open(image.source) for image in conversation.images]
        features = self._engine.features
        shares = self._computed(lambda: attention_to_pictures(self.model, features, prompt, answer_ids))
        return looked(self.processor, shown, answer_ids, shares)

    def check_schema(self, schema: str) -> None:
        """Raise `UserError` unless answers here can keep to `schema` (JSON): a bad one, or no llguidance installed."""
        self._json.constraint(schema)

    def _decoding(self, sampling: Sampling) -> Decoding:
        schema = sampling.json_schema
        return Decoding(
            sampling.max_tokens,
            sampling.temperature,
            sampling.top_p,
            sampling.seed,
            self.processor.end_ids,
            sampling.num_likely,
            None if schema is None else self._json.constraint(schema),
        )

    def _spoken(self, sampling: Sampling) -> Spoken:
        return Spoken(self.processor.tokenizer, (*self.processor.stop, *sampling.stop), self._bytes.of)

    def _retold(self, sampling: Sampling, generated: Generated, usage: Usage) -> Iterator[Delta]:
        """A finished answer once more, with how likely its tokens were."""
        spoken = self._spoken(sampling)
        for token_id, likelihood in zip(generated.ids, generated.likelihoods, strict=True):
            yield spoken.hear(token_id, likelihood)
        yield spoken.end(generated.finish, usage)

    def _unfamiliar(self, pictures: Sequence[Picture]) -> tuple[int, ...]:
        return tuple(i for i, picture in enumerate(pictures) if self._engine.features.is_unfamiliar(picture.key))

    def _next(self, steps: Iterator[_Made]) -> _Made | None:
        return self._computed(lambda: next(steps, None))

    def _computed(self, work: Callable[[], _Made]) -> _Made:
        """What `work` gives; nothing else computes meanwhile."""
        return self._thread.submit(self._alone, work).result() if self._thread else self._alone(work)

    def _begun(self, work: Callable[[], object]) -> None:
        thread = self._thread or self._own_thread
        if thread is None:  # for this alone: who waits for an answer computes it where it is asked for, as before
            thread = self._own_thread = ThreadPoolExecutor(1, thread_name_prefix="chiasm-computing")
        thread.submit(self._alone, work).add_done_callback(_say_why)

    def _alone(self, work: Callable[[], _Made]) -> _Made:
        with self._steps:
            return work()


def _say_why(step: Future[Any]) -> None:
    """Log what a step raised that nobody waits for."""
    if not step.cancelled() and (error := step.exception()) is not None:
        log.error("a step failed", exc_info=error)


@dataclass(slots=True)
class _Text:
    """The text of one of many answers, id by id."""

    spoken: Spoken
    num_prompt: int
    pictures: tuple[Picture, ...]
    deltas: list[Delta] = field(default_factory=list)

    def hears(self, token: int) -> bool:
        """Take one more id; True when a stop string has ended the answer."""
        self.deltas.append(self.spoken.hear(token))
        return self.spoken.stopped


def _several(images: Iterable[object]) -> Iterable[object]:
    """`images`, unless it is one picture: its letters, bytes or rows would be taken for many."""
    single = isinstance(images, str | bytes | bytearray | Path) or hasattr(images, "__array_interface__")
    if single or not isinstance(images, Iterable):
        raise ValueError(f"images must be a list of pictures, not one {type(images).__name__}: write images=[picture]")
    return images
