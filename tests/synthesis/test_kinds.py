"""Every kind of the folder: its prompts, its examples, its digest; and replies read, repaired or refused by rule."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.synthesis import kinds
from chiasm.synthesis.kinds import WrongFormat
from chiasm.synthesis.kinds._blocks import MAX_REPLY, pairs
from chiasm.synthesis.kinds._prose import description
from chiasm.synthesis.sample import Language, Turn
from tests.synthesis.pictures import BEACH

NAMES = kinds.REGISTRY.names()
LANGUAGES: tuple[Language, ...] = ("en", "zh")


def test_the_kinds_of_llava_are_there() -> None:
    assert NAMES == ["conversation", "detail", "reasoning"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_examples_are_of_the_form_that_is_asked_for(name: str, language: Language) -> None:
    kind = kinds.find(name)
    prompt = kind.prompts[language]
    assert prompt.system.endswith(f"\nTask: {name}; language: {language}")
    assert prompt.shots
    for shot in prompt.shots:
        parsed = kind.parse(shot.reply)
        assert parsed.repairs == ()
        assert all(turn.answer.strip() for turn in parsed.turns)
        for word in ("caption", "bounding box", "0."):
            assert word not in shot.reply


@pytest.mark.parametrize("name", NAMES)
def test_the_request_is_system_examples_context(name: str) -> None:
    kind = kinds.find(name)
    conversation = kind.asked(BEACH, "en", "name")
    conversation.check_turns()
    num_shots = len(kind.prompts["en"].shots)
    assert [m.role for m in conversation.messages] == ["system", *["user", "assistant"] * num_shots, "user"]
    context = conversation.messages[-1].text
    assert context.startswith("\n".join(BEACH.captions))
    assert ("horse: [0.300, 0.200, 0.800, 0.900]" in context) == (name != "conversation")
    assert conversation.id == "name"


def test_digests_tell_prompts_apart() -> None:
    digests = {kinds.find(name).digest(language) for name in NAMES for language in LANGUAGES}
    assert len(digests) == len(NAMES) * len(LANGUAGES)


def test_questions_for_descriptions() -> None:
    questions = kinds.find("detail").questions
    assert {language: len(set(asked)) for language, asked in questions.items()} == {"en": 16, "zh": 16}


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="did you mean 'detail'"):
        kinds.find("details")


A, B = Turn("How many dogs?", "Two."), Turn("Where?", "On a bed.")
EXACT = "Question:\nHow many dogs?\n===\nAnswer:\nTwo.\n===\nQuestion:\nWhere?\n===\nAnswer:\nOn a bed.\n==="
LLAVA = [{"from": "human", "value": "How many dogs?"}, {"from": "gpt", "value": "Two."}]


@pytest.mark.parametrize(
    ("reply", "turns", "repairs"),
    [
        (EXACT, (A, B), ()),
        (EXACT.removesuffix("\n==="), (A, B), ()),
        (EXACT.replace("\n", "\r\n"), (A, B), ()),
        ("问题：\n有几只狗？\n===\n回答：\n两只。\n===", (Turn("有几只狗？", "两只。"),), ()),
        ("Question: How many dogs?\n===\nAnswer: Two.", (A,), ()),
        ("Question:\nHow many dogs?\nAnswer:\nTwo.", (A,), ("missing separator",)),
        ("**Question 1:** How many dogs?\n===\n**Answer:** Two.", (A,), ("loose markers",)),
        ("### Question:\nHow many dogs?\n===\n### Answer:\nTwo.", (A,), ("loose markers",)),
        ("Q: How many dogs?\n===\nA: Two.", (A,), ("short markers",)),
        ("问：有几只狗？\n===\n答：两只。", (Turn("有几只狗？", "两只。"),), ("short markers",)),
        (f"Sure, here it is:\n\n{EXACT}", (A, B), ("one line outside left out",)),
        (f"```\n{EXACT}\n```", (A, B), ("code fence",)),
        ("Question:\nWhy?\n===\nAnswer:\nOne.\n\nTwo: three.\n===", (Turn("Why?", "One.\n\nTwo: three."),), ()),
        ('[{"question": "How many dogs?", "answer": "Two."}]', (A,), ("JSON",)),
        (
            '```json\n{"conversation": [{"Question": "How many dogs?", "Answer": "Two."}]}\n```',
            (A,),
            ("code fence", "JSON"),
        ),
        (json.dumps(LLAVA), (A,), ("JSON",)),
        (
            json.dumps([{"role": "user", "content": "How many dogs?"}, {"role": "assistant", "content": "Two."}]),
            (A,),
            ("JSON",),
        ),
        ("[{'question': 'How many dogs?', 'answer': 'Two.'}]", (A,), ("JSON", "single quotes")),
    ],
)
def test_replies_that_are_read(reply: str, turns: tuple[Turn, ...], repairs: tuple[str, ...]) -> None:
    parsed = pairs(reply, 1, 20)
    assert parsed.turns == turns
    assert parsed.repairs == repairs


@pytest.mark.parametrize(
    ("reply", "reason", "message"),
    [
        ("", "format", "no line begins"),
        ("There are two dogs.", "format", "no line begins"),
        ("Answer:\nTwo.\n===\nQuestion:\nHow many?\n===", "format", "begins with an answer"),
        ("Question:\nHow many?\n===", "format", "no answer"),
        ("Question:\nHow?\n===\nQuestion:\nWhy?\n===\nAnswer:\nSo.", "format", "two questions follow"),
        (f"First line.\nSecond line.\n{EXACT}", "format", "2 lines belong to no question"),
        (f"{'word ' * 60}\n{EXACT}", "format", "1 lines belong to no question"),
        (f"{EXACT}\nI hope\nthis helps.", "format", "belong to no question"),
        ("\n".join(f"Question:\n{i}?\n===\nAnswer:\n{i}.\n===" for i in range(500)), "too many turns", "500 pairs"),
        (f"{json.dumps(LLAVA)}\n{json.dumps(LLAVA)}", "format", "more follows"),
        ('[{"question": "How many?"', "format", "begins like JSON"),
        ('["How many?", "Two."]', "format", "JSON with str"),
        ('[{"question": "How many?", "answer": 2}]', "format", "as text"),
        ('{"a": 1}', "format", "JSON without"),
        ("[" * 5000, "format", "JSON"),
        ("Question:\n<image>\nWhat?\n===\nAnswer:\nA dog.", "picture marker", "<image>"),
        ("Question:\nWhat\0?\n===\nAnswer:\nA dog.", "bad text", "NUL"),
        ("Question:\nWhat\ud800?\n===\nAnswer:\nA dog.", "bad text", "not valid text"),
        ("Question:\nWhat?\n===\nAnswer:\n" + "A dog. " * 200_000, "too long", "1,400,0"),
    ],
)
def test_replies_that_are_refused(reply: str, reason: str, message: str) -> None:
    with pytest.raises(WrongFormat, match=message) as refused:
        pairs(reply, 1, 20)
    assert refused.value.reason == reason


def test_one_pair_is_no_conversation_and_two_are_no_reasoning() -> None:
    one = "Question:\nWhy?\n===\nAnswer:\nSo.\n==="
    with pytest.raises(WrongFormat, match="1 pairs"):
        kinds.find("conversation").parse(one)
    assert kinds.find("reasoning").parse(one).turns == (Turn("Why?", "So."),)
    with pytest.raises(WrongFormat, match="2 pairs of question and answer came, expected 1"):
        kinds.find("reasoning").parse(EXACT)


@pytest.mark.parametrize(
    ("reply", "answer", "repairs"),
    [
        (" A dog.\n\nIt sleeps. ", "A dog.\n\nIt sleeps.", ()),
        ("```\nA dog.\n```", "A dog.", ("code fence",)),
        ("**Description:** A dog.", "A dog.", ("label left out",)),
        ("Question: What?\n===\nAnswer: A dog.", "A dog.", ("question left out",)),
        ("The sign reads {open}.", "The sign reads {open}.", ()),
    ],
)
def test_descriptions(reply: str, answer: str, repairs: tuple[str, ...]) -> None:
    parsed = description(reply)
    assert parsed.turns == (Turn("", answer),)
    assert parsed.repairs == repairs


@pytest.mark.parametrize("reply", ['{"description": "A dog."}', EXACT, "a" * (MAX_REPLY + 1), "A dog <image>."])
def test_no_descriptions(reply: str) -> None:
    with pytest.raises(WrongFormat):
        description(reply)


def test_nothing_a_fuzzed_reply_holds_breaks_the_parser() -> None:
    pieces = ["Question:", "Answer:", "===", "\n", "Q:", "[{", "}]", "'", '"', "```", "回答：", "text", "{}", "\\"]
    for number in range(3000):
        reply = "".join(pieces[(number // 14**place) % 14] + "\n" * (place % 2) for place in range(5))
        for parse in (kinds.find("conversation").parse, description):
            with contextlib.suppress(WrongFormat):
                assert parse(reply).turns


def test_a_new_kind_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_kind.py").write_text("from chiasm.synthesis.kinds.detail import KIND\n")
    (tmp_path / "kinds_of_mine").mkdir()
    (tmp_path / "kinds_of_mine" / "__init__.py").touch()
    (tmp_path / "my_kind.py").rename(tmp_path / "kinds_of_mine" / "brief.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert kinds.find("kinds_of_mine.brief") is kinds.find("detail")
