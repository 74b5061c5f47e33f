"""The page of records: which are on it, boxes found in text, nothing of a record taken for markup."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.data.conversations import ConversationFile
from chiasm.data.page import THUMBNAIL, boxes_in, write_page

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;<!--"


def record(question: str = "What?", answer: str = "A cat.", **more: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"id": "1", **more, "conversations": turns}


def page(folder: Path, entries: list[Any], images: Path | None = None, **options: Any) -> tuple[str, dict[str, Any]]:
    (folder / "r.json").write_text(json.dumps(entries))
    write_page(folder / "p.html", ConversationFile(folder / "r.json", images), **options)
    text = (folder / "p.html").read_text("utf-8")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data
    return text, json.loads(data[1])


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("[0.1, 0.2, 0.5, 1.0]", [[0, 20, 0.1, 0.2, 0.5, 1.0]]),
        ("at [0.0,0.5,1,1.0].", [[3, 18, 0.0, 0.5, 1.0, 1.0]]),
        ("图😀 [.1, .2, .3, .4]", [[3, 19, 0.1, 0.2, 0.3, 0.4]]),
        ("[0.5, 0.2, 0.1, 0.4] [1.5, 0, 0, 1] [10, 20, 30, 40] [0.1, 0.2, 0.3]", []),
        ("[[0.1, 0.2, 0.5, 1.0], [0, 0, 1, 1]]", [[1, 21, 0.1, 0.2, 0.5, 1.0], [23, 35, 0.0, 0.0, 1.0, 1.0]]),
        ("[" * 50_000, []),
    ],
)
def test_boxes_in_text(text: str, boxes: list[list[float]]) -> None:
    assert list(boxes_in(text)) == boxes


def test_records_are_spread_evenly_when_there_are_too_many(tmp_path: Path) -> None:
    _, told = page(tmp_path, [record() for _ in range(25)], most=10)
    assert [entry["place"] for entry in told["records"]] == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]
    assert told["picked"] == "10 of 25 records, every 2.5th"
    _, told = page(tmp_path, [record() for _ in range(3)], most=10)
    assert told["picked"] == "3 records"


def test_sources_are_named_or_recognised(tmp_path: Path) -> None:
    entries = [record(source="mine"), record(image="gqa/images/1.jpg"), record(), {"source": 3}]
    _, told = page(tmp_path, entries)
    assert [entry["source"] for entry in told["records"]] == ["mine", "gqa", "unknown", "unknown"]


def test_pictures_are_small_and_named(tmp_path: Path) -> None:
    images = tmp_path / "photos"
    (images / "sub").mkdir(parents=True)
    Image.new("RGB", (1200, 600), (9, 99, 199)).save(images / "sub" / "wide.png")
    (images / "page.jpg").write_text("<html>404</html>")
    names = ["sub/wide.png", "page.jpg", "gone.jpg"]
    _, told = page(tmp_path, [record(image=name) for name in names], images)
    wide, not_image, gone = (entry["pictures"][0] for entry in told["records"])
    assert (wide["name"], wide["width"], wide["height"]) == ("sub/wide.png", 1200, 600)
    with Image.open(io.BytesIO(base64.b64decode(wide["data"].partition(",")[2]))) as picture:
        assert picture.size == (THUMBNAIL, THUMBNAIL // 2)
    assert (not_image["problem"], gone["problem"]) == ("not an image", "missing")
    assert "data" not in gone


def test_broken_records_are_shown_with_what_is_wrong(tmp_path: Path) -> None:
    _, told = page(tmp_path, [record(), {"id": "x", "conversations": []}, "text"])
    fine, empty, text = told["records"]
    assert "problem" not in fine
    assert empty["problem"].startswith("no turns: ")
    assert empty["raw"] == '{"id": "x", "conversations": []}'
    assert text["problem"].startswith("not a record: ")


class Tags(HTMLParser):
    """The elements a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def test_nothing_of_a_record_becomes_markup(tmp_path: Path) -> None:
    evil = {**record(EVIL, EVIL, image=f"{EVIL}.jpg", source=EVIL), "id": f"{EVIL}\u2028"}
    (tmp_path / "photos").mkdir()
    text, told = page(tmp_path, [evil, {"id": f"{EVIL}\ud800"}], tmp_path / "photos")
    harmless, _ = page(tmp_path, [record()], None)
    seen, expected = Tags(), Tags()
    seen.feed(text)
    expected.feed(harmless)
    assert seen.found == expected.found
    assert told["records"][0]["turns"][0]["text"].endswith(EVIL)  # and it is all there, as text
    assert "alert(1)</" not in text


def test_only_its_own_script_may_run_and_nothing_is_fetched(tmp_path: Path) -> None:
    text, _ = page(tmp_path, [record()])
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1] == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "innerHTML" not in script[0]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_what_is_trained_comes_from_the_template(micro_world: Path, tmp_path: Path) -> None:
    from chiasm import checkpoints
    from chiasm.conversation import Conversation
    from chiasm.training.run import run
    from tests.training import micro

    recipe = micro.recipe(micro_world, "stages.align.steps=0", "stages.instruct.steps=0")
    processor = checkpoints.load_processor(run(recipe, tmp_path / "run"))
    entries = micro.records(micro_world)[:3]
    _, told = page(tmp_path, entries, micro_world / "images", processor=processor)
    assert told["template"] == processor.template_name
    for entry, shown in zip(entries, told["records"], strict=True):
        trained = [text for text, is_trained in shown["template"]["runs"] if is_trained]
        answers = [turn["value"] for turn in entry["conversations"] if turn["from"] == "gpt"]
        assert [text.removesuffix(processor.template.end or "") for text in trained] == answers
        example = processor.encode(Conversation.from_llava(entry, micro_world / "images"), train=True)
        assert shown["template"]["trained"] == example.num_trained


def test_long_texts_and_many_pictures_are_bounded_and_say_so(tmp_path: Path) -> None:
    many = record(image=[f"{n}.png" for n in range(20)])
    _, told = page(tmp_path, [record("q", "x" * 30_000), many])
    assert (len(told["records"][0]["turns"][1]["text"]), told["records"][0]["turns"][1]["cut"]) == (20_000, 10_000)
    assert (len(told["records"][1]["pictures"]), told["records"][1]["more_pictures"]) == (8, 12)
