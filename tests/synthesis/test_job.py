"""Plans and jobs with teachers that are scripts: order, states, going on, budgets, files that wait."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chiasm.backends.batchfile import BatchFileChatModel
from chiasm.backends.rulebook import RulebookTeacher
from chiasm.chat import Answer, Delta, Sampling, Usage, collect
from chiasm.conversation import Conversation
from chiasm.dispatch import Account, BudgetReached, Journal, JournalError, Outcome, Prices, Request, Waiting
from chiasm.errors import UserError
from chiasm.synthesis.asking import at_once, in_windows
from chiasm.synthesis.checks import Examiner
from chiasm.synthesis.job import Job, State
from chiasm.synthesis.plan import Plan
from chiasm.synthesis.sample import Turn
from chiasm.synthesis.sources import Source
from tests.synthesis.pictures import BEACH, written

KINDS = ("conversation", "detail", "reasoning")
GOOD = (
    "Question:\nWhat does the man ride?\n===\nAnswer:\nHe rides a horse.\n===\n"
    "Question:\nWhere?\n===\nAnswer:\nOn a beach.\n==="
)


def plan(*kinds: str, **more: Any) -> Plan:
    return Plan.of(kinds or KINDS, more.pop("languages", ("en",)), "openai:x", "captions.json", **more)


class Scripted:
    """A teacher that says `reply(conversation)` and counts how often it was asked."""

    def __init__(self, reply: Callable[[Conversation], str]) -> None:
        self.reply, self.num_asked = reply, 0

    def ask(self, conversation: Conversation, sampling: Sampling) -> Answer:
        self.num_asked += 1
        return Answer(self.reply(conversation), "stop", Usage(100, 0, 10))

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        answer = self.ask(conversation, sampling)
        yield Delta(answer.text, answer.finish_reason, answer.usage)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        for index, conversation in enumerate(conversations):
            yield collect(self.stream(conversation, sampling), index)


# ---- plans -----------------------------------------------------------------------------------------------------------


def test_items_come_by_context_kind_language() -> None:
    items = list(plan("detail", "conversation", languages=("en", "zh")).items([BEACH]))
    assert [item.id for item in items] == [
        f"000000000007-{kind}-{language}" for kind in ("detail", "conversation") for language in ("en", "zh")
    ]


def test_keys_tell_everything_apart_that_is_asked_for() -> None:
    base = plan(languages=("en", "zh"))
    others = [plan(temperature=0.5), plan(languages=("zh",), temperature=0.2), Plan.of(KINDS, ("en",), "openai:y", "c")]
    keys = [item.key for one in (base, *others) for item in one.items([BEACH])]
    assert len(set(keys)) == len(keys) == 6 + 3 * 3
    same = Plan.of(KINDS, ("en",), "openai:x", "elsewhere.json", seed=4)  # what is ours is not asked for
    assert {item.key for item in same.items([BEACH])} < {item.key for item in base.items([BEACH])}


def test_a_record_is_llavas_with_meta() -> None:
    one = plan("conversation")
    (item,) = one.items([BEACH])
    sample, repairs = one.sample(item, Answer(f"```\n{GOOD}\n```", "stop", Usage(1, 0, 1)))
    record = one.record(item, sample, repairs)
    assert record["meta"] == {
        "kind": "conversation",
        "language": "en",
        "source": "captions.json",
        "teacher": "openai:x",
        "prompt_digest": one.kinds["conversation"].digest("en"),
        "key": item.key,
        "repairs": ["code fence"],
    }
    read = Conversation.from_llava(record)
    assert read.id == "000000000007-conversation-en"
    assert [message.text.strip() for message in read.messages] == [
        "What does the man ride?", "He rides a horse.", "Where?", "On a beach.",
    ]  # fmt: skip
    assert [image.source for image in read.images] == ["000000000007.jpg"]


def test_the_picture_stands_first_or_last_by_the_seed() -> None:
    firsts = {}
    for seed in range(40):
        one = plan("detail", seed=seed)
        (item,) = one.items([BEACH])
        sample, _ = one.sample(item, Answer("A man.", "stop", Usage(1, 0, 1)))
        firsts[seed] = one.record(item, sample)["conversations"][0]["value"]
    before = sum(value.startswith("<image>\n") for value in firsts.values())
    assert before + sum(value.endswith("\n<image>") for value in firsts.values()) == 40
    assert 8 < before < 32
    assert len({value.replace("<image>", "").strip() for value in firsts.values()}) > 8  # and so is the question


# ---- jobs ------------------------------------------------------------------------------------------------------------


def run(
    out: Path, contexts: Path, model: Any, *kinds: str, account: Account | None = None, window: int = 8, **more: Any
) -> State:
    teacher = more.pop("teacher", "rulebook-1")
    order = Plan.of(kinds or KINDS, more.pop("languages", ("en",)), teacher, contexts.name, **more)
    with Job(out, order, Source(contexts).read(), durable=False) as job:
        state = job.new_state(account or Account())
        job.run(in_windows(model, window), Examiner(), state)
    return state


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_everything_ends_in_one_state_and_one_file(tmp_path: Path) -> None:
    def reply(conversation: Conversation) -> str:
        number = conversation.messages[-1].text.count("chair")
        return ("I'm sorry, but I can't help with that.", "No markers here.", GOOD.replace("horse", "cow"), GOOD)[
            number
        ]

    contexts, out = written(tmp_path / "c.jsonl", 12), tmp_path / "out.json"
    state = run(out, contexts, Scripted(reply), "reasoning")
    assert state.num_items == 12 == state.num_accepted + state.rejected.total()
    assert state.num_accepted == 0  # two pairs are no reasoning
    assert state.rejected == {"refusal": 3, "format": 3, "too many turns": 6}
    rejected = lines(tmp_path / "out.json.job" / "rejected.jsonl")
    assert rejected[0]["id"] == "000000000000-reasoning-en"
    assert [found["reason"] for found in rejected[0]["rejections"]] == ["refusal", "format"]
    assert rejected[0]["reply"].startswith("I'm sorry")
    assert json.loads(out.read_text()) == []


def test_the_same_command_asks_nothing_twice_and_writes_the_same(tmp_path: Path) -> None:
    contexts, out = written(tmp_path / "c.jsonl", 20), tmp_path / "out.json"
    model = Scripted(lambda conversation: RulebookTeacher().ask(conversation, Sampling(max_tokens=4000)).text)
    first = run(out, contexts, model)
    written_first = out.read_bytes()
    assert model.num_asked == 60
    assert first.num_accepted > 50
    again = run(out, contexts, model)
    assert model.num_asked == 60
    assert out.read_bytes() == written_first
    assert again.as_dict() == first.as_dict()
    more = run(out, written(tmp_path / "c.jsonl", 25), model)  # the file has grown
    assert model.num_asked == 75
    assert more.num_items == 75


def test_the_order_of_replies_changes_nothing(tmp_path: Path) -> None:
    contexts = written(tmp_path / "c.jsonl", 30)
    teacher = RulebookTeacher()

    def shuffled(seed: int) -> Any:
        def asking(requests: Iterable[Request], journal: Journal, account: Account) -> Iterator[Outcome]:
            waiting = list(requests)
            random.Random(seed).shuffle(waiting)
            for request in waiting:
                answer = teacher.ask(request.conversation, request.sampling)
                number = journal.sent(request, answer.usage)
                journal.replied(number, request.key, answer, answer.usage, odd=False)
                yield Outcome(request.key, answer, "answered", "", 1)

        return asking

    outcomes = set()
    for seed in range(3):
        out = tmp_path / f"{seed}.json"
        order = Plan.of(KINDS, ("en", "zh"), "rulebook-1", "c.jsonl")
        with Job(out, order, Source(contexts).read(), durable=False) as job:
            job.run(shuffled(seed), Examiner(), job.new_state(Account()))
        outcomes.add((out.read_bytes(), (job.folder / "rejected.jsonl").read_bytes()))
    assert len(outcomes) == 1


def test_samples_for_the_report_are_those_of_the_files(tmp_path: Path) -> None:
    contexts, out = written(tmp_path / "c.jsonl", 6), tmp_path / "out.json"
    order = Plan.of(("detail",), ("en",), "rulebook-1", "c.jsonl")
    model = Scripted(lambda c: "A cat." if "picture number 1 " in f"{c.messages[-1].text} " else "<image>")
    with Job(out, order, Source(contexts).read(), durable=False) as job:
        job.run(in_windows(model, 4), Examiner(), job.new_state(Account()))
        rejected = list(job.examined(accepted=False))
        accepted = list(job.examined(accepted=True))
    assert len(accepted) + len(rejected) == 6
    assert [record["id"] for record in json.loads(out.read_text())] == [
        f"{sample.context.id}-detail-en" for sample, _ in accepted
    ]
    assert rejected[0][0].turns == (Turn("", "<image>"),)
    assert rejected[0][1].rejections[-1].reason == "picture marker"


@pytest.mark.parametrize("metered", [True, False])
def test_the_budget_holds_and_what_was_answered_is_written(tmp_path: Path, metered: bool) -> None:
    contexts, out = written(tmp_path / "c.jsonl", 40), tmp_path / "out.json"
    order = Plan.of(("detail",), ("en",), "openai:x", "c.jsonl")
    model = Scripted(lambda c: RulebookTeacher().ask(c, Sampling(max_tokens=4000)).text)
    asking = at_once(model.ask, 32) if metered else in_windows(model, 4)
    # a reply of 110 tokens costs 0.00011; the worst case of a request (a token a byte, 1024 of reply) some 0.006
    account = Account(budget=0.008, prices=Prices(1.0, 1.0))
    with Job(out, order, Source(contexts).read()) as job:
        state = job.new_state(account)
        with pytest.raises(BudgetReached, match="--budget"):
            job.run(asking, Examiner(), state)
    bill = account.bill()
    assert bill.total is not None
    assert 0 < bill.total <= 0.008
    assert 1 < model.num_asked < 40 or not metered
    assert state.unanswered == {"not asked": 40 - model.num_asked}
    assert len(json.loads(out.read_text())) == state.num_accepted > 0
    assert len(lines(job.folder / "unanswered.jsonl")) == 40 - model.num_asked
    assert json.loads((job.folder / "bill.json").read_text())["bill"]["answered"] == model.num_asked


def test_nothing_accepted_leaves_an_older_file_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("[]  older")
    (tmp_path / "out.json.job").mkdir()  # whose it is
    state = run(out, written(tmp_path / "c.jsonl", 2), Scripted(lambda _: ""), "detail")
    assert state.num_accepted == 0
    assert out.read_text() == "[]  older"


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    contexts = Source(written(tmp_path / "c.jsonl", 1))
    with Job(tmp_path / "o.json", plan(), contexts.read()), pytest.raises(JournalError, match="another process"):
        Job(tmp_path / "o.json", plan(), contexts.read())


def test_batch_files_are_written_and_their_results_taken(tmp_path: Path) -> None:
    contexts, out = written(tmp_path / "c.jsonl", 5), tmp_path / "out.json"
    model = BatchFileChatModel(tmp_path / "batches", "gpt")
    with pytest.raises(Waiting, match="15 of 15 answers"):
        run(out, contexts, model, window=100, teacher="batchfile:gpt")
    requests = [line for path in sorted((tmp_path / "batches").glob("requests-*.jsonl")) for line in lines(path)]
    assert len(requests) == 15

    def result(request: dict[str, Any]) -> str:
        text = (
            RulebookTeacher().ask(Conversation.from_openai(request["body"]["messages"]), Sampling(max_tokens=4000)).text
        )
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body = {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
        return json.dumps({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}})

    results = tmp_path / "batches" / "results.jsonl"
    results.write_text("".join(f"{result(request)}\n" for request in requests[:9]))
    with pytest.raises(Waiting, match="6 of 15 answers"):
        run(out, contexts, model, window=100, teacher="batchfile:gpt", account=(account := Account()))
    assert account.bill().tally.num_replied == 9
    results.write_text("".join(f"{result(request)}\n" for request in requests))
    state = run(out, contexts, model, window=100, teacher="batchfile:gpt", account=(account := Account()))
    assert state.num_accepted == len(json.loads(out.read_text())) > 10
    assert account.bill().tally.used == Usage(15 * 7, 0, 15 * 5)
    assert len(list((tmp_path / "batches").glob("requests-*.jsonl"))) == 2  # a file a length of reply, none twice


def test_a_file_that_no_job_made_is_not_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("[]")
    with pytest.raises(UserError, match=r"mine\.json is there and no job made it .*--out"):
        Job(mine, plan(), [BEACH])
    assert mine.read_text() == "[]"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
