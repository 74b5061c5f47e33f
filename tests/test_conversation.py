"""Records in, conversations out, and back: LLaVA's JSON and OpenAI's messages."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.conversation import Conversation, Image, Message, RecordError, Text, user
from chiasm.errors import UserError

PNG = b"\x89PNG\r\n\x1a\n and so on"
DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


def record(*values: str, image: object = None, roles: tuple[str, str] = ("human", "gpt")) -> dict[str, Any]:
    turns = [{"from": roles[i % 2], "value": value} for i, value in enumerate(values)]
    return {"id": "7", "conversations": turns} | ({} if image is None else {"image": image})


# ---- LLaVA's JSON, read ----


def test_one_picture_leads_its_turn_on_a_line_of_its_own() -> None:
    for written in ("<image>\nWhat is it?", "What is it?\n<image>", "  <image> What is it? "):
        first = Conversation.from_llava(record(written, "A dog.", image="dog.jpg")).messages[0]
        assert first.parts == (Image("dog.jpg"), Text("\nWhat is it?"))


def test_user_and_assistant_are_accepted_as_role_names() -> None:
    theirs = Conversation.from_llava(record("<image>\nQ", "A", image="a.jpg"))
    ours = Conversation.from_llava(record("<image>\nQ", "A", image="a.jpg", roles=("user", "assistant")))
    assert theirs == ours
    assert [m.role for m in ours.messages] == ["user", "assistant"]


def test_several_pictures_stay_where_they_were_written_and_in_order() -> None:
    conversation = Conversation.from_llava(
        record("Left <image> or right <image>?", "Left.", "<image>\nAnd now?", "Right.", image=["a", "b", "c"])
    )
    assert conversation.messages[0].parts == (Text("Left "), Image("a"), Text(" or right "), Image("b"), Text("?"))
    assert conversation.messages[2].parts == (Image("c"), Text("\nAnd now?"))
    assert [image.source for image in conversation.images] == ["a", "b", "c"]


def test_pictures_without_any_marker_go_before_the_first_question() -> None:
    conversation = Conversation.from_llava(record("Q1", "A1", "Q2", "A2", image=["a", "b"]))
    assert conversation.messages[0].parts == (Image("a"), Text("\n"), Image("b"), Text("\nQ1"))
    assert not conversation.messages[2].images


@pytest.mark.parametrize(
    "given_record",
    [record("What does <image> mean?", "A tag."), record("<image>\nQ", "It says <image>.", image="a.jpg")],
    ids=["text only", "in the answer"],
)
def test_a_marker_that_stands_for_no_picture_is_text(given_record: dict[str, Any]) -> None:
    conversation = Conversation.from_llava(given_record)
    assert len(conversation.images) == ("image" in given_record)
    assert "<image>" in "".join(message.text for message in conversation.messages)


def test_paths_are_joined_to_the_root() -> None:
    conversation = Conversation.from_llava(record("<image>\nQ", "A", image="x/a.jpg"), Path("photos"))
    assert conversation.images == (Image(str(Path("photos") / "x" / "a.jpg")),)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        # DS10: what `image` may not be
        (record("<image>\nQ", "A", image=5), "image field"),
        (record("<image>\nQ", "A") | {"image": None}, "image field"),
        (record("<image>\nQ", "A", image=""), "image field"),
        (record("<image>\nQ", "A", image="  "), "image field"),
        (record("<image>\nQ", "A", image=["a.jpg", 3]), "image field"),
        (record("<image>\nQ", "A", image={"path": "a.jpg"}), "image field"),
        (record("<image>\nQ", "A", image="https://example.org/a.jpg"), "image field"),
        (record("<image>\nQ", "A", image="file:///etc/passwd"), "image field"),
        (record("<image>\nQ", "A", image=DATA_URL), "image field"),
        # DS13: turns that are no conversation
        ({}, "no turns"),
        (record(), "no turns"),
        ({"conversations": "Q"}, "no turns"),
        ({"conversations": [{"from": "system", "value": "S"}]}, "no turns"),
        ({"conversations": [{"from": "gpt", "value": "A"}, {"from": "human", "value": "Q"}]}, "turn order"),
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "human", "value": "Q"}]}, "turn order"),
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "system", "value": "S"}]}, "turn order"),
        ({"conversations": [{"from": "robot", "value": "Q"}]}, "unknown role"),
        ({"conversations": [{"from": ["human"], "value": "Q"}]}, "unknown role"),
        ({"conversations": [{"value": "Q"}]}, "unknown role"),
        ({"conversations": ["Q"]}, "turn format"),
        ({"conversations": [{"from": "human"}]}, "turn format"),
        ({"conversations": [{"from": "human", "value": 5}]}, "turn format"),
        (["Q"], "not a record"),
        (None, "not a record"),
        # DS14: markers and pictures that do not match
        (record("<image><image>\nQ", "A", image="a.jpg"), "marker count"),
        (record("<image>\nQ", "A", image=["a.jpg", "b.jpg"]), "marker count"),
        (record("<image>\nQ", "A", "<image>\nQ", "A", image="a.jpg"), "marker count"),
        # DS16: text that no file can hold
        (record("Q \ud800", "A"), "bad text"),
        (record("Q", "A \udfff"), "bad text"),
        (record("Q", "A") | {"id": "\ud800"}, "bad text"),
        (record("<image>\nQ", "A", image="\ud800.jpg"), "bad text"),
    ],
)
def test_what_is_no_conversation_is_refused_with_a_reason(bad: object, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        Conversation.from_llava(bad)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    str(caught.value).encode()  # a message about bad text can itself be written to a log


def test_the_turn_at_fault_is_named_by_its_number() -> None:
    with pytest.raises(RecordError, match="turn 2"):
        Conversation.from_llava({"conversations": [{"from": "human", "value": "Q"}, {"from": "human", "value": "Q"}]})
    with pytest.raises(RecordError, match=r"3 markers .* 2 pictures"):
        Conversation.from_llava(record("<image><image><image>", "A", image=["a", "b"]))


@pytest.mark.parametrize(
    "text",
    ["a\x00b", "x" * 1_000_000, "שלום مرحبا", "👩‍👩‍👧 🏳️‍🌈", "é e\u0301", "\ufeffbom", "x\r\ny", "\ue000\U0010fffd"],
    ids=["NUL", "a megabyte", "right to left", "emoji", "two normal forms", "BOM", "CRLF", "private use"],
)
def test_odd_but_valid_text_is_kept_as_it_is(text: str) -> None:
    written = json.loads(json.dumps(record("Q " + text, text)))
    conversation = Conversation.from_llava(written)
    assert [m.text for m in conversation.messages] == ["Q " + text, text]
    assert conversation.to_llava() == written


def test_an_error_keeps_its_reason_across_processes() -> None:
    error = pickle.loads(pickle.dumps(RecordError("too long", "5 tokens do not fit")))
    assert (type(error), error.reason, str(error)) == (RecordError, "too long", "5 tokens do not fit")


# ---- LLaVA's JSON, written ----

PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda text: "<image>" not in text)


@st.composite
def llava_records(draw: st.DrawFn) -> dict[str, Any]:
    """Records as files hold them: markers anywhere in human turns, as many as pictures or none."""
    num_turns = draw(st.integers(1, 5))
    values, num_markers = [], 0
    for position in range(num_turns):
        pieces = draw(st.lists(PLAIN_TEXT, min_size=1, max_size=1 if position % 2 else 4))
        values.append("<image>".join(pieces))
        num_markers += len(pieces) - 1
    if num_markers == 0 and draw(st.booleans()):
        num_markers = draw(st.integers(1, 2))  # pictures that the text never mentions
    names = [f"{i}.jpg" for i in range(num_markers)]
    if not names:
        return record(*values)
    return record(*values, image=names if len(names) > 1 or draw(st.booleans()) else names[0])


@given(llava_records())
def test_llava_json_goes_both_ways(given_record: dict[str, Any]) -> None:
    conversation = Conversation.from_llava(given_record)
    written = conversation.to_llava()
    assert Conversation.from_llava(json.loads(json.dumps(written))) == conversation
    assert len(conversation.images) == "".join(t["value"] for t in written["conversations"][::2]).count("<image>")  # type: ignore[index,union-attr,call-overload]


def test_a_system_turn_goes_both_ways() -> None:
    conversation = Conversation((Message("system", (Text("Be brief."),)), user("Q", ["a.jpg"])), "1")
    assert Conversation.from_llava(conversation.to_llava()) == conversation
    assert conversation.system == "Be brief."
    assert [m.role for m in conversation.turns] == ["user"]


def test_a_typed_marker_beside_a_picture_cannot_be_written_and_says_so() -> None:
    # Written out it would be read as a second picture, and every later picture would shift.
    conversation = Conversation((user("Where does <image> stand?", ["a.jpg"]),))
    with pytest.raises(RecordError, match="typed <image>"):
        conversation.to_llava()
    assert "<image>" in str(Conversation((user("Where does <image> stand?"),)).to_llava())


@pytest.mark.parametrize("source", [PNG, object(), "https://example.org/a.png"])
def test_only_paths_can_be_written_as_llava_json(source: object) -> None:
    with pytest.raises(UserError, match="Save it to a file first"):
        Conversation((user("Q", [source]),)).to_llava()


# ---- OpenAI's messages ----


def test_openai_messages_are_read() -> None:
    conversation = Conversation.from_openai(
        [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "high"}},
                ],
            },
            {"role": "assistant", "content": "A dog."},
        ]
    )
    assert conversation.system == "Be brief."
    assert conversation.messages[1].parts == (Image(PNG), Text("\nWhat is it?"))
    conversation.check_turns()


def test_texts_around_a_picture_do_not_grow_together() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "Compare"},
        {"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "text", "text": "with"},
        {"type": "text", "text": "out"},
    ]
    (message,) = Conversation.from_openai([{"role": "user", "content": parts}]).messages
    assert message.parts == (Image("a.png"), Text("\nCompare\nwithout"))


@given(
    st.lists(
        st.tuples(PLAIN_TEXT, st.lists(st.sampled_from([PNG, "https://example.org/a.png"]), max_size=3)), min_size=1
    ),
    st.booleans(),
)
def test_openai_messages_go_both_ways(turns: list[tuple[str, list[object]]], system: bool) -> None:
    messages = [Message("system", (Text("S"),))] if system else []
    for position, (text, images) in enumerate(turns):
        messages.append(Message("assistant", (Text(text),)) if position % 2 else user(text, images))
    conversation = Conversation(tuple(messages))
    written = json.loads(json.dumps(conversation.to_openai()))
    assert Conversation.from_openai(written) == conversation


def test_a_picture_on_disk_is_sent_as_a_data_url(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    (message,) = Conversation((user("Q", [path]),)).to_openai()
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": DATA_URL}},
        {"type": "text", "text": "Q"},
    ]
    with pytest.raises(UserError, match=r"none\.png"):
        Conversation((user("Q", [tmp_path / "none.png"]),)).to_openai()


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "no turns"),
        ("Q", "no turns"),
        (None, "no turns"),
        (["Q"], "unknown role"),
        ([{"role": "tool", "content": "Q"}], "unknown role"),
        ([{"content": "Q"}], "unknown role"),
        ([{"role": "user"}], "turn format"),
        ([{"role": "user", "content": 5}], "turn format"),
        ([{"role": "user", "content": ["Q"]}], "turn format"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], "turn format"),
        ([{"role": "user", "content": [{"type": "text", "text": 5}]}], "turn format"),
        ([{"role": "user", "content": "\ud800"}], "bad text"),
        *(
            ([{"role": "user", "content": [{"type": "image_url", "image_url": url}]}], "image field")
            for url in (
                None,
                5,
                {},
                {"url": ""},
                {"url": None},
                {"url": "data:image/png;base64"},
                {"url": "data:image/png," + base64.b64encode(PNG).decode()},
                {"url": "data:text/html;base64," + base64.b64encode(PNG).decode()},
                {"url": "data:image/png;base64,"},
                {"url": "data:image/png;base64,a"},
                {"url": "data:image/png;base64,_-_-"},
            )
        ),
    ],
)
def test_bad_messages_are_refused_with_a_reason(messages: object, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        Conversation.from_openai(messages)
    assert caught.value.reason == reason


# ---- the value itself ----


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_the_user_may_show_a_picture(role: Any) -> None:
    # A picture the template does not write would hand its pixels to the next picture's place.
    shown = Message(role, (Image("a.jpg"), Text("look")))
    before = () if role == "system" else (user("Q"),)
    with pytest.raises(RecordError) as caught:
        Conversation((*before, shown, *(() if before else (user("Q"),)))).check_turns()
    assert caught.value.reason.startswith("picture in")


def test_said_adds_a_turn_and_leaves_the_old_value_alone() -> None:
    first = Conversation((), "5").said("user", Image("a.jpg"), "\nQ")
    second = first.said("assistant", "A")
    assert (len(first.messages), len(second.messages), second.id) == (1, 2, "5")
    assert second.messages[0].parts == (Image("a.jpg"), Text("\nQ"))


@given(PLAIN_TEXT, st.integers(0, 3))
def test_pictures_first_changes_nothing_the_second_time(text: str, num_images: int) -> None:
    once = user(text, [f"{i}.jpg" for i in range(num_images)])
    assert once.with_pictures_first() == once
    assert (once.text if not num_images else once.text.strip()) == (text if not num_images else text.strip())
