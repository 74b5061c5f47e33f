"""`chiasm synth`: a teacher reads captions and boxes and writes instruction data; the checks keep what is sound."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chiasm.synthesis.asking import Asking
    from chiasm.synthesis.job import Job, State
    from chiasm.synthesis.sample import Language
    from chiasm.synthesis.sources import Source

_WINDOW = 256  # requests after another to a teacher on this machine; ours
_BATCH = 50_000  # requests a file for the provider's Batch API


def synth(  # noqa: PLR0913, PLR0917 - one argument an option
    kinds: Annotated[list[str], typer.Argument(metavar="KIND...", help="conversation, detail, reasoning.")],
    out: Annotated[Path, typer.Option(help="The file of accepted records, LLaVA's JSON; its job is in FILE.job.")],
    captions: Annotated[
        Path | None, typer.Option(help="COCO captions, JSON lines of captions and boxes, or a folder of .txt.")
    ] = None,
    instances: Annotated[
        Path | None, typer.Option(help="COCO instances: the boxes that go with COCO captions.")
    ] = None,
    contexts: Annotated[Path | None, typer.Option(help="The same as --captions, for JSON lines.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="The folder of pictures, for the report; need not be there.")
    ] = None,
    teacher: Annotated[
        str, typer.Option(metavar="BACKEND:MODEL", help="rulebook, openai:NAME, batchfile:NAME, or a model's folder.")
    ] = "rulebook",
    base_url: Annotated[str | None, typer.Option(help="Where the server of openai:NAME is.")] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="A file with the key. [default: OPENAI_API_KEY]")] = None,
    api_key: Annotated[str | None, typer.Option(hidden=True)] = None,
    language: Annotated[str, typer.Option(help="en, zh or both.")] = "en",
    num: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    image_format: Annotated[
        str | None, typer.Option(help="File names from image ids, such as 'coco/train2017/{:012d}.jpg'.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="The most money to spend, all runs of this job together.")
    ] = None,
    price_in: Annotated[float | None, typer.Option(help="Money a million tokens of prompt.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Money a million tokens of answer.")] = None,
    price_cached: Annotated[
        float | None, typer.Option(help="Money a million cached tokens. [default: as others]")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="The most requests to send, all runs together.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="The most requests at once.")] = 8,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="The teacher's; 0: always the likeliest.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Draws questions for details and where the picture stands.")] = 0,
    exclude_benchmark: Annotated[
        list[Path] | None,
        typer.Option(help="A benchmark's question file whose pictures are left out; repeatable. [default: none]"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="An HTML page on what was accepted and rejected, and why.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts and the bill as one JSON object.")] = False,
) -> None:
    """Let a teacher write instruction data about pictures from their captions and boxes.

    Every reply is kept: killed, the same command goes on where it was and asks nothing twice. Without --teacher the
    rulebook writes, offline and for nothing.

    \b
    Examples:
      chiasm synth conversation --captions captions.json --out talk.json
      chiasm synth conversation detail reasoning --captions captions_train2017.json
        --instances instances_train2017.json --teacher openai:gpt-4o-mini
        --budget 20 --price-in 0.15 --price-out 0.60 --out instruct.json --report instruct.html
    """
    from chiasm.errors import UserError

    _refuse_key(api_key, api_key_file)
    source = _source(
        captions or contexts, instances, image_format, num, both=captions is not None and contexts is not None
    )
    if images is not None and not images.is_dir():
        raise UserError(f"the folder of pictures {images} does not exist. It may be empty, or leave --images away")
    _refuse_places(out, report, (captions, contexts, instances, api_key_file, *(exclude_benchmark or ())))

    from chiasm.cli.synth_progress import SynthesisReporter, summary
    from chiasm.dispatch import Account, Prices, Waiting
    from chiasm.synthesis.checks import BenchmarkPictures, Examiner
    from chiasm.synthesis.job import Job
    from chiasm.synthesis.plan import Plan

    if (price_in is None) != (price_out is None):
        raise typer.BadParameter("--price-in and --price-out go together: a reply uses tokens of both")
    free = teacher == "rulebook" or _is_folder(teacher)
    prices = Prices(price_in, price_out, price_cached) if price_in is not None and price_out is not None else None
    account = Account(budget, Prices(0, 0) if prices is None and free else prices, max_requests)
    name, asking = _asking(teacher, out, base_url, api_key_file, workers)
    plan = Plan.of(kinds, _languages(language), name, source.captions.name, temperature=temperature, seed=seed)
    benchmarks = BenchmarkPictures.read(exclude_benchmark) if exclude_benchmark else None
    reporter = SynthesisReporter()
    with Job(out, plan, source.read(), durable=not free) as job:
        for note in (*source.tally.lines(), *job.journal.notes):
            reporter.note(note)
        if not job.num_contexts:
            raise UserError(f"{source.captions} holds no picture with captions: nothing to ask about")
        state = job.new_state(account)
        reporter.begin(state.num_items)
        stop: UserError | None = None
        try:
            job.run(asking, Examiner(benchmark_pictures=benchmarks), state, reporter.tell)
        except UserError as error:
            stop = error
        except KeyboardInterrupt:
            reporter.close()
            print(f"stopped; every reply is kept in {job.folder}. Run the same command again to go on", file=sys.stderr)
            raise
        finally:
            reporter.close()
        print(json.dumps({**state.as_dict(), "out": str(out)}, ensure_ascii=False) if as_json else summary(state))
        if report is not None:
            _report(report, job, state, images)
    if isinstance(stop, Waiting):
        print(f"waiting: {stop}", file=sys.stderr)
        raise SystemExit(1)
    if stop is not None:
        raise stop
    _complain(state, job)


def _refuse_key(api_key: str | None, api_key_file: Path | None) -> None:
    """A key on a command line is seen by every user of the machine, and kept by the shell."""
    given = api_key is not None
    if api_key_file is not None and not api_key_file.exists():
        given = api_key_file.name.startswith("sk-") or (len(api_key_file.name) >= 32 and not api_key_file.suffix)
    if given:
        raise typer.BadParameter(
            "a key must not stand on the command line, where others on this machine can read it. Put it into "
            "OPENAI_API_KEY, or into a file named with --api-key-file",
            param_hint="--api-key" if api_key is not None else "--api-key-file",
        )


def _refuse_places(out: Path, report: Path | None, read: Iterable[Path | None]) -> None:
    """Files that cannot be written, or must not be."""
    from chiasm.cli.overwriting import refuse_overwriting
    from chiasm.errors import UserError

    if out.is_dir():
        raise UserError(f"{out} is a folder. --out names the file of records to write, such as {out / 'data.json'}")
    if report is not None and report.is_dir():
        raise UserError(f"{report} is a folder. --report names the page to write, such as {report / 'report.html'}")
    refuse_overwriting({"--out": out, "--report": report}, read)


def _source(
    captions: Path | None, instances: Path | None, image_format: str | None, num: int | None, *, both: bool
) -> Source:
    from chiasm.synthesis.naming import Naming
    from chiasm.synthesis.sources import Source

    if captions is None or both:
        which = "both were given" if both else "none was given"
        raise typer.BadParameter(f"one of --captions and --contexts says what is known of the pictures; {which}")
    return Source(captions, instances, Naming(image_format), num=num)


def _languages(language: str) -> tuple[Language, ...]:
    from chiasm.synthesis.sample import Language

    known: tuple[Language, ...] = get_args(Language)
    if language != "both" and language not in known:
        raise typer.BadParameter(f"'{language}' is none of {', '.join(known)}, both", param_hint="--language")
    return tuple(one for one in known if language in ("both", one))


def _is_folder(teacher: str) -> bool:
    return Path(teacher).is_dir()


def _asking(
    teacher: str, out: Path, base_url: str | None, api_key_file: Path | None, workers: int
) -> tuple[str, Asking]:
    """What records call the teacher, and how it is asked."""
    from chiasm.backends import open_model
    from chiasm.backends.openai import OpenAIChatModel
    from chiasm.synthesis.asking import at_once, in_windows

    model = open_model(
        teacher, base_url=base_url, api_key_file=api_key_file, folder=out.with_name(f"{out.name}.job") / "batches"
    )
    if isinstance(model, OpenAIChatModel):
        return teacher, at_once(model.ask, workers)
    if teacher.startswith("batchfile:"):
        return teacher, in_windows(model, _BATCH)
    return getattr(model, "name", teacher), in_windows(model, _WINDOW)


def _report(path: Path, job: Job, state: State, images: Path | None) -> None:
    from chiasm.synthesis.job import bill_as_dict
    from chiasm.synthesis.report import write_report

    counts = {"pictures": state.num_contexts, "samples": state.num_items, "without a reply": state.unanswered.total()}
    write_report(
        path,
        title=f"{job.out.name}: {', '.join(job.plan.kinds)} by {job.plan.teacher}",
        accepted=job.examined(accepted=True),
        rejected=job.examined(accepted=False),
        counts=counts,
        bill={name.replace("_", " "): n for name, n in bill_as_dict(state.account.bill()).items() if n is not None},
        images=images,
    )
    print(f"report: {path}", file=sys.stderr)


def _complain(state: State, job: Job) -> None:
    from chiasm.errors import UserError

    if unanswered := state.unanswered.total():
        advice = "Run the same command again to ask for them alone"
        if job.plan.teacher.startswith("batchfile:"):  # their results are there, and are errors
            advice = f"Replies are kept: empty {job.folder / 'batches'} and run the same command again to ask for these"
        raise UserError(
            f"{unanswered} of {state.num_items} samples have no reply: {job.folder / 'unanswered.jsonl'} says why. "
            f"{advice}"
        )
    if not state.num_accepted:
        raise UserError(f"none of {state.num_items} samples was accepted: {job.folder / 'rejected.jsonl'} says why")
