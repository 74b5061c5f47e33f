"""A model on this machine as a `ChatModel`: processor, engine and tokenizer joined.

Safe to share between threads: the engine's steps take turns, streams may be open side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import torch

from chiasm.backends.stop_strings import StopStrings
from chiasm.chat import Answer, Delta, Sampling, Usage, collect
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.generation.engine import Answering, Engine, Session
from chiasm.generation.prompt import Prompt
from chiasm.generation.sampling import Decoding
from chiasm.models.device import usable_device
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_NUM_SESSIONS = 4  # ours: caches of so many conversations are kept (0.5 GB a thousand tokens of a 7B model in bf16)


class LocalChatModel:
    """`model` and `processor` together; both are plain and may be used by themselves.

    The model is put into evaluation mode. The caches of the last conversations are kept, so that the next turn of one,
    or another question about its picture, computes only what is new.
    """

    def __init__(
        self, model: Llava, processor: Processor, *, batch_size: int = 8, num_sessions: int = _NUM_SESSIONS
    ) -> None:
        self.model, self.processor, self.batch_size = model.eval(), processor, batch_size
        self._engine = Engine(model)
        self._sessions: list[Session] = []  # the longest unused first; one in use is not in it
        self._num_sessions = num_sessions
        self._pool = threading.Lock()
        self._steps = threading.Lock()

    @classmethod
    def load(
        cls, source: Path | str, *, dtype: str | None = None, device: str | None = None, template: str | None = None
    ) -> Self:
        """The checkpoint of a folder or hub name, in its own dtype and on the best device here by default."""
        from chiasm.checkpoints import load

        if dtype is not None and dtype not in _DTYPES:
            raise UserError(f"no dtype '{dtype}': expected one of {', '.join(_DTYPES)}")
        checkpoint = load(
            source, dtype=_DTYPES[dtype] if dtype else None, device=usable_device(device), template=template
        )
        return cls(checkpoint.model, checkpoint.processor)

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
        prompt = self._prompt(conversation)
        text, stop = self.processor.tokenizer.decode_stream(), self._stop(sampling)
        session = self._take(prompt)
        try:
            with self._steps:
                answering = self._engine.stream(prompt, self._decoding(sampling), session)
            while (token_id := self._next(answering)) is not None:
                shown = stop.feed(text.feed(token_id))
                if stop.stopped:
                    answering.finish = "stop"
                if shown:
                    yield Delta(shown)
            usage = Usage(len(prompt.ids), answering.num_cached, answering.num_answer)
            yield Delta(stop.feed(text.finish()) + stop.finish(), answering.finish or "stop", usage)
        finally:
            self._put_back(session)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """Answers in the order they finish, `batch_size` at a time; greedy ones are those of `stream`."""
        texts = [self.processor.tokenizer.decode_stream() for _ in conversations]
        stops = [self._stop(sampling) for _ in conversations]
        shown: list[list[str]] = [[] for _ in conversations]
        num_prompt = [0] * len(conversations)

        def prompts() -> Iterator[Prompt]:
            for index, conversation in enumerate(conversations):
                prompt = self._prompt(conversation)
                num_prompt[index] = len(prompt.ids)
                yield prompt

        def heard(index: int, token_id: int) -> bool:
            shown[index].append(stops[index].feed(texts[index].feed(token_id)))
            return stops[index].stopped

        answers = self._engine.generate(prompts(), self._decoding(sampling), self.batch_size, heard)
        while True:
            with self._steps:
                generated = next(answers, None)
            if generated is None:
                return
            index = generated.index
            shown[index] += stops[index].feed(texts[index].finish()), stops[index].finish()
            usage = Usage(num_prompt[index], 0, len(generated.ids))
            yield Answer("".join(shown[index]), generated.finish, usage, index)

    def _prompt(self, conversation: Conversation) -> Prompt:
        turns = conversation.turns
        if turns and turns[-1].role != "user":
            raise UserError("the last turn is the assistant's: there is nothing to answer. End with a turn of the user")
        return self._engine.prompt(self.processor.encode(conversation))

    def _decoding(self, sampling: Sampling) -> Decoding:
        return Decoding(
            sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.seed, self.processor.end_ids
        )

    def _stop(self, sampling: Sampling) -> StopStrings:
        return StopStrings((*self.processor.stop, *sampling.stop))

    def _next(self, answering: Answering) -> int | None:
        with self._steps:
            return next(answering, None)

    def _take(self, prompt: Prompt) -> Session:
        """The kept session that shares most with `prompt`, out of the pool, or a new one rather than spoil it."""
        with self._pool:
            shared = [prompt.num_shared(session.contents) for session in self._sessions]
            best = max(range(len(shared)), key=shared.__getitem__, default=None)
            if best is not None and self._sessions[best].is_worth(prompt):
                return self._sessions.pop(best)
            if self._sessions and len(self._sessions) >= self._num_sessions:
                self._sessions.pop(0)
            return self._engine.session()

    def _put_back(self, session: Session) -> None:
        with self._pool:
            if session.contents:
                self._sessions.append(session)
            del self._sessions[: max(0, len(self._sessions) - self._num_sessions)]


def _several(images: Iterable[object]) -> Iterable[object]:
    """`images`, unless it is one picture: its letters, bytes or rows would be taken for many."""
    single = isinstance(images, str | bytes | bytearray | Path) or hasattr(images, "__array_interface__")
    if single or not isinstance(images, Iterable):
        raise ValueError(f"images must be a list of pictures, not one {type(images).__name__}: write images=[picture]")
    return images
