"""Text in, text out: stopping, streaming, reuse between turns and chats, threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from chiasm import checkpoints
from chiasm.chat import ChatModel, Sampling, collect
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from tests.backends.tiny import assistant, script

SHORT = Sampling(max_tokens=12)


def picture(seed: int) -> PillowImage.Image:
    return PillowImage.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8))


def asked(text: str, *images: object) -> Conversation:
    return Conversation((user(text, images),))


def test_is_a_chat_model_whose_streams_equal_its_answers() -> None:
    model = assistant()
    assert isinstance(model, ChatModel)
    questions = [asked("What?", picture(1)), asked("And both of these?", picture(1), picture(2)), asked("None")]
    alone = [collect(model.stream(question, SHORT)) for question in questions]
    together = sorted(model.answer_all(questions, SHORT), key=lambda answer: answer.index)
    assert [a.text for a in together] == [a.text for a in alone]
    assert [a.usage.num_prompt for a in together] == [a.usage.num_prompt for a in alone]
    assert {a.finish_reason for a in alone} == {"length"}
    assert len({a.text for a in alone}) == 3


def test_answer_takes_paths_and_arrays(tmp_path: Path) -> None:
    model = assistant()
    picture(1).save(tmp_path / "a b.png")
    from_path = model.answer("What?", images=[tmp_path / "a b.png"], max_tokens=8)
    assert from_path == model.answer("What?", images=[np.asarray(picture(1))], max_tokens=8)
    blank = PillowImage.new("RGB", (30, 40), "yellow")
    assert from_path != model.answer("What?", images=[blank], max_tokens=8)


def test_text_comes_as_characters_become_whole_and_ends_at_the_end_token() -> None:
    model = assistant()
    script(model, " 视交叉 is a chiasm. ")
    deltas = list(model.stream(asked("?"), Sampling(max_tokens=100)))
    assert "".join(d.text for d in deltas) == "视交叉 is a chiasm."
    assert [d.text for d in deltas if d.text][:3] == ["视", "交", "叉"]
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].usage is not None
    assert deltas[-1].usage.num_answer == len(" 视交叉 is a chiasm. ".encode())
    assert not any(d.finish_reason for d in deltas[:-1])


def test_a_token_that_shows_nothing_is_a_piece_too_so_that_whoever_left_is_noticed() -> None:
    model = assistant()
    script(model, " " * 30 + "x")
    deltas = list(model.stream(asked("?"), Sampling(max_tokens=100)))
    assert sum(not delta.text for delta in deltas) >= 29
    assert "".join(delta.text for delta in deltas) == "x"


@pytest.mark.parametrize("batched", [False, True])
def test_stop_strings_end_the_answer_and_are_not_shown(batched: bool) -> None:
    def answer(sampling: Sampling) -> tuple[str, str]:
        model = assistant("llava_v0")  # its end is the text ###, which this vocabulary has no token for
        script(model, "Yes, a ## cat.###Human: more", end=False)
        if batched:
            (found,) = model.answer_all([asked("?")], sampling)
        else:
            found = collect(model.stream(asked("?"), sampling))
        return found.text, found.finish_reason

    assert answer(Sampling(max_tokens=100)) == ("Yes, a ## cat.", "stop")
    assert answer(Sampling(max_tokens=100, stop=("# c",))) == ("Yes, a #", "stop")
    assert answer(Sampling(max_tokens=6)) == ("Yes, a", "length")


def test_the_next_turn_and_another_question_about_the_picture_reuse_the_cache() -> None:
    model = assistant()
    first = asked("What is this?", picture(1))
    answer = collect(model.stream(first, SHORT))
    assert answer.usage.num_cached == 0
    second = first.said("assistant", answer.text).said("user", "Why?")
    again = collect(model.stream(second, SHORT))
    assert again.usage.num_cached > answer.usage.num_prompt - 20
    assert again.text == collect(assistant().stream(second, SHORT)).text
    other = collect(model.stream(asked("What colour?", picture(1)), SHORT))
    assert other.usage.num_cached >= len("A chat between")
    assert other.text == collect(assistant().stream(asked("What colour?", picture(1)), SHORT)).text


def test_an_answer_longer_than_its_prompt_does_not_cost_the_next_turn_its_cache() -> None:
    model = assistant()
    first = asked("What is this?", picture(1))
    long = Sampling(max_tokens=400)
    answer = collect(model.stream(first, long))
    assert answer.usage.num_answer > answer.usage.num_prompt
    again = collect(model.stream(first.said("assistant", answer.text).said("user", "Why?"), SHORT))
    assert again.usage.num_cached >= answer.usage.num_prompt

    model = assistant()
    for question in (first, first, asked("Another question", picture(1))):  # asked anew, then about the same picture
        answer = collect(model.stream(question, long))
    assert answer.usage.num_cached >= len("A chat between") + 4
    stranger = collect(model.stream(asked("Hello"), SHORT))  # takes a copy of the system text and spoils nothing
    assert 0 < stranger.usage.num_cached <= len("<s>A chat between...USER: ") + 200
    kept = collect(model.stream(asked("Another question", picture(1)), SHORT))
    assert kept.usage.num_cached == kept.usage.num_prompt - 1


def test_chats_side_by_side_keep_their_caches_and_the_oldest_leaves() -> None:
    model = assistant(num_sessions=2)
    chats = [asked("one " * 100), asked("two " * 100), asked("three " * 100)]
    for chat in chats[:2]:
        collect(model.stream(chat, SHORT))
    cached = [collect(model.stream(chat, SHORT)).usage.num_cached for chat in chats[:2]]
    assert min(cached) > 400
    collect(model.stream(chats[2], SHORT))
    assert collect(model.stream(chats[1], SHORT)).usage.num_cached > 400
    system = collect(assistant().stream(asked(""), SHORT)).usage.num_prompt
    assert collect(model.stream(chats[0], SHORT)).usage.num_cached < system  # what strangers share


def test_a_closed_stream_stops_the_work_and_frees_its_cache() -> None:
    model = assistant()
    steps = 0
    logits = model.model.logits

    def counted(x: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return logits(x)

    model.model.logits = counted  # type: ignore[method-assign]
    stream = model.stream(asked("What?", picture(1)), Sampling(max_tokens=500))
    first = next(stream)
    stream.close()
    seen = steps
    assert list(stream) == []
    assert steps == seen < 500
    assert first.text
    assert collect(model.stream(asked("What?", picture(1)), SHORT)).usage.num_cached > 0


def test_streams_may_be_open_side_by_side_in_one_thread_and_in_many() -> None:
    model = assistant()
    questions = [asked(f"question {i}", picture(i)) for i in range(4)]
    expected = [collect(assistant().stream(question, SHORT)).text for question in questions]
    streams = [model.stream(question, SHORT) for question in questions]
    texts = [""] * 4
    running = set(range(4))
    while running:
        for i in list(running):
            delta = next(streams[i], None)
            if delta is None:
                running.discard(i)
            else:
                texts[i] += delta.text
    assert texts == expected

    found: dict[int, str] = {}

    def work(i: int) -> None:
        found[i] = collect(model.stream(questions[i], SHORT)).text

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict(enumerate(expected))


def test_all_is_computed_in_the_thread_it_is_given_whoever_asks() -> None:
    with ThreadPoolExecutor(1) as thread:
        model = assistant().compute_in(thread)
        computed_in: set[int] = set()
        for module in model.model.modules():
            module.register_forward_pre_hook(lambda *_: computed_in.add(threading.get_ident()))
        question = asked("What?", picture(1), picture(2))
        with ThreadPoolExecutor(2) as askers:
            answers = list(askers.map(lambda _: collect(model.stream(question, SHORT)).text, range(2)))
        assert [answer.text for answer in model.answer_all([question], SHORT)] == answers[:1] == answers[1:]
        model.looked(question, "abc")
        assert computed_in == {thread.submit(threading.get_ident).result()}


@pytest.mark.parametrize("lone", ["photo.jpg", b"bytes", Path("photo.jpg"), picture(1), np.asarray(picture(1)), 3])
def test_one_picture_that_is_not_in_a_list_is_refused(lone: object) -> None:
    with pytest.raises(ValueError, match=r"images=\[picture\]"):
        assistant().answer("What?", images=lone)  # type: ignore[arg-type]


def test_a_question_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="question must be a string, not int"):
        assistant().answer(3)  # type: ignore[arg-type]


def test_what_cannot_be_answered_is_said() -> None:
    with pytest.raises(UserError, match="nothing to answer"):
        next(assistant().stream(asked("Hi").said("assistant", "Hello"), SHORT))
    with pytest.raises(UserError, match="context holds 64"):
        next(assistant(num_positions=64).stream(asked("Hi"), SHORT))
    with pytest.raises(UserError, match="no such file"):
        next(assistant().stream(asked("Hi", "nowhere.png"), SHORT))


def test_seed_repeats_an_answer() -> None:
    model = assistant()
    drawn = Sampling(max_tokens=12, temperature=1.5, seed=3)
    texts = {collect(model.stream(asked("Hi"), drawn)).text for _ in range(3)}
    (batched,) = model.answer_all([asked("Hi")], drawn)
    assert texts == {batched.text}


def test_half_a_character_at_the_end_is_shown_and_not_lost() -> None:
    model = assistant()
    script(model, "abc视")
    limit = Sampling(max_tokens=len("abc视".encode()) - 1)
    answer = collect(model.stream(asked("?"), limit))
    assert answer.text == "abc\N{REPLACEMENT CHARACTER}"
    assert next(iter(model.answer_all([asked("?")], limit))).text == answer.text


def test_who_only_asks_gets_the_same_answers_from_faster_layers() -> None:
    plain, asked = assistant(), assistant()
    assert asked.only_asked() is asked
    assert len(list(asked.model.parameters())) < len(list(plain.model.parameters()))
    assert asked.answer("What is this?", max_tokens=8) == plain.answer("What is this?", max_tokens=8)


def test_a_model_that_is_only_asked_is_not_saved_in_parts(tmp_path: Path) -> None:
    asked = assistant().only_asked()
    with pytest.raises(ValueError, match="layers were changed"):
        checkpoints.save(tmp_path / "saved", asked.model, asked.processor)
    assert not list(tmp_path.iterdir())
