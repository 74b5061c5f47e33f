"""The report of a synthesis job: whole, honest about its numbers, and deaf to what replies contain."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.errors import UserError
from chiasm.synthesis.checks import Examined
from chiasm.synthesis.report import write_report
from chiasm.synthesis.sample import Box, Context, Language, Rejection, Sample, Turn

Pair = tuple[Sample, Examined]

EVIL = "</script><img src=x onerror=alert(1)><!-- \ud83d\x00 \u2028"


def sample(
    key: str = "key",
    answer: str = "A dog.",
    *,
    kind: str = "detail",
    language: Language = "en",
    image: str = "a.jpg",
    num_turns: int = 1,
) -> Sample:
    context = Context(key, image, ("A dog in a room.",), (Box("dog", 0.1, 0.2, 0.5, 0.8),), 40, 20)
    return Sample(key, kind, language, context, (Turn("What is it?", answer),) * num_turns)


def good(*samples: Sample) -> list[Pair]:
    return [(each, Examined((), {"known_objects": 1.0})) for each in samples]


def bad(each: Sample, *reasons: str, message: str = "it says “dog”") -> Pair:
    return each, Examined(tuple(Rejection(reason, message) for reason in reasons), {"known_objects": 0.5})


def written(path: Path, accepted: list[Pair], rejected: list[Pair], **others: Any) -> str:
    write_report(path, title=others.pop("title", "a run"), accepted=accepted, rejected=rejected, **others)
    return path.read_text(encoding="utf-8")


def examples(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="examples">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return list(json.loads(found[1]))


def text_of(page: str) -> str:
    """What a reader sees above the gallery."""
    return " ".join(
        html.unescape(re.sub(r"<style>.*?</style>|<script.*?</script>|<[^>]*>", " ", page, flags=re.S)).split()
    )


def test_totals_reasons_and_kinds(tmp_path: Path) -> None:
    accepted = good(sample("1"), sample("2"), sample("3", kind="reasoning", language="zh"))
    rejected = [bad(sample("4"), "leak", "objects"), bad(sample("5"), "objects"), bad(sample("6"), "leak")]
    bill = {"prompt tokens": 12345, "cost, USD": 0.5}
    text = text_of(written(tmp_path / "r.html", accepted, rejected, counts={"requests": 1234}, bill=bill))
    assert "50.0% accepted: 3 of 6 samples" in text
    assert "requests 1,234" in text
    assert "leak 2 33.3%" in text
    assert "objects 1 16.7% · found in 1 more" in text  # the first reason is the one counted
    assert "detail en 2 3 40.0%" in text
    assert "reasoning zh 1 0 100.0%" in text
    assert "prompt tokens 12,345 cost, USD 0.5000" in text


def test_shapes_are_counted(tmp_path: Path) -> None:
    accepted = good(sample("1", "one two three"), sample("2", "一只狗躺在地上，旁边有碗。", language="zh", num_turns=2))
    page = written(tmp_path / "r.html", accepted, [bad(sample("3", "word " * 45), "leak")])
    assert "title='0: 1 accepted, 0 rejected'" in page  # three words
    assert "title='10: 2 accepted, 0 rejected'" in page  # two answers of eleven characters
    assert "title='40: 0 accepted, 1 rejected'" in page
    assert "title='2: 1 accepted, 0 rejected'" in page  # turns
    assert "title='50%+: 0 accepted, 1 rejected'" in page  # known objects


def test_an_empty_job_has_a_report(tmp_path: Path) -> None:
    text = text_of(written(tmp_path / "r.html", [], []))
    assert "– accepted: 0 of 0 samples" in text
    assert "Nothing was rejected." in text


def test_examples_are_bounded_and_repeatable(tmp_path: Path) -> None:
    accepted = good(*(sample(str(i), kind=("detail", "reasoning")[i % 2]) for i in range(400)))
    rejected = [bad(sample(str(i)), ("leak", "objects", "counts")[i % 3]) for i in range(400)]
    page = written(tmp_path / "r.html", accepted, rejected)
    kept = examples(page)
    assert len(kept) == 5 * 12
    assert {(each["reason"], each["kind"]) for each in kept} == {
        ("", "detail"), ("", "reasoning"), ("leak", "detail"), ("objects", "detail"), ("counts", "detail")
    }  # fmt: skip
    assert max(int(each["key"]) for each in kept) > 200  # not just the first ones
    assert written(tmp_path / "again.html", accepted, rejected) == page
    assert written(tmp_path / "other.html", accepted, rejected, seed=1) != page


def test_samples_stream_through(tmp_path: Path) -> None:
    alive: list[int] = []

    class Counted(str):
        __slots__ = ()

        def __del__(self) -> None:
            alive.append(-1)

    def stream() -> Iterator[Pair]:
        for number in range(500):
            alive.append(1)
            assert sum(alive) < 50
            yield bad(sample(str(number), Counted(f"answer {number}")), "leak")

    write_report(tmp_path / "r.html", title="a run", accepted=[], rejected=stream())


def test_an_example_carries_what_was_told_and_found(tmp_path: Path) -> None:
    (shown,) = examples(written(tmp_path / "r.html", [], [bad(sample(), "leak", "objects")]))
    assert shown["found"] == [["leak", "it says “dog”"], ["objects", "it says “dog”"]]
    assert shown["captions"] == ["A dog in a room."]
    assert shown["boxes"] == [["dog", 0.1, 0.2, 0.5, 0.8]]
    assert shown["turns"] == [["What is it?", "A dog."]]
    assert (shown["picture"], shown["shape"]) == ("", [40, 20])


def test_nothing_in_a_reply_leaves_its_place(tmp_path: Path) -> None:
    hostile = Sample(EVIL, EVIL, "en", Context(EVIL, EVIL, (EVIL,), (Box(EVIL, 0, 0, 1, 1),)), (Turn(EVIL, EVIL),))
    rejected = [(hostile, Examined((Rejection(EVIL, EVIL),), {}))]
    others = {"counts": {EVIL: 1}, "bill": {EVIL: EVIL}, "images": tmp_path}
    page = written(tmp_path / "r.html", [(hostile, Examined((), {}))], rejected, title=EVIL, **others)
    assert "<img" not in page
    assert len(re.findall("</script>", page)) == 2  # the examples' and ours
    assert "<!--" not in page
    assert len(examples(page)) == 2
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page
    assert "innerHTML" not in page


def test_long_texts_are_cut(tmp_path: Path) -> None:
    (shown,) = examples(written(tmp_path / "r.html", good(sample("1", "word " * 100_000)), []))
    assert len(shown["turns"][0][1]) < 5000
    assert "more characters" in shown["turns"][0][1]


def test_pictures_are_found_below_their_folder_only(tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "deep").mkdir(parents=True)
    Image.new("RGB", (900, 300), "red").save(tmp_path / "secret.png")
    Image.new("RGB", (900, 300), "blue").save(images / "a.png")
    Image.new("RGB", (900, 300), "blue").save(images / "deep" / "b.png")
    (images / "broken.png").write_bytes(b"no picture")
    (images / "out.png").symlink_to(tmp_path / "secret.png")
    names = ["a.png", "deep/b.png", "elsewhere/a.png", "../secret.png", str(tmp_path / "secret.png"), "broken.png",
             "missing.png", "", ".", "out.png", "a\x00.png"]  # fmt: skip
    kept = examples(
        written(tmp_path / "r.html", good(*(sample(name, image=name) for name in names)), [], images=images)
    )
    shown = {each["image"]: each["picture"] for each in kept}
    assert {name for name, picture in shown.items() if picture} == {"a.png", "deep/b.png", "elsewhere/a.png"}
    (tmp_path / "small.jpg").write_bytes(base64.b64decode(shown["a.png"].removeprefix("data:image/jpeg;base64,")))
    with Image.open(tmp_path / "small.jpg") as small:
        assert small.size == (320, 107)


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "r.html"
    page = written(path, good(sample()), [])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_report(path, title="another", accepted=[], rejected=[])
    assert path.read_text(encoding="utf-8") == page
    assert list(path.parent.iterdir()) == [path]
