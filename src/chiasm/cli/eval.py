"""`chiasm eval`: a model answers benchmarks; what it answered is kept, scored and reported."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from chiasm.chat import ChatModel, Ranker
from chiasm.cli.benchmarks import check_other, known_rule, known_task, note, print_entry, print_json, read_other
from chiasm.cli.judges import Judge
from chiasm.cli.known_values import DeviceOption, DtypeOption, TemplateOption
from chiasm.cli.progress import bar
from chiasm.errors import UserError
from chiasm.evals.asked import Asked
from chiasm.evals.journal import alone
from chiasm.evals.run import Run, Shard, answer, check_keys, check_pictures, data_digest, rank, unanswered, used
from chiasm.evals.score import Scored
from chiasm.evals.task import Question, Rule, Task

_OUT = Path("runs/eval")


def eval(  # noqa: PLR0913, PLR0917 - one argument an option
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Benchmarks: see `chiasm list tasks`.")],
    data: Annotated[Path, typer.Option(help="The folder of the benchmarks' files, or of LLaVA's bundle.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A checkpoint folder, hub name or openai:NAME. [default: the assistant that comes with chiasm]",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the run. [default: runs/eval/<model>]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only the first so many questions of each.")] = None,
    use_rank: Annotated[
        bool, typer.Option("--rank", help="Also take the likeliest option of multiple-choice questions.")
    ] = False,
    judge: Annotated[
        str | None, typer.Option(metavar="BACKEND:MODEL", help="Who judges what no rule can, such as openai:NAME.")
    ] = None,
    rule: Annotated[str, typer.Option(help="How answers are read: published or strict.")] = "published",
    against: Annotated[Path | None, typer.Option(help="Compare question by question with this run.")] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Ask the I-th of N parts, from 0. [default: torchrun's]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a benchmark.")] = False,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The longest answer. [default: as published, a benchmark each]")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Where the server of openai:NAME is.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="Where the server of the judge is.")] = None,
    price_in: Annotated[float | None, typer.Option(help="The judge's price for a million tokens of prompt.")] = None,
    price_out: Annotated[float | None, typer.Option(help="The judge's price for a million tokens of reply.")] = None,
    template: TemplateOption = None,
    dtype: DtypeOption = None,
    device: DeviceOption = None,
) -> None:
    """Let a model answer benchmarks, and score it. Killed, the same command goes on where it was.

    \b
    Examples:
      chiasm eval pope mme -m llava-v1.5-7b --data playground/data/eval
      torchrun --nproc-per-node 8 -m chiasm eval vqav2 -m llava-v1.5-7b --data playground/data/eval
    """
    found = {name: known_task(name) for name in tasks}
    by_rule = known_rule(rule, found)
    judged_by = Judge.of(judge, judge_url, price_in, price_out)
    part = _shard(shard)
    name = _name(model)
    folder = out or _OUT / _slug(name)
    runs = _enter(found, data, folder, limit, _identity(name, base_url, template), max_tokens, dtype)
    if against is not None:
        for asked, _, _ in runs:
            check_other(asked, against)  # before hours of asking

    def opened() -> ChatModel:
        from chiasm.backends import open_model

        own = device or _own_device(name)
        return open_model(model, base_url=base_url, template=template, dtype=dtype, device=own)

    _answer_all(runs, opened, part, use_rank)
    finish = _Finish(name, folder, part, by_rule, against, judged_by, use_rank, as_json)
    scored = [finish.task(asked, below) for asked, run, below in runs]
    if any(scored):
        page = finish.report([asked.name for asked, _, _ in runs])
        if not as_json:
            print(f"report: {page}")


Runs = Sequence[tuple[Asked, Run, Path]]


def _enter(
    found: dict[str, Task],
    data: Path,
    folder: Path,
    limit: int | None,
    identity: tuple[str, str],
    max_tokens: int | None,
    dtype: str | None,
) -> Runs:
    """Everything that can be wrong with data, pictures and folders, found before any model is read."""
    runs = []
    for name, task in found.items():
        asked = Asked.of(name, task, data, limit)
        check_keys(name, task, asked.questions)
        check_pictures(name, asked.wanted)
        numbers = len(asked.questions), len(asked.wanted)
        run = Run(name, *identity, data_digest(asked.questions), *numbers, max_tokens or task.max_tokens, dtype)
        run.enter(folder / name)
        runs.append((asked, run, folder / name))
    return runs


def _answer_all(runs: Runs, opened: Callable[[], ChatModel], part: Shard, use_rank: bool) -> None:
    """Ask what this process has to ask; the model is opened only when there is something."""
    model: ChatModel | None = None
    for asked, run, folder in runs:
        mine = part.of(asked.wanted)
        missing = unanswered(folder, asked.task, mine)
        options = [question for question in mine if question.options] if use_rank else []
        if use_rank and not options:
            note(f"{asked.name} has no options to rank")
        unranked = unanswered(folder, asked.task, options, "ranking")
        if not missing and not unranked:
            continue
        model = model or opened()
        if unranked and not isinstance(model, Ranker):
            raise UserError(f"{run.model} cannot say how likely an answer is: leave out --rank")
        shown = bar if part.index == 0 else _no_bar
        if missing:
            with shown(asked.name, len(missing)) as advance:
                answer(asked.task, asked.wanted, model, folder, run, shard=part, advance=advance, note=note)
        if unranked and isinstance(model, Ranker):
            with shown(f"{asked.name}, ranking", len(unranked)) as advance:
                rank(asked.task, asked.wanted, model, folder, shard=part, advance=advance)


def _no_bar(title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """One bar is enough for all processes of a terminal."""
    return nullcontext(lambda _: None)


@dataclass(frozen=True, slots=True)
class _Finish:
    """What becomes of a task when all its questions are answered, by whichever process."""

    model: str
    folder: Path
    part: Shard
    rule: Rule
    against: Path | None
    judge: Judge | None
    use_rank: bool
    as_json: bool

    def task(self, asked: Asked, folder: Path) -> bool:
        """Score a task and keep its numbers; False where another process will, or where a judge is needed."""
        if left := self._left(asked, folder, asked.wanted):
            how_many = f"{asked.name}: {len(left):,} of {len(asked.wanted):,} questions"
            if self._left(asked, folder, self.part.of(asked.wanted)):
                raise UserError(f"{how_many} got no answer; the others are kept. Run the same command again")
            note(f"{how_many} are with other processes; the last one scores")
            return False
        with alone(folder / ".scoring") as first:
            if first and not (self.part.count > 1 and _is_scored(folder)):
                return self._scored(asked, folder)
        return False

    def _left(self, asked: Asked, folder: Path, questions: Sequence[Question]) -> list[Question]:
        """Those of `questions` that are not answered yet, or not ranked where they shall be."""
        left = unanswered(folder, asked.task, questions)
        options = [question for question in questions if question.options] if self.use_rank else []
        return left or unanswered(folder, asked.task, options, "ranking")

    def _scored(self, asked: Asked, folder: Path) -> bool:
        from chiasm.evals import outcome
        from chiasm.evals.report import save_task
        from chiasm.evals.report.gallery import gallery_of

        read = asked.answers(folder)
        sent = outcome.submission(asked, read.texts, folder / "submission")
        scored, said = self._judged(asked, read.texts, folder)
        if scored is None:
            note(f"{asked.name}: answered, not scored: name a judge with --judge BACKEND:MODEL")
            return False
        if self.as_json:
            print_json(scored)
        entry = outcome.entry_for(asked, scored, self.model, read.texts if asked.task.judging is None else None)
        likeliest = outcome.by_likelihood(asked, folder, self.rule)
        other = read_other(asked, self.against, scored) if self.against is not None else None
        entry = entry.model_copy(
            update={
                "notes": [*read.notes, *said],
                "others": [*entry.others, *([likeliest] if likeliest else [])],
                "spent": outcome.spent_of(used(folder)),
                "judge": self.judge.name if self.judge and asked.task.judging else "",
                "submission": str(sent) if sent else "",
                "against": outcome.against(asked, scored, other, str(self.against)) if other else None,
            }
        )
        save_task(folder, entry, gallery_of(scored, other))
        if not self.as_json:
            print_entry(entry)
        return True

    def _judged(self, asked: Asked, texts: dict[str, str], folder: Path) -> tuple[Scored | None, list[str]]:
        """The scores, None without a judge where one is needed; and what a person should know of the judging."""
        from chiasm.evals.outcome import REVIEWS

        if asked.task.judging is None:
            return asked.score(texts, self.rule), []
        if self.judge is None:
            return None, []
        return self.judge.review(asked, texts, folder / REVIEWS)

    def report(self, tasks: Sequence[str]) -> Path:
        """Write the report over all tasks of the run."""
        from chiasm.evals.report import write_report

        with alone(self.folder / ".report", wait=True):
            return write_report(self.folder, tasks)


def _is_scored(folder: Path) -> bool:
    """Whether another process has scored all that was answered."""
    scores = folder / "scores.json"
    written = [*folder.glob("answers*.jsonl"), *folder.glob("ranking*.jsonl")]
    return scores.is_file() and all(path.stat().st_mtime_ns <= scores.stat().st_mtime_ns for path in written)


def _name(model: str | None) -> str:
    from chiasm import bundled

    return bundled.NAME if model is None else model


def _slug(name: str) -> str:
    """A folder's name for a model: the last two parts of a path, the whole of any other name."""
    parts = [part for part in re.split(r"[/\\]", name) if part.strip(".")]
    return re.sub(r"[^\w.-]+", "-", "-".join(parts[-2:])) or "model"


def _identity(name: str, base_url: str | None, template: str | None) -> tuple[str, str]:
    """The model's name, and what tells another state of it: its files, where it is asked, how the prompt is written."""
    folder = Path(name)
    digest = hashlib.sha256()
    manifest = folder / "manifest.json"  # names the digest of every file of a folder of ours
    if manifest.is_file():
        digest.update(manifest.read_bytes())
    elif folder.is_dir():
        for path in sorted(folder.glob("*")):
            if path.is_file():
                status = path.stat()
                digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    files = digest.hexdigest()[:16] if folder.is_dir() else ""
    return name, " ".join(part for part in (files, base_url, template) if part)


def _shard(written: str | None) -> Shard:
    """This process's part: as written, as torchrun says, or everything."""
    if written is None:
        return Shard(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    match = re.fullmatch(r"(\d+)/(\d+)", written)
    try:
        if match is None:
            raise ValueError("expected I/N, such as 0/4")
        return Shard(int(match[1]), int(match[2]))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shard") from None


def _own_device(name: str) -> str | None:
    """The GPU torchrun gives this process."""
    from chiasm.backends import REMOTE

    if "LOCAL_RANK" not in os.environ or name.partition(":")[0] in REMOTE:
        return None
    import torch

    return f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else None
