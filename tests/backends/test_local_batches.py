"""Many conversations at once: the answers of each alone, pictures opened once and in time, failures told at the end."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from chiasm.backends import local_prompts
from chiasm.backends.local_prompts import Album, UnansweredError, ahead, in_groups
from chiasm.chat import Answer, Ranker, Sampling, collect
from chiasm.conversation import Conversation, Message, Text, user
from chiasm.errors import UserError
from tests.backends.tiny import assistant, script

SHORT = Sampling(max_tokens=10)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Paths of four pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        PillowImage.fromarray(pixels).save(folder / f"{seed}.png")
    return [str(folder / f"{seed}.png") for seed in range(4)]


def mixed(album: list[str], count: int) -> list[Conversation]:
    """Questions in no order about none to three pictures, some of a second turn, some with a system text."""
    draw = random.Random(0)
    conversations = []
    for n in range(count):
        shown = [draw.choice(album) for _ in range(draw.choice([0, 1, 1, 1, 1, 2, 3]))]
        asked = Conversation((user(f"Question {n}" + "?" * draw.randrange(1, 20), shown),), str(n))
        if draw.random() < 0.2:
            asked = asked.said("assistant", "Yes").said("user", "Why?")
        if draw.random() < 0.2:
            asked = Conversation((Message("system", (Text("Be brief."),)), *asked.messages), str(n))
        conversations.append(asked)
    return conversations


def by_index(answers: Iterator[Answer]) -> list[Answer]:
    return sorted(answers, key=lambda answer: answer.index)


class Opened:
    """Counts the pictures opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources: list[object] = []
        opening = local_prompts.open_picture
        monkeypatch.setattr(
            local_prompts, "open_picture", lambda source, *rest: self.sources.append(source) or opening(source, *rest)
        )


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("sampling", [SHORT, Sampling(10, 1.3, 0.9, seed=4), Sampling(10, stop=("a", "Qx"))])
def test_answers_are_those_of_each_alone(album: list[str], batch_size: int, sampling: Sampling) -> None:
    model = assistant()
    model.batch_size = batch_size
    conversations = mixed(album, 24)
    together = by_index(model.answer_all(conversations, sampling))
    assert [answer.index for answer in together] == list(range(24))
    alone = [collect(assistant(num_sessions=0).stream(conversation, sampling)) for conversation in conversations]
    assert [(a.text, a.finish_reason) for a in together] == [(a.text, a.finish_reason) for a in alone]
    assert [a.usage.num_prompt for a in together] == [a.usage.num_prompt for a in alone]
    assert [a.usage.num_answer for a in together] == [a.usage.num_answer for a in alone]


def test_a_picture_is_opened_and_encoded_once_however_the_questions_lie(
    album: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, opened, tiles = assistant(), Opened(monkeypatch), [0]
    see = model.model.see

    def counted(x: torch.Tensor) -> torch.Tensor:
        tiles[0] += len(x)
        return see(x)

    model.model.see = counted  # type: ignore[method-assign]
    conversations = [Conversation((user(f"Question {n}", [album[n % 4]]),)) for n in range(60)]
    answers = list(model.answer_all(conversations, SHORT))
    assert sorted(map(str, opened.sources)) == sorted(album)
    assert tiles == [4]
    assert len(answers) == 60
    assert sum(answer.usage.num_cached > 0 for answer in answers) > 0


def test_pictures_are_opened_as_they_are_needed(album: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand conversations: the first answer comes when a few windows of them have been looked at."""
    opened = Opened(monkeypatch)
    picture = Path(album[0]).read_bytes()

    class Many(Sequence[Conversation]):
        def __len__(self) -> int:
            return 20_000

        def __getitem__(self, index: int) -> Conversation:  # type: ignore[override]
            if not 0 <= index < len(self):
                raise IndexError
            # Bytes behind a PNG's end are no part of it: as many different sources as conversations.
            return Conversation((user("?", [picture + index.to_bytes(4)]),))

    model = assistant()
    model.batch_size = 4
    answers = model.answer_all(Many(), Sampling(max_tokens=1))
    next(answers)
    assert len(opened.sources) < 200
    answers.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("chiasm-prompts")]


def test_who_cannot_be_answered_is_told_at_the_end(album: list[str], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    model = assistant(num_positions=400)
    conversations = [
        Conversation((user("What?", [album[0]]),)),
        Conversation((user("What?", [str(tmp_path / "gone.png")]),), "q7"),
        Conversation((user("What?", [str(tmp_path / "broken.png")]),)),
        Conversation((user("long " * 100),)),
        Conversation((user("What?"), Message("assistant", (Text("That"),)))),
        Conversation((user("Why?", [album[1]]),)),
    ]
    answered: list[int] = []
    with pytest.raises(UnansweredError) as told:
        answered.extend(answer.index for answer in model.answer_all(conversations, SHORT))
    assert sorted(answered) == [0, 5]
    assert sorted(told.value.failures) == [1, 2, 3, 4]
    message = str(told.value)
    assert message.startswith("4 of 6 conversations could not be answered, all others were: number 2 (q7): ")
    assert "gone.png: there is no such file" in message
    assert message.endswith("; and 1 more")
    assert "context holds 400" in str(told.value.failures[3])
    assert "nothing to answer" in str(told.value.failures[4])
    with pytest.raises(UserError, match=r"^nowhere\.png: there is no such file$"):  # alone: its own error
        list(model.answer_all([Conversation((user("?", ["nowhere.png"]),))], SHORT))
    assert list(model.answer_all([], SHORT)) == []


def test_groups_keep_the_order_of_their_first_and_of_their_members() -> None:
    array = np.zeros((4, 4, 3), dtype=np.uint8)
    shown: list[list[object]] = [["a"], [], ["b"], ["a"], ["a", "b"], [], [array], ["b"], [array], [Path("a")]]
    conversations = [Conversation((user("?", images),)) for images in shown]
    conversations.append(Conversation((Message("system", (Text("s"),)), user("?", ["a"]))))
    assert in_groups(conversations) == [0, 3, 1, 5, 2, 7, 4, 6, 8, 9, 10]


def test_a_picture_object_is_looked_at_each_time() -> None:
    model = assistant()
    array = np.zeros((28, 28, 3), dtype=np.uint8)
    pictures = Album(model.processor)
    first = pictures.open(array).key
    array[:] = 200
    assert pictures.open(array).key != first


def test_an_album_forgets_what_was_opened_longest_ago(album: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(monkeypatch)
    pictures = Album(assistant().processor, max_bytes=2 * 3 * 28 * 28 * 4)
    for place in (0, 1, 0, 2, 0, 1):
        pictures.open(album[place])
    assert opened.sources == [album[place] for place in (0, 1, 2, 1)]


def test_ahead_gives_all_in_order_and_what_goes_wrong() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead([])) == []

    def broken() -> Iterator[int]:
        yield from range(3)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(ahead(broken()))


def test_prompts_are_what_the_processor_makes(album: list[str]) -> None:
    for template in ("vicuna_v1", "llava_llama_2", "chatml", "plain"):
        model = assistant(template)
        writer = model._writer
        for conversation in mixed(album, 12):
            example = model.processor.encode(conversation)
            written = writer.prompt(conversation, writer.album())
            assert written.ids == example.input_ids.tolist()
            assert torch.equal(written.pixels, example.pixels)
            assert tuple(picture.key for picture in written.pictures) == example.picture_keys
            for picture in written.pictures:
                assert set(written.ids[picture.start : picture.end]) == {model.processor.image_token_id}


@pytest.mark.parametrize("template", ["vicuna_v1", "llava_llama_2", "chatml", "llama_3", "plain", "llava_v0"])
def test_an_option_is_written_as_an_answer_begins(template: str) -> None:
    model = assistant(template)
    asked = Conversation((user("Which?"),))
    spaced = template in ("vicuna_v1", "llava_llama_2", "llava_v0")
    for option in ("B", "a cat", " a a "):
        ids = model._writer.answer_ids(asked, option)
        assert model.processor.tokenizer.decode(ids) == (" " if spaced else "") + option.strip()
    with pytest.raises(UserError, match="nothing in it"):
        model._writer.answer_ids(asked, "  ")


def test_rankings_are_those_of_the_whole_text(album: list[str]) -> None:
    model = assistant()
    assert isinstance(model, Ranker)
    conversations = [asked for asked in mixed(album, 12) if asked.images][:8]
    options = [["A", "B", "C. a cat"], ["yes", "no"]] * 4
    rankings = sorted(model.rank_all(conversations, options), key=lambda each: each.index)
    assert [each.index for each in rankings] == list(range(8))
    for ranking, conversation, given in zip(rankings, conversations, options, strict=True):
        example = model.processor.encode(conversation)
        for found, num_tokens, option in zip(ranking.log_likelihoods, ranking.num_tokens, given, strict=True):
            answer = model.processor.tokenizer.encode_text(f" {option}")
            assert num_tokens == len(answer) == len(option) + 1
            ids = torch.tensor([[*example.input_ids.tolist(), *answer]])
            with torch.inference_mode():
                logits = model.model(ids, pixels=example.pixels).logits[0, -len(answer) - 1 : -1].double()
            expected = float(logits.log_softmax(-1).gather(-1, torch.tensor(answer)[:, None]).sum())
            assert found == pytest.approx(expected, abs=1e-3)


def test_what_cannot_be_ranked_is_told(album: list[str]) -> None:
    model = assistant(num_positions=300)
    asked = Conversation((user("Which?", [album[0]]),))
    with pytest.raises(ValueError, match="1 conversations but 2 lists"):
        next(model.rank_all([asked], [["A"], ["B"]]))
    with pytest.raises(UserError, match="no option to rank"):
        list(model.rank_all([asked], [[]]))
    found: list[int] = []
    with pytest.raises(UnansweredError, match=r"1 of 2 .*number 2: .*holds 300"):
        found.extend(each.index for each in model.rank_all([asked, asked], [["A"], ["A", "b" * 300]]))
    assert found == [0]


def test_a_stop_string_and_the_end_token_end_each_answer() -> None:
    model = assistant()
    script(model, " Yes.")
    (answer,) = model.answer_all([Conversation((Message("user", (Text("?"),)),))], Sampling(max_tokens=50))
    assert (answer.text, answer.finish_reason, answer.usage.num_answer) == ("Yes.", "stop", 5)


def test_two_threads_may_ask_at_once(album: list[str]) -> None:
    model = assistant()
    conversations = mixed(album, 12)
    expected = [answer.text for answer in by_index(model.answer_all(conversations, SHORT))]
    found: dict[int, list[str]] = {}

    def work(number: int) -> None:
        found[number] = [answer.text for answer in by_index(model.answer_all(conversations, SHORT))]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    stream = collect(model.stream(conversations[0], SHORT))
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(3), expected)
    assert stream.text == expected[0]
