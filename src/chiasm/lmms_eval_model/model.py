"""A chat model of ours as lmms-eval asks it: all requests at once, so that questions about one picture go together.

It can only be imported where lmms-eval is installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms

from chiasm.backends import REMOTE, open_model
from chiasm.chat import ChatModel, Ranker, Sampling
from chiasm.conversation import IMAGE_MARKER, Conversation, Image, Message, Part, Text, user
from chiasm.errors import UserError

_MAX_TOKENS = 1024  # of tasks that name no length: what lmms-eval's own LLaVA takes


class ChiasmModel(lmms):  # type: ignore[misc, unused-ignore]
    """`pretrained`: a checkpoint folder, hub name or openai:NAME, as `chiasm eval -m` takes it.

    `template`, `dtype` and `base_url` are as there. `batch_size` is ignored: the engine batches as memory allows.
    Raises `UserError` for options that do not go with the name.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str | None = None,
        *,
        device: str | None = None,
        dtype: str | None = None,
        template: str | None = None,
        base_url: str | None = None,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        remote = (pretrained or "").partition(":")[0] in REMOTE
        self._device = device or _own_device()
        self._model: ChatModel = open_model(
            pretrained, dtype=dtype, template=template, base_url=base_url, device=None if remote else self._device
        )

    @property
    def device(self) -> str:
        """Where lmms-eval puts the numbers it exchanges between processes."""
        return self._device

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """An answer a request, in order, as its `generation_kwargs` say; `until` ends it and is not part of it.

        Beams are not searched. Raises `UserError` for a task with other things than pictures, for num_beams above 1,
        and where a server gave no answer.
        """
        texts: dict[int, str] = {}
        by_sampling: dict[Sampling, list[int]] = {}
        conversations = []
        for row, request in enumerate(requests):
            context, settings, to_visual, doc_id, task, split = _arguments(request)
            conversations.append(_conversation(context, to_visual(self.task_dict[task][split][doc_id]), task))
            by_sampling.setdefault(_sampling(settings, task), []).append(row)
        for sampling, rows in by_sampling.items():
            for answer in self._model.answer_all([conversations[row] for row in rows], sampling):
                if not answer.text and answer.finish_reason == "unknown":
                    raise UserError(f"request {rows[answer.index]} got no answer from the server. Run it again")
                texts[rows[answer.index]] = answer.text
        return [texts[row] for row in range(len(requests))]

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        """(loss, whether the greedy answer begins so) of each request's continuation, in order.

        The loss is the mean over its tokens of minus the log-likelihood, as lmms-eval's own LLaVA returns it and its
        multiple choice expects (the smallest wins). Each pair is wrapped in lmms-eval's `GenerationResult`: version
        0.7.3 makes a string of a bare one, and fails. Raises `UserError` for models that cannot rank.
        """
        if not isinstance(self._model, Ranker):
            raise UserError("this model cannot say how likely an answer is: choose tasks that generate answers")
        rows: dict[tuple[str, int, str, str], list[int]] = {}
        options: dict[tuple[str, int, str, str], list[str]] = {}
        conversations = {}
        for row, request in enumerate(requests):
            context, target, to_visual, doc_id, task, split = _arguments(request)
            doc = self.task_dict[task][split][doc_id]
            key = (context, doc_id, task, split)
            if key not in conversations:
                conversations[key] = _conversation(context, to_visual(doc), task)
            rows.setdefault(key, []).append(row)
            options.setdefault(key, []).append(target if isinstance(target, str) else target(doc))
        asked = list(conversations)
        found: dict[int, tuple[float, int]] = {}
        for ranking in self._model.rank_all([conversations[key] for key in asked], [options[key] for key in asked]):
            for row, log, num in zip(
                rows[asked[ranking.index]], ranking.log_likelihoods, ranking.num_tokens, strict=True
            ):
                found[row] = (-log / max(num, 1), num)
        longest = Sampling(max_tokens=max((num for _, num in found.values()), default=1) or 1)
        greedy = {}
        for answer in self._model.answer_all([conversations[key] for key in asked], longest):
            key = asked[answer.index]
            for row, option in zip(rows[key], options[key], strict=True):
                greedy[row] = answer.text.startswith(option.strip())
        return [GenerationResult((found[row][0], greedy[row])) for row in range(len(requests))]

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Not offered."""
        raise UserError("tasks of several rounds cannot be run with chiasm in lmms-eval: choose others")


def _own_device() -> str:
    """The GPU a launcher gives this process, else the best one here."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def _arguments(request: Any) -> tuple[str, Any, Callable[[Any], Any], int, str, str]:
    """(context, settings or continuation, the function from a document to its pictures, document, task, split)."""
    arguments = request.args
    if len(arguments) != 6:
        raise UserError(f"a request of {len(arguments)} parts is not known: six were expected, as lmms-eval 0.7 has it")
    context, second, to_visual, doc_id, task, split = arguments
    return context, second, to_visual, doc_id, task, split


def _conversation(context: str, visuals: object, task: str) -> Conversation:
    """Pictures first, each on a line of its own, or where the context has a marker for each."""
    images = [each for each in visuals if each is not None] if isinstance(visuals, Sequence) else []
    if wrong := [each for each in images if not hasattr(each, "convert")]:
        raise UserError(f"{task} shows a {type(wrong[0]).__name__} where a picture was expected: choose another task")
    if images and context.count(IMAGE_MARKER) == len(images):
        first, *rest = context.split(IMAGE_MARKER)
        parts: list[Part] = [Text(first)]
        for image, text in zip(images, rest, strict=True):
            parts += [Image(image), Text(text)]
        kept = tuple(part for part in parts if isinstance(part, Image) or part.text)
        message = Message("user", kept)
        return Conversation((message.with_pictures_first() if len(images) == 1 else message,))
    return Conversation((user(context, images),))


def _sampling(settings: Mapping[str, Any], task: str) -> Sampling:
    """A task's `generation_kwargs` as lmms-eval's own LLaVA reads them: greedy unless a temperature is named."""
    if (beams := int(settings.get("num_beams") or 1)) != 1:
        raise UserError(f"{task} asks for {beams} beams, and chiasm answers greedily or by sampling: set num_beams=1")
    until = settings.get("until") or ()
    stop = (until,) if isinstance(until, str) else tuple(until)
    temperature = float(settings.get("temperature") or 0.0)
    top_p = settings.get("top_p")
    return Sampling(
        max_tokens=int(settings.get("max_new_tokens") or settings.get("max_gen_toks") or _MAX_TOKENS),
        temperature=0.0 if settings.get("do_sample") is False else temperature,
        top_p=float(top_p) if top_p else 1.0,
        stop=tuple(each for each in stop if each),
    )
