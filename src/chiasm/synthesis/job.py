"""A job: a folder in which every request and reply is kept, and the file of accepted records it makes.

    FILE                  accepted records, LLaVA's JSON
    FILE.job/
      journal.jsonl       every request sent and every reply, appended as they come (`chiasm.dispatch.Journal`)
      contexts.jsonl      what is known of each picture
      rejected.jsonl      what was not accepted, with reasons
      unanswered.jsonl    what has no reply yet
      job.json, bill.json what was ordered; what it came to

Kill it anywhere and run it again: the journal knows what was answered. Checks run anew every time over all replies in
the order of the output, so the same replies give the same files, whatever order they came in.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chiasm.chat import Answer
from chiasm.dispatch import Account, Bill, Journal, Outcome, Request
from chiasm.errors import UserError
from chiasm.synthesis.asking import Asking
from chiasm.synthesis.checks import Examined, Examiner
from chiasm.synthesis.kinds import WrongFormat
from chiasm.synthesis.plan import Item, Plan
from chiasm.synthesis.sample import Context, Rejection, Sample
from chiasm.synthesis.writing import RecordWriter, read_contexts, write_contexts, write_json
from chiasm.version import __version__

_HELD = 2_000  # replies that wait for an earlier one in memory; of more, the journal is read again
_UNANSWERED, _ACCEPTED, _REJECTED = range(3)


@dataclass(slots=True)
class State:
    """How far a job is. `num_items` = `num_accepted` + `rejected` + `unanswered` when it has ended."""

    num_contexts: int
    num_items: int
    account: Account
    num_replied: int = 0
    num_known: int = 0
    num_accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)

    @property
    def num_done(self) -> int:
        """Samples whose fate is known."""
        return self.num_accepted + self.rejected.total() + self.unanswered.total()

    def as_dict(self) -> dict[str, Any]:
        """For `--json` and bill.json."""
        return {
            "contexts": self.num_contexts,
            "samples": self.num_items,
            "accepted": self.num_accepted,
            "rejected": dict(self.rejected.most_common()),
            "unanswered": dict(self.unanswered.most_common()),
            "repairs": dict(self.repairs.most_common()),
            "bill": bill_as_dict(self.account.bill()),
        }


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of each item, in order: its state, its score, and why it was rejected."""

    states: bytearray = field(default_factory=bytearray)
    scores: array[float] = field(default_factory=lambda: array("f"))
    rejections: dict[int, tuple[Rejection, ...]] = field(default_factory=dict)


class Job:
    """The job that makes `out`; its folder is `out` with `.job` behind. Contexts are written there first.

    `durable`: every line of the journal is on the disk before the next request; without, a power cut may cost the last
    replies, a killed program none. Raises `UserError` when another process is at work in the folder.
    """

    def __init__(self, out: Path, plan: Plan, contexts: Iterable[Context], *, durable: bool = True) -> None:
        self.out, self.plan = out, plan
        self.folder = out.with_name(f"{out.name}.job")
        if out.is_dir():
            raise UserError(f"{out} is a folder. --out names the file of records to write, such as {out}/data.json")
        if out.exists() and not self.folder.exists():
            raise UserError(
                f"{out} is there and no job made it ({self.folder} is not there). Name another file with --out"
            )
        self.journal = Journal(self.folder, durable=durable)
        try:
            self._contexts = self.folder / "contexts.jsonl"
            self.num_contexts = write_contexts(self._contexts, contexts)
        except BaseException:
            self.journal.close()
            raise
        self.verdicts = Verdicts()

    def new_state(self, account: Account) -> State:
        """A job that has not begun."""
        return State(self.num_contexts, self.num_contexts * self.plan.num_each, account)

    def items(self) -> Iterator[Item]:
        """All samples to be made, in order."""
        return self.plan.items(read_contexts(self._contexts))

    def run(
        self, asking: Asking, examiner: Examiner, state: State, tell: Callable[[State], None] = lambda _: None
    ) -> None:
        """Ask for what has no reply yet, examine everything, write the files.

        `state` is brought up to date all along; `tell` is called whenever something happened. What stops the job early
        (`UserError`: the budget, a permanent failure, files that wait for results) is raised after the files were
        written from all that is known; Ctrl-C leaves older files as they are.
        """
        self.verdicts = Verdicts()
        order = {"version": __version__, **_described(self.plan), "contexts": self.num_contexts}
        write_json(self.folder / "job.json", order)
        stop: UserError | None = None
        with (
            RecordWriter(self.out) as accepted,
            RecordWriter(self.folder / "rejected.jsonl") as rejected,
            RecordWriter(self.folder / "unanswered.jsonl") as unanswered,
        ):
            desk = _Desk(self, examiner, state, accepted, rejected, unanswered)
            try:
                with closing(_closable(asking(desk.requests(), self.journal, state.account))) as outcomes:
                    for outcome in outcomes:
                        desk.ended(outcome)
                        tell(state)
            except UserError as error:
                stop = error
            for _ in desk.finish():
                tell(state)
            write_json(self.folder / "bill.json", state.as_dict())
            if state.num_accepted or not self.out.exists():
                accepted.finish()
            rejected.finish()
            unanswered.finish()
        if stop is not None:
            raise stop

    def examined(self, *, accepted: bool) -> Iterator[tuple[Sample, Examined]]:
        """The samples that were accepted, or those rejected, in order; to be called after `run`."""
        wanted = _ACCEPTED if accepted else _REJECTED
        for number, item in enumerate(self.items()):
            if self.verdicts.states[number] != wanted or (answer := self.journal.answer(item.key)) is None:
                continue
            try:
                sample, _ = self.plan.sample(item, answer)
            except WrongFormat:
                sample = self.plan.unread(item, answer)
            scores = {"known_objects": float(self.verdicts.scores[number])} if accepted else {}
            yield sample, Examined(self.verdicts.rejections.get(number, ()), scores)

    def close(self) -> None:
        """Let other processes in."""
        self.journal.close()

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Desk:
    """Hands out requests in order and sees to replies in the same order, however they come."""

    def __init__(
        self,
        job: Job,
        examiner: Examiner,
        state: State,
        accepted: RecordWriter,
        rejected: RecordWriter,
        unanswered: RecordWriter,
    ) -> None:
        self._job, self._examiner, self._state = job, examiner, state
        self._accepted, self._rejected, self._unanswered = accepted, rejected, unanswered
        self._items = job.items()
        self._handed_out: deque[Item] = deque()  # and not seen to yet
        self._ended: dict[str, Outcome | None] = {}  # None: its answer is in the journal

    def requests(self) -> Iterator[Request]:
        """The request of every item whose picture is wanted; read as far ahead as there is room to ask."""
        for item in self._items:
            self._handed_out.append(item)
            unwanted = self._examiner.unwanted(item.context)
            if unwanted is None:
                yield self._job.plan.request(item)
            else:  # not asked, so not paid for
                self._ended[item.key] = Outcome(item.key, None, unwanted.reason, unwanted.message, 0)

    def ended(self, outcome: Outcome) -> None:
        """Take note of a reply, and see to all that is complete up to here."""
        self._state.num_replied += outcome.answer is not None
        self._state.num_known += outcome.num_attempts == 0
        in_journal = outcome.answer is not None and len(self._ended) >= _HELD
        self._ended[outcome.key] = None if in_journal else outcome
        while self._handed_out and self._handed_out[0].key in self._ended:
            item = self._handed_out.popleft()
            self._settle(item, self._ended.pop(item.key) or self._known(item))

    def finish(self) -> Iterator[None]:
        """See to everything that is left, with what the journal knows; yields after each."""
        while self._handed_out:
            item = self._handed_out.popleft()
            self._settle(item, self._ended.pop(item.key, None) or self._known(item))
            yield
        for item in self._items:
            self._settle(item, self._known(item))
            yield

    def _known(self, item: Item) -> Outcome:
        """What the journal says of an item."""
        answer = self._job.journal.answer(item.key)
        if answer is not None:
            return Outcome(item.key, answer, "answered", "", 0)
        reason, message = self._job.journal.refusal(item.key) or ("not asked", "")
        return Outcome(item.key, None, reason, message, 0)

    def _settle(self, item: Item, outcome: Outcome) -> None:
        verdicts, state = self._job.verdicts, self._state
        number = len(verdicts.states)
        asked_for = self._examiner.unwanted(item.context) is None
        if asked_for and outcome.answer is None and self._job.journal.refusal(item.key) is None:
            state.unanswered[outcome.reason] += 1
            verdicts.states.append(_UNANSWERED)
            verdicts.scores.append(0.0)
            line = {"id": item.id, "key": item.key, "reason": outcome.reason, "message": outcome.message}
            self._unanswered.write(line)
            return
        rejections, score = self._examined(item, outcome)
        verdicts.scores.append(score)
        verdicts.states.append(_REJECTED if rejections else _ACCEPTED)
        if not rejections:
            state.num_accepted += 1
            return
        verdicts.rejections[number] = rejections
        state.rejected[rejections[0].reason] += 1
        self._rejected.write(
            {"id": item.id, "image": item.context.image, "kind": item.kind, "language": item.language, "key": item.key}
            | {"rejections": [asdict(rejection) for rejection in rejections]}
            | {"reply": outcome.answer.text if outcome.answer is not None else None}
        )

    def _examined(self, item: Item, outcome: Outcome) -> tuple[tuple[Rejection, ...], float]:
        """Why a reply is not accepted, and its score; an accepted one is written."""
        if (unwanted := self._examiner.unwanted(item.context)) is not None:
            return (unwanted,), 0.0
        if outcome.answer is None:
            return (Rejection(outcome.reason, outcome.message),), 0.0
        try:
            sample, repairs = self._job.plan.sample(item, outcome.answer)
        except WrongFormat as error:
            return self._unread(item, outcome.answer, error), 0.0
        found = self._examiner.examine(sample)
        if found.accepted:
            self._state.repairs.update(repairs)
            self._accepted.write(self._job.plan.record(item, sample, repairs))
        return found.rejections, found.scores.get("known_objects", 1.0)

    def _unread(self, item: Item, answer: Answer, error: WrongFormat) -> tuple[Rejection, ...]:
        """Why a reply has not the right form: a refusal or a cut is more to the point than that it has none."""
        found = self._examiner.examine(self._job.plan.unread(item, answer)).rejections
        telling = ("refusal",) if answer.finish_reason == "stop" else ("refusal", "cut_off")
        told = [rejection for reason in telling for rejection in found if rejection.reason == reason]
        return (*told, Rejection(error.reason, str(error)))


def bill_as_dict(bill: Bill) -> dict[str, Any]:
    """A bill as numbers with names."""
    tally = bill.tally
    return {
        "requests": tally.num_sent,
        "answered": tally.num_replied,
        "failed": tally.num_failed,
        "perhaps_billed": tally.num_lost,
        "odd_usage": tally.num_odd,
        "tokens_in": tally.used.num_prompt,
        "tokens_cached": tally.used.num_cached,
        "tokens_out": tally.used.num_answer,
        "spent": bill.spent,
        "perhaps": bill.perhaps,
        "total": bill.total,
        "budget": bill.budget,
    }


def _described(plan: Plan) -> dict[str, Any]:
    prompts = {f"{kind}/{language}": plan.digest(kind, language) for kind in plan.kinds for language in plan.languages}
    return {
        "kinds": list(plan.kinds),
        "languages": list(plan.languages),
        "teacher": plan.teacher,
        "source": plan.source,
        "temperature": plan.temperature,
        "seed": plan.seed,
        "prompts": prompts,
    }


def _closable(outcomes: Iterator[Outcome]) -> Any:
    """The iterator as one that can be closed; a plain one needs no closing."""
    return outcomes if hasattr(outcomes, "close") else (outcome for outcome in outcomes)
