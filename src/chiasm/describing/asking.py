"""Asking a model about pictures, in windows of many at once; each is opened before it is asked about.

A picture that cannot be opened, or got no answer, comes out with its reason, and the others go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from chiasm.chat import Answer, AnswerError, ChatModel, Sampling
from chiasm.conversation import Conversation, user
from chiasm.describing.description import Brief, Description
from chiasm.errors import UserError

# Ours. The first window is small, so that the first answers come soon; a later one is several batches of a local model.
_FIRST_WINDOW, _WINDOW = 32, 256
_OPENERS = 2  # threads; decoding lets go of Python's lock

_NO_ANSWER = {
    "unknown": ("no answer", "the server gave none; the same command asks again"),
    "content_filter": ("withheld", "the provider withheld the answer"),
    "refusal": ("refused", "the model refused and gave no reason"),
}


def describe(
    pictures: Sequence[str], brief: Brief, sampling: Sampling, open_model: Callable[[], ChatModel]
) -> Generator[Description, None, None]:
    """A description of every picture, in the order they are finished. Closing it ends the work.

    `open_model` is called when the first picture is found to be one; opening pictures has begun by then. Raises
    `AnswerError` where asking for the others cannot help either (a wrong key), and what `open_model` raises.
    """
    model: ChatModel | None = None
    pool = ThreadPoolExecutor(_OPENERS, thread_name_prefix="chiasm-pictures")
    try:
        windows = _windows(pictures)
        window, coming = _looked_at(next(windows, ()), pool)
        while window:
            later, later_coming = _looked_at(next(windows, ()), pool)
            good: list[str] = []
            for picture, looked in zip(window, coming, strict=True):
                error = looked.result()
                if error is None:
                    good.append(picture)
                else:
                    yield _failed(picture, error)
            if good:
                model = model or open_model()
                yield from _ask(model, good, brief, sampling)
            window, coming = later, later_coming
    finally:
        pool.shutdown(cancel_futures=True)


def _windows(pictures: Sequence[str]) -> Iterator[Sequence[str]]:
    if pictures:
        yield pictures[:_FIRST_WINDOW]
    for start in range(_FIRST_WINDOW, len(pictures), _WINDOW):
        yield pictures[start : start + _WINDOW]


def _looked_at(
    window: Sequence[str], pool: ThreadPoolExecutor
) -> tuple[Sequence[str], Sequence[Future[UserError | None]]]:
    return window, [pool.submit(_error_of, picture) for picture in window]


def _error_of(picture: str) -> UserError | None:
    """Why `picture` cannot be used; None when it can. It is decoded whole: a header says little about the rest."""
    from chiasm.processing.pictures import open_picture

    try:
        open_picture(picture)
    except UserError as error:
        return error
    return None


def _ask(model: ChatModel, pictures: Sequence[str], brief: Brief, sampling: Sampling) -> Iterator[Description]:
    waiting = dict(enumerate(pictures))
    conversations = [Conversation((user(brief.prompt, [picture]),), id=picture) for picture in pictures]
    answers = model.answer_all(conversations, sampling)
    try:
        with _closing(answers):
            for answer in answers:
                yield _description(waiting.pop(answer.index), answer, brief)
    except AnswerError:
        raise
    except UserError as error:
        failures = getattr(error, "failures", None)  # of local models: why, by index, when all others are answered
        if isinstance(failures, Mapping):
            for index, why in failures.items():
                yield _failed(waiting.pop(index), why)
        elif len(pictures) == 1 and waiting:
            yield _failed(waiting.pop(0), error)
        else:
            raise
    for picture in waiting.values():
        yield Description(picture, None, "unknown", *_NO_ANSWER["unknown"])


@contextlib.contextmanager
def _closing(answers: Iterator[Answer]) -> Iterator[None]:
    """Interrupted, whoever answers ends its work at once and in order."""
    try:
        yield
    finally:
        if isinstance(answers, Generator):
            answers.close()


def _description(picture: str, answer: Answer, brief: Brief) -> Description:
    written = brief.how.read(answer.text)
    if written.text:
        return Description(picture, written, answer.finish_reason, unfamiliar=bool(answer.unfamiliar))
    if answer.finish_reason in _NO_ANSWER:
        return Description(picture, None, answer.finish_reason, *_NO_ANSWER[answer.finish_reason])
    message = f"the model said nothing to keep: {answer.text[:60]!r}"
    return Description(picture, None, answer.finish_reason, "empty answer", message)


def _failed(picture: str, error: UserError) -> Description:
    return Description(picture, None, "", str(getattr(error, "reason", "not answerable")), str(error))
