"""`chiasm score`: the score of an answers file. No model, no torch; a whole set takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chiasm.cli.benchmarks import known_rule, known_task, note, print_entry, print_json, read_other
from chiasm.cli.judges import Judge, put_together, score_by_judge
from chiasm.evals.asked import Asked


def score(  # noqa: PLR0913, PLR0917 - one argument an option
    task: Annotated[str, typer.Argument(help="A benchmark: see `chiasm list tasks`.")],
    answers: Annotated[Path, typer.Argument(help="LLaVA's JSON lines, a benchmark's own form, reviews, or a run.")],
    data: Annotated[Path, typer.Option(help="The folder of the benchmark's files, or of LLaVA's bundle.")],
    rule: Annotated[str, typer.Option(help="How answers are read: published or strict.")] = "published",
    limit: Annotated[int | None, typer.Option(min=1, help="Score only the first so many questions.")] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="BACKEND:MODEL", help="Who judges what no rule can, or between two answers.")
    ] = None,
    complement: Annotated[
        Path | None, typer.Option(help="A text-only model's answers: they count, these where they say nothing.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare question by question with these answers, or this run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a report with a gallery into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    judge_url: Annotated[str | None, typer.Option(help="Where the server of the judge is.")] = None,
    price_in: Annotated[float | None, typer.Option(help="The judge's price for a million tokens of prompt.")] = None,
    price_out: Annotated[float | None, typer.Option(help="The judge's price for a million tokens of reply.")] = None,
) -> None:
    """Score answers to a benchmark again; no model is needed.

    \b
    Examples:
      chiasm score pope answers.jsonl --data playground/data/eval
      chiasm score mme runs/eval/llava-v1.5-7b --data MME --rule strict --json
      chiasm score scienceqa llava.jsonl --complement gpt4.jsonl --data playground/data/eval
    """
    found = known_task(task)
    by_rule = known_rule(rule, {task: found})
    asked = Asked.of(task, found, data, limit)
    judged_by = Judge.of(judge, judge_url, price_in, price_out)
    if found.judging is not None:
        if complement is not None:
            raise typer.BadParameter(f"{task} is scored by a judge alone", param_hint="--complement")
        scored, texts, notes = score_by_judge(asked, answers, judged_by, out)
    elif complement is not None:
        both = put_together(asked, answers, complement, by_rule, judged_by, out)
        scored, texts, notes = asked.score(both.texts, by_rule), both.texts, [both.note]
    elif judged_by is not None:
        raise typer.BadParameter(f"{task} is scored by a rule and needs no judge", param_hint="--judge")
    else:
        read = asked.answers(answers)
        scored, texts, notes = asked.score(read.texts, by_rule), read.texts, list(read.notes)
    if not scored.metrics and found.submit is not None and found.judging is None and out is None:
        notes = [*notes, "only the benchmark's server knows the truth: --out FOLDER writes the file it takes"]
    if as_json:
        for message in notes:
            note(message)
        print_json(scored)
        if out is None:
            return

    from chiasm.evals import outcome

    other = read_other(asked, against, scored) if against is not None else None
    entry = outcome.entry_for(asked, scored, str(answers), texts).model_copy(update={"notes": notes})
    if other is not None and against is not None:
        entry = entry.model_copy(update={"against": outcome.against(asked, scored, other, str(against))})
    if out is not None:
        from chiasm.evals.report import save_task, write_report
        from chiasm.evals.report.gallery import gallery_of

        sent = outcome.submission(asked, texts, out / task / "submission") if texts else None
        entry = entry.model_copy(update={"submission": str(sent) if sent else ""})
        save_task(out / task, entry, gallery_of(scored, other))
        page = write_report(out, [task])
    if not as_json:
        print_entry(entry)
        if out is not None:
            print(f"report: {page}")
