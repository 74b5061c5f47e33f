"""What `chiasm demo` does, from an empty folder to measured answers. Showing it is someone else's work.

Every part can be stopped and goes on where it was: the world, the run, and the accuracies measured between stages.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chiasm.backends.local import LocalChatModel
from chiasm.chat import Sampling
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.recipes import _small_world as tiny
from chiasm.scenes import dataset
from chiasm.training.config import Recipe
from chiasm.training.metrics import Reporter
from chiasm.training.run import run, stage_processor

# Moments at which accuracy is measured: the stage they follow, and how the table calls them.
MOMENTS = {"talk": "before stage 1", "align": "after stage 1 (align)", "instruct": "after stage 2 (instruct)"}
NUM_PICTURES = 100  # validation pictures asked about; about five questions each


@dataclass(slots=True)
class Asked:
    """One question about an unseen picture and what the model said at each moment."""

    image: str
    kind: str
    question: str
    truth: str
    answers: dict[str, str] = field(default_factory=dict)

    def right(self, moment: str) -> bool:
        """Whether the answer is the truth, but for case, white space and a full stop."""
        return self.answers[moment].strip().rstrip(".").lower() == self.truth.lower()


@dataclass(slots=True)
class Story:
    """All that was measured, kept in `demo.json` of the folder."""

    folder: Path
    asked: list[Asked]

    @property
    def kinds(self) -> list[str]:
        """Kinds of questions, in order of appearance."""
        return list(dict.fromkeys(asked.kind for asked in self.asked))

    def measured(self, moment: str) -> bool:
        """Whether every question was asked at `moment`."""
        return all(moment in asked.answers for asked in self.asked)

    def accuracy(self, moment: str, kind: str | None = None) -> float:
        """Percent right, of one kind of question or of all."""
        chosen = [asked for asked in self.asked if kind in (None, asked.kind)]
        return 100 * sum(asked.right(moment) for asked in chosen) / max(1, len(chosen))

    def guessing(self, kind: str | None = None) -> float:
        """Percent right when always saying the kind's most frequent answer: what sight is worth is above this."""
        truths: dict[str, Counter[str]] = defaultdict(Counter)
        for asked in self.asked:
            if kind in (None, asked.kind):
                truths[asked.kind][asked.truth] += 1
        right = sum(counter.most_common(1)[0][1] for counter in truths.values())
        return 100 * right / max(1, sum(counter.total() for counter in truths.values()))

    def save(self) -> None:
        """Write `demo.json`."""
        path = self.folder / "demo.json"
        temporary = path.with_name(".demo.json.writing")
        written = json.dumps([asdict(asked) for asked in self.asked], ensure_ascii=False, indent=0)
        temporary.write_text(written, encoding="utf-8")
        temporary.replace(path)


def tell(folder: Path, reporter: Reporter, *, changes: list[str], num_train: int, seed: int = 0) -> Story:
    """Do whatever of the demo is not done yet in `folder`, and return what was measured.

    `changes` are assignments to the recipe `tiny` as `--set` takes them. Raises `UserError`, or `Interrupted` when it
    was stopped by a signal.
    """
    recipe = tiny.recipe(str(folder / "world")).with_changes(changes)  # first: a typing error costs no time
    world = dataset.write(folder / "world", num_train=num_train, num_val=NUM_PICTURES, seed=seed)
    story = _begin(folder, world)
    measure = _measuring(story, recipe, world, reporter)
    resume = (folder / "run" / "run.json").is_file()
    run(recipe, folder / "run", resume=resume, reporter=reporter, after_stage=measure, final=folder / "final")
    return story


def _begin(folder: Path, world: dataset.WrittenWorld) -> Story:
    """The story so far, or all questions with no answer yet."""
    path = folder / "demo.json"
    if path.is_file():
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            asked = [Asked(**entry) for entry in read]
            if not asked:
                raise ValueError("no questions in it")
            return Story(folder, asked)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}): delete it, or begin anew with --fresh") from None
    questions = json.loads(world.questions_val.read_text(encoding="utf-8"))
    return Story(folder, [Asked(q["image"], q["kind"], q["question"], q["answer"]) for q in questions])


def _measuring(
    story: Story, recipe: Recipe, world: dataset.WrittenWorld, reporter: Reporter
) -> Callable[[str, Llava, Processor], None]:
    """Asks every question after the stages that `MOMENTS` names, always in the words of the last stage's template."""
    last = list(recipe.stages.values())[-1]

    def measure(stage: str, model: Llava, processor: Processor) -> None:
        if stage not in MOMENTS or story.measured(stage):
            return
        answerer = LocalChatModel(model, stage_processor(processor, last), batch_size=50)
        conversations = [Conversation((user(asked.question, [world.images / asked.image]),)) for asked in story.asked]
        for answer in answerer.answer_all(conversations, Sampling(max_tokens=8)):
            story.asked[answer.index].answers[stage] = answer.text
        story.save()
        reporter.note(f"accuracy {MOMENTS[stage]}: {story.accuracy(stage):.1f} %")

    return measure
