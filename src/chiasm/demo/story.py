"""What `chiasm demo` does, from an empty folder to measured answers. Showing it is someone else's work.

Every part can be stopped and goes on where it was: the world, the run, and what is asked between its stages.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from chiasm.atomic import new_file
from chiasm.backends.local import LocalChatModel
from chiasm.chat import Sampling
from chiasm.conversation import Conversation
from chiasm.demo import asking
from chiasm.demo.asking import CODES, Language, Request
from chiasm.demo.looking import LookedWord, look
from chiasm.errors import UserError
from chiasm.evals.task import Question
from chiasm.evals.tasks._drawn import Share
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.recipes import demo as recipes
from chiasm.scenes.layout import WrittenWorld
from chiasm.scenes.writing import write_world
from chiasm.training.config import PARTS, Recipe
from chiasm.training.features import CacheSettings
from chiasm.training.metrics import Reporter
from chiasm.training.run import run, stage_processor

# When everything is asked: the stage before it ("start" comes before all), and how people call it.
MOMENTS = {"start": "before stage 1", "align": "after stage 1 (align)", "instruct": "after stage 2 (instruct)"}
LAST = "instruct"
NUM_PICTURES = 200  # validation pictures, of which some are asked about
SIZE = 140  # pixels: what the tower that comes with chiasm takes
SEED = 1  # not 0, of which that tower and the language model were made: nobody has seen a picture of this world
_FORMAT = 2
# The longest answers: a box has some 30 tokens in a small vocabulary, a description 150.
_SHORT, _LONG = Sampling(max_tokens=40), Sampling(max_tokens=220)

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""A progress bar: opened with a title and a total, advanced by counts."""


@dataclass(slots=True)
class Story:
    """All that was asked and answered. What was answered, and where the model looked, is kept in `demo.json`.

    `answers` are by moment and key of the question or request; `looked` by key of the request, at the last moment.
    `parameters` are the model's, by part; `seconds` what drawing and asking took.
    """

    folder: Path
    seed: int
    questions: dict[Language, list[Question]]
    requests: list[Request]
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    looked: dict[str, list[LookedWord]] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def world(self) -> WrittenWorld:
        """The drawn world."""
        return WrittenWorld(self.folder / "world")

    @property
    def run_folder(self) -> Path:
        """What the run left."""
        return self.folder / "run"

    def measured(self, moment: str) -> bool:
        """Whether everything was asked at `moment`."""
        return moment in self.answers

    def shares(self, moment: str, *languages: Language) -> dict[str, Share]:
        """Right answers by kind of question; of all languages where none is named."""
        return asking.shares(self._of(languages), self.answers[moment])

    def total(self, moment: str, *languages: Language) -> Share:
        """Right answers of all kinds."""
        return asking.together(self.shares(moment, *languages).values())

    def guessing(self, *languages: Language) -> dict[str, Share]:
        """What saying the most frequent answer of each kind and language would get: sight is worth what is above."""
        asked = self._of(languages)
        return asking.shares(asked, asking.guesses(asked))

    def save(self) -> None:
        """Write `demo.json`, whole or not at all."""
        told: dict[str, Any] = {
            "format": _FORMAT,
            "seed": self.seed,
            "parameters": self.parameters,
            "seconds": self.seconds,
            "answers": self.answers,
            "looked": {key: [word.as_dict() for word in words] for key, words in self.looked.items()},
        }
        with new_file(self.folder / "demo.json") as partial:
            partial.write_text(json.dumps(told, ensure_ascii=False, indent=0), encoding="utf-8", newline="\n")

    def _of(self, languages: Sequence[Language]) -> dict[Language, list[Question]]:
        return {code: self.questions[code] for code in languages or CODES}


@contextmanager
def no_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows nothing."""
    yield lambda _: None


def tell(
    folder: Path, reporter: Reporter, *, changes: list[str], num_train: int, bar: Bar = no_bar, seed: int = SEED
) -> Story:
    """Do whatever of the demo is not done yet in `folder`, and return what was measured.

    `changes` are assignments to the recipe `demo` as `--set` takes them. Raises `UserError`, or `Interrupted` when it
    was stopped by a signal.
    """
    recipe = recipes.recipe(str(folder / "world")).with_changes(changes)  # first: a typing error costs no time
    begun = time.monotonic()
    complete = (folder / "world" / "readme.md").is_file()
    # The language model has read already: hardly any scene is told in words. Nor is there a last test.
    world = write_world(
        folder / "world", num=num_train, num_val=NUM_PICTURES, num_test=1, num_text=1, seed=seed, size=SIZE
    )
    story = _begin(folder, world, seed)
    if not complete:
        story.seconds["drawing"] = time.monotonic() - begun
    measure = _measuring(story, recipe, reporter, bar)
    resume = (story.run_folder / "run.json").is_file()
    run(
        recipe,
        story.run_folder,
        resume=resume,
        reporter=reporter,
        after_stage=measure,
        final=folder / "final",
        cache=CacheSettings(folder / "features"),
    )
    return story


def _begin(folder: Path, world: WrittenWorld, seed: int) -> Story:
    """The story so far, or everything still to be asked."""
    story = Story(folder, seed, asking.questions(world), asking.requests(world, seed, SIZE, NUM_PICTURES))
    path = folder / "demo.json"
    if not path.is_file():
        return story
    try:
        told = json.loads(path.read_bytes())
        if told["format"] != _FORMAT:
            raise ValueError(f"format {told['format']!r} where {_FORMAT} was expected")
        for moment, texts in told["answers"].items():
            story.answers[moment] = {key: texts[key] for key in _keys(story)}
        story.looked = {key: [LookedWord.of(word) for word in words] for key, words in told["looked"].items()}
        story.parameters, story.seconds = told["parameters"], told["seconds"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{path} cannot be read ({what}): delete it, or begin anew with --fresh") from None
    return story


def _keys(story: Story) -> list[str]:
    return [
        *(question.key for code in CODES for question in story.questions[code]),
        *(request.key for request in story.requests),
    ]


def _measuring(story: Story, recipe: Recipe, reporter: Reporter, bar: Bar) -> Callable[[str, Llava, Processor], None]:
    """Asks everything at the moments of `MOMENTS`, always in the words of the last stage's template."""
    last = list(recipe.stages.values())[-1]

    def measure(stage: str, model: Llava, processor: Processor) -> None:
        if stage not in MOMENTS or story.measured(stage):
            return
        begun = time.monotonic()
        # As it will be saved, and a model of its own: the one that trains goes on as if nobody had asked.
        asked = copy.deepcopy(model).to(getattr(torch, recipe.model.dtype))
        answerer = LocalChatModel(asked, stage_processor(processor, last), batch_size=64)
        story.parameters = {part: _num_parameters(model, part) for part in PARTS}
        texts: dict[str, str] = {}
        with bar(f"asking, {MOMENTS[stage]}", len(_keys(story))) as advance:
            short = {question.key: question.conversation for code in CODES for question in story.questions[code]}
            long = {request.key: request.conversation for request in story.requests}
            for conversations, sampling in ((short, _SHORT), (long, _LONG)):
                for key, text in _answers(answerer, conversations, sampling):
                    texts[key] = text
                    advance(1)
        if stage == LAST:
            story.looked = {
                request.key: look(answerer, request.conversation, texts[request.key]) for request in story.requests
            }
        story.answers[stage] = texts
        story.seconds[f"asking {stage}"] = time.monotonic() - begun
        story.save()
        share = story.total(stage)
        reporter.note(
            f"right answers {MOMENTS[stage]}: {share.percent:.1f} % "
            f"({share.interval.low:.1f} to {share.interval.high:.1f}) of {share.num}"
        )

    return measure


def _answers(
    answerer: LocalChatModel, conversations: Mapping[str, Conversation], sampling: Sampling
) -> Iterator[tuple[str, str]]:
    keys = list(conversations)
    for answer in answerer.answer_all(list(conversations.values()), sampling):
        yield keys[answer.index], answer.text


def _num_parameters(model: Llava, part: str) -> int:
    module = {"vision": model.vision_tower, "connector": model.connector, "language": model.language_model}[part]
    return sum(parameter.numel() for parameter in module.parameters())
