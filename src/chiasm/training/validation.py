"""Held-out conversations, looked at while a stage trains: their loss, and a few answers as the model would give them.

A look takes nothing from training: random state, modes and ways of computing are put back, and nothing is learnt. What
it sees does not depend on how many processes look. It knows neither optimisers nor schedules.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

import torch

from chiasm.backends.local import LocalChatModel
from chiasm.chat import Sampling
from chiasm.conversation import Conversation, Image, RecordError
from chiasm.data.daemon_pool import DaemonPool, Late
from chiasm.errors import UserError
from chiasm.models.language import decoder_blocks
from chiasm.models.llava import Llava
from chiasm.processing.pictures import PictureError, open_picture
from chiasm.processing.processor import Processor
from chiasm.training import objectives
from chiasm.training.answering_together import answer_all
from chiasm.training.config import Data, Stage, Validation
from chiasm.training.metrics import Answered, MetricsFile
from chiasm.training.objectives import Objective
from chiasm.training.parallel import Lost, Told, is_divided
from chiasm.training.stepping import in_step, in_turn
from chiasm.training.waiting import DidNotCome, called

if TYPE_CHECKING:
    from chiasm.training.loop import StageRun

T = TypeVar("T")

# All ours.
_MOST_AT_ONCE = 16
_MAX_TOKENS = 128  # of an answer
_MAX_TOKENS_TOGETHER = 64  # where each gathers all weights


@runtime_checkable
class Conversing(Objective, Protocol):
    """An objective whose samples are conversations that end in answers."""

    def conversation(self, index: int) -> Conversation:
        """The sample as it was written; raises `RecordError`."""
        ...


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a stage is validated on: its own objective over other records, and how their questions are written."""

    settings: Validation
    objective: Conversing
    processor: Processor

    @classmethod
    def of(cls, stage: Stage, model: Llava, processor: Processor) -> HeldOut | None:
        """As the stage asks; None where it does not. Raises `UserError` for records that cannot be read."""
        settings = stage.validation
        if settings is None:
            return None
        images = stage.data.images if settings.images is None else settings.images
        other = stage.model_copy(update={"data": Data(records=settings.records, images=images)})
        objective = objectives.build(other, model, processor)
        if not isinstance(objective, Conversing):
            raise UserError(f"objective '{stage.objective}' has no answers to validate: leave 'validation' out")
        if not len(objective):
            raise UserError(f"{settings.records} holds no records to validate on")
        return cls(settings, objective, processor)


@dataclass(frozen=True, slots=True)
class _Found:
    """What held-out records came to, over all processes."""

    loss: float
    num_targets: int
    num_samples: int
    unusable: list[tuple[str, str]]
    """Name and reason of each record that cannot be used."""


class Validator:
    """Looks at held-out data between the steps of a stage, after every so many and after the last; not where it has
    none.

    `learner` computes the loss and answers; where its weights are divided, all processes do so together. Lines go to
    `validation.jsonl` and `answers.jsonl` of the run. A look ends with `DidNotCome` in all processes where one waited
    in vain for a sample, or had no more time to.
    """

    def __init__(
        self,
        run: StageRun,
        held_out: HeldOut | None,
        learner: Llava,
        low: torch.dtype,
        num_steps: int,
        has_to_go: Callable[[], bool] = lambda: False,
    ) -> None:
        self._run, self._held_out, self._learner, self._low = run, held_out, learner, low
        self._num_steps, self._has_to_go = num_steps, has_to_go
        self._divided = is_divided(learner.parameters())
        self._losses = MetricsFile(run.folder / "validation.jsonl")
        self._answers = MetricsFile(run.folder / "answers.jsonl")
        # Generation may not go through what the loop computes with: packed rows have no cache.
        self._attention = str(cast("Any", learner.language_model).config._attn_implementation)
        self._said: set[str] = set()

    def begin(self, first: int) -> None:
        """Forget looks at steps that will be done again; make up for the one after step `first` if it is missing."""
        if self._held_out is None:
            return
        there = self._run.world.from_first(lambda: self._forget_after(first))
        if first and first not in there and self._due(first, self._held_out):
            self._look(first, self._held_out)

    def after(self, step: int) -> None:
        """Look, if it is time."""
        if self._held_out is not None and self._due(step, self._held_out):
            self._look(step, self._held_out)

    def _due(self, step: int, held_out: HeldOut) -> bool:
        return step % held_out.settings.every == 0 or step == self._num_steps

    def _forget_after(self, step: int) -> list[int]:
        there = [int(line["step"]) for line in self._losses.forget_after(self._run.name, step)]
        # A look that was cut off has written answers, but no loss.
        self._answers.forget_after(self._run.name, step if step in there else step - 1)
        return there

    def _look(self, step: int, held_out: HeldOut) -> None:
        begun = time.perf_counter()
        with _aside(self._learner):
            found = self._loss(held_out.objective)
            self._name_unusable(found, held_out.settings.records)
            answered = self._answered(step, held_out)
        line: dict[str, float | int | str] = {"stage": self._run.name, "step": step, "num_steps": self._num_steps}
        if found.num_targets:
            line["loss"] = round(found.loss / found.num_targets, 6)
        line |= {"num_trained": found.num_targets, "num_samples": found.num_samples}
        line |= {"num_unusable": len(found.unusable), "seconds": round(time.perf_counter() - begun, 4)}
        if self._run.world.leads:
            self._losses.write(line)
        self._run.reporter.validated(line, answered)

    def _loss(self, objective: Objective) -> _Found:
        """Batches go round the processes, each computed whole by one of them and added up in order."""
        world, size = self._run.world, self._run.stage.batch_size
        chunks = [range(begin, min(begin + size, len(objective))) for begin in range(0, len(objective), size)]
        sums, unusable = [], []
        num_targets = num_samples = 0
        with DaemonPool(self._run.recipe.workers, "held-out") as pool:
            for first in range(0, len(chunks), world.size):
                chunk = chunks[first + world.rank] if first + world.rank < len(chunks) else range(0)
                tried = self._come(pool, partial(_sample, objective), chunk, objective)
                samples = [each for each in tried if not isinstance(each, _Unusable)]
                unusable += [[each.name, each.reason] for each in tried if isinstance(each, _Unusable)]
                num_targets += sum(objective.num_targets(sample) for sample in samples)
                num_samples += len(samples)
                groups = objective.groups(samples) if samples else []
                if self._divided:
                    groups = in_step(world, objective, groups)
                sums.append(sum(self._sum(objective, group) for group in groups))
        found = world.exchange(
            {"sums": sums, "num_targets": num_targets, "num_samples": num_samples, "unusable": unusable}
        )
        return _Found(
            loss=in_turn([each["sums"] for each in found]),
            num_targets=sum(each["num_targets"] for each in found),
            num_samples=sum(each["num_samples"] for each in found),
            unusable=[(name, reason) for each in found for name, reason in each["unusable"]],
        )

    def _come(
        self, pool: DaemonPool, function: Callable[[int], T], indices: Iterable[int], objective: Objective
    ) -> list[T]:
        """`function` of the samples at `indices`. All processes call it in step."""
        found: list[T] = []
        late = ""
        try:
            found += pool.map(function, indices, self._run.recipe.sample_timeout, self._has_to_go)
        except Late as error:
            late = f"held-out {called(objective, error.thing, in_haste=self._has_to_go())}"
        if everywhere := [each for each in self._run.world.exchange(late) if each]:
            raise DidNotCome(everywhere)
        return found

    def _sum(self, objective: Objective, group: list[Any]) -> float:
        batch = {name: tensor.to(self._learner.device) for name, tensor in objective.collate(group).items()}
        with torch.no_grad(), self._autocast():
            return float(objective.loss(self._learner, batch).sum)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._learner.device.type, torch.bfloat16, enabled=self._low == torch.bfloat16)

    def _answered(self, step: int, held_out: HeldOut) -> list[Answered]:
        """The model's answers to the first questions of some conversations, in order; the first process has them."""
        if not held_out.settings.answers:
            return []
        count = len(held_out.objective)
        takes_part = self._run.world.leads or self._divided
        wanted = min(held_out.settings.answers, count) if takes_part else 0
        spread = [number * count // wanted for number in range(wanted)]
        with DaemonPool(self._run.recipe.workers, "held-out") as pool:
            found = self._come(pool, partial(_question, held_out), spread, held_out.objective)
        unusable = {place: [each.name, each.reason] for place, each in enumerate(found) if isinstance(each, _Unusable)}
        if self._divided:  # a picture may be there for one process and not for another
            for others in self._run.world.exchange(list(unusable.items())):
                unusable |= dict(others)
        for name, reason in unusable.values():
            self._say(f"held-out questions: {name} cannot be asked ({reason})")
        asked = [each for place, each in enumerate(found) if isinstance(each, _Question) and place not in unusable]
        if not asked:
            return []
        with self._generating(), self._autocast():
            texts = self._texts(asked, held_out)
        if not self._run.world.leads:
            return []
        answered = [each.answered(texts[index]) for index, each in enumerate(asked) if index in texts]
        for one in answered:
            self._answers.write({"stage": self._run.name, "step": step, **asdict(one)})
        return answered

    def _texts(self, asked: list[_Question], held_out: HeldOut) -> dict[int, str]:
        """Answers by position; who cannot be answered is left out, and said once."""
        texts: dict[int, str] = {}
        answering = self._together if self._divided else self._alone
        try:
            for index, text in answering([each.question for each in asked], held_out.processor):
                texts[index] = text
        except (Told, Lost):  # the run ends
            raise
        except UserError as error:  # too long for the context, say: no reason to end a run
            self._say(f"held-out questions: {error}")
        return texts

    def _alone(self, questions: list[Conversation], processor: Processor) -> Iterator[tuple[int, str]]:
        model = LocalChatModel(self._learner, processor, batch_size=min(len(questions), _MOST_AT_ONCE))
        for answer in model.answer_all(questions, Sampling(_MAX_TOKENS)):
            yield answer.index, answer.text

    def _together(self, questions: list[Conversation], processor: Processor) -> Iterator[tuple[int, str]]:
        world = self._run.world
        return answer_all(self._learner, processor, questions, world, _MOST_AT_ONCE, _MAX_TOKENS_TOGETHER)

    @contextmanager
    def _generating(self) -> Iterator[None]:
        """The language model as it was before the loop computed with it, and afterwards as the loop had it."""
        language = cast("Any", self._learner.language_model)
        before = language.config._attn_implementation
        language.set_attn_implementation(self._attention)
        try:
            yield
        finally:
            language.set_attn_implementation(before)

    def _name_unusable(self, found: _Found, records: str) -> None:
        if found.unusable:
            reasons = ", ".join(f"{n} {reason}" for reason, n in Counter(r for _, r in found.unusable).most_common())
            self._say(
                f"{len(found.unusable)} held-out records of {records} cannot be used "
                f"({reasons}; the first is {found.unusable[0][0]})"
            )

    def _say(self, message: str) -> None:
        """A note, once."""
        if message not in self._said:
            self._said.add(message)
            self._run.reporter.note(message)


@dataclass(frozen=True, slots=True)
class _Unusable:
    name: str
    reason: str


def _sample(objective: Objective, index: int) -> Any:
    """A sample, or why there is none."""
    try:
        sample = objective.sample(index)
    except (RecordError, PictureError) as error:
        return _Unusable(objective.name(index), error.reason)
    return sample if objective.num_targets(sample) else _Unusable(objective.name(index), "nothing trained")


@dataclass(frozen=True, slots=True)
class _Question:
    """The beginning of a conversation up to its first answer, its pictures opened already, and that answer."""

    id: str
    question: Conversation
    images: tuple[str, ...]
    expected: str

    def answered(self, text: str) -> Answered:
        """With what the model said."""
        return Answered(self.id, self.images, self.question.messages[-1].text.strip(), self.expected, text)


def _question(held_out: HeldOut, index: int) -> _Question | _Unusable | None:
    """None for a record where nobody answers."""
    objective, limits = held_out.objective, held_out.processor.limits
    try:
        messages = objective.conversation(index).messages
        answers = [place for place, message in enumerate(messages) if message.role == "assistant"]
        if not answers:
            return None
        asked = messages[: answers[0]]
        paths = [Path(str(image.source)).absolute() for message in asked for image in message.images]
        pictures = iter([Image(open_picture(path, limits)) for path in paths])
    except (RecordError, PictureError) as error:
        return _Unusable(objective.name(index), error.reason)
    opened = [
        replace(message, parts=tuple(next(pictures) if isinstance(part, Image) else part for part in message.parts))
        for message in asked
    ]
    name, images = objective.name(index), tuple(str(path) for path in paths)
    return _Question(name, Conversation(tuple(opened), name), images, messages[answers[0]].text)


@contextmanager
def _aside(model: Llava) -> Iterator[None]:
    """What happens inside changes nothing that training goes on with: random state, modes, compiled blocks.

    Blocks run as they are written: other shapes and modes would have the compiler begin anew, and one day give up.
    """
    modes = {module: module.training for module in model.modules()}
    blocks = {block: block._compiled_call_impl for block in decoder_blocks(cast("Any", model.language_model))}
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        model.eval()
        for block in blocks:
            block._compiled_call_impl = None
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
            for block, call in blocks.items():
                block._compiled_call_impl = call
