"""Mixing from files to files: what is drawn, in which order, what is left out, and that bytes repeat."""

from __future__ import annotations

import json
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.data.mixture import Mixture
from chiasm.data.mixture_run import Mixed, Places, mix
from chiasm.errors import UserError
from tests.data.sources.test_questions import annotation, question, vqa_files


def records(path: Path, number: int, **more: Any) -> None:
    turns = [{"from": "human", "value": "What is this?"}, {"from": "gpt", "value": "a cat"}]
    lines = [{"id": f"{path.stem}{n}", "image": f"{n}.png", "conversations": turns, **more} for n in range(number)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")


def mixed(folder: Path, out: str = "out.json", images: Path | None = None, **value: Any) -> Mixed:
    return mix(Mixture.parse({"name": "m", **value}, "m"), folder / out, Places(folder, images))


def own(file: str, **more: Any) -> dict[str, Any]:
    return {"source": "records", "files": file, **more}


def ids(result: Mixed) -> list[str]:
    return [record["id"] for record in json.loads(result.out.read_text("utf-8"))]


def test_two_sources_become_one_file(tmp_path: Path) -> None:
    vqa_files(tmp_path / "vqav2", [question(1, 9, "Wet?")], [annotation(1, "yes")])
    records(tmp_path / "mine.jsonl", 2, meta={"kind": "detail"})
    result = mixed(tmp_path, sources={"vqav2": {}, "mine": own("mine.jsonl", images="photos")}, order="listed")
    assert json.loads(result.out.read_text("utf-8"))[0] == {
        "id": "000000000009",
        "image": "coco/train2017/000000000009.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nWet?\nAnswer the question using a single word or phrase."},
            {"from": "gpt", "value": "Yes"},
        ],
        "source": "vqav2",
    }
    last = json.loads(result.out.read_text("utf-8"))[2]
    assert (last["image"], last["source"], last["meta"]) == ("photos/1.png", "mine", {"kind": "detail"})
    assert result.dropped is None
    assert result.notes == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine.jsonl", "out.card.json", "out.card.md", "out.json", "vqav2",
    ]  # fmt: skip


@pytest.mark.parametrize("out", ["out.json", "out.jsonl", "out.parquet"])
def test_same_seed_same_bytes(tmp_path: Path, out: str) -> None:
    records(tmp_path / "mine.jsonl", 200)
    sources = {"mine": own("mine.jsonl", count=50)}
    contents = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        mixture = Mixture.parse({"name": "m", "seed": seed, "sources": sources}, "m")
        result = mix(mixture, tmp_path / folder / out, Places(tmp_path))
        contents.append(tuple(path.read_bytes() for path in (result.out, *result.card_files)))
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[2][0]


def test_counts_are_drawn_without_repeating(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 100)
    records(tmp_path / "b.jsonl", 5)
    records(tmp_path / "c.jsonl", 2)
    parts = {"a": own("a.jsonl", count=30), "b": own("b.jsonl", count=9), "c": own("c.jsonl", cap=50)}
    result = mixed(tmp_path, sources=parts)
    drawn = ids(result)
    assert len(drawn) == len(set(drawn)) == 37
    assert drawn != sorted(drawn)
    assert result.notes == ("b: 9 records wanted, there are 5",)
    # Which ones are drawn is a choice from everywhere, not the first.
    numbers = sorted(int(name[1:]) for name in drawn if name[0] == "a")
    assert numbers[0] < 15
    assert numbers[-1] > 85


def test_repeat_gives_each_as_often_as_the_next(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 4)
    result = mixed(tmp_path, sources={"a": own("a.jsonl", count=10, repeat=True)})
    assert sorted(Counter(ids(result)).values()) == [2, 2, 3, 3]


def test_listed_order_is_the_order_of_the_files(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 3)
    records(tmp_path / "b.jsonl", 2)
    result = mixed(tmp_path, sources={"b": own("b.jsonl"), "a": own("a.jsonl")}, order="listed")
    assert ids(result) == ["b0", "b1", "a0", "a1", "a2"]


def test_one_source_does_not_change_what_is_drawn_of_another(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 50)
    records(tmp_path / "b.jsonl", 50)
    alone = mixed(tmp_path, "1.json", sources={"a": own("a.jsonl", count=10)})
    beside = mixed(tmp_path, "2.json", sources={"b": own("b.jsonl"), "a": own("a.jsonl", count=10)})
    assert {name for name in ids(beside) if name[0] == "a"} == set(ids(alone))


@pytest.mark.parametrize(
    ("images", "part", "name"),
    [
        ("", None, "0.png"),
        ("", "photos/", "photos/0.png"),
        ("playground/data", None, "playground/data/0.png"),
        ("playground/data/", "photos", "playground/data/photos/0.png"),
        ("/data", "photos", "/data/photos/0.png"),
    ],
)
def test_picture_names_get_their_folders(tmp_path: Path, images: str, part: str | None, name: str) -> None:
    records(tmp_path / "a.jsonl", 1)
    more = {} if part is None else {"images": part}
    result = mixed(tmp_path, images=None, sources={"a": own("a.jsonl", **more)}) if not images else mix(
        Mixture.parse({"name": "m", "images": images, "sources": {"a": own("a.jsonl", **more)}}, "m"),
        tmp_path / "out.json",
        Places(tmp_path),
    )  # fmt: skip
    assert json.loads(result.out.read_text("utf-8"))[0]["image"] == name


def test_long_records_are_cut_behind_an_answer(tmp_path: Path) -> None:
    turns = [{"from": who, "value": f"{who} {n}"} for n in range(5) for who in ("human", "gpt")]
    (tmp_path / "a.json").write_text(json.dumps([{"id": "x", "conversations": turns}]))
    result = mixed(tmp_path, sources={"a": own("a.json", max_turns=2)})
    assert [turn["value"] for turn in json.loads(result.out.read_text())[0]["conversations"]] == [
        "human 0", "gpt 0", "human 1", "gpt 1",
    ]  # fmt: skip


def test_damaged_records_are_named_and_the_rest_is_written(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    bad: list[Any] = [
        {"id": "good", "conversations": turns},
        {"id": "empty", "conversations": []},
        {"id": "open", "conversations": turns[:1]},
        {"id": "markers", "image": "a.png", "conversations": [{"from": "human", "value": "<image><image>"}, turns[1]]},
        {"id": "surrogate", "meta": "\ud800", "conversations": turns},
        7,
    ]
    (tmp_path / "a.json").write_text(json.dumps(bad))
    result = mixed(tmp_path, sources={"a": own("a.json")})
    assert ids(result) == ["good"]
    assert result.dropped is not None
    named = [json.loads(line) for line in result.dropped.read_text("utf-8").splitlines()]
    assert [(entry["part"], entry["piece"], entry["reason"]) for entry in named] == [
        ("a", "record 1 (empty)", "no turns"),
        ("a", "record 2 (open)", "nothing trained"),
        ("a", "record 3 (markers)", "marker count"),
        ("a", "record 4 (surrogate)", "bad text"),
        ("a", "record 5", "not a record"),
    ]
    assert result.card["parts"]["a"]["dropped"] == {
        "bad text": 1, "marker count": 1, "no turns": 1, "not a record": 1, "nothing trained": 1,
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(bad[:1]))
    mixed(tmp_path, sources={"a": own("a.json")})
    assert not result.dropped.exists()  # an older run's list does not stay


def test_missing_sources_are_told_at_once_or_left_out(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 1)
    value = {"name": "m", "sources": {"gqa": {}, "vqav2": {}, "a": own("a.jsonl")}}
    with pytest.raises(UserError) as told:
        mix(Mixture.parse(value, "m"), tmp_path / "o.json", Places(tmp_path))
    assert "gqa: no train_balanced_questions.json" in str(told.value)
    assert "v2_mscoco_train2014_annotations.json" in str(told.value)
    assert "--partial" in str(told.value)
    assert not (tmp_path / "o.json").exists()
    result = mix(Mixture.parse(value, "m"), tmp_path / "o.json", Places(tmp_path), partial=True)
    assert ids(result) == ["a0"]
    assert [note.partition(" is left out")[0] for note in result.notes] == ["gqa", "vqav2"]
    assert "absent" in result.card["parts"]["gqa"]
    nothing = Mixture.parse({"name": "m", "sources": {"gqa": {}}}, "m")
    with pytest.raises(UserError, match="gqa: no "):
        mix(nothing, tmp_path / "o.json", Places(tmp_path), partial=True)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"source": "vqav3"}, "no source called 'vqav3': did you mean 'vqav2'"),
        ({"source": "vqav2", "files": "a.json"}, "which file is which: questions, annotations"),
        ({"source": "vqav2", "files": {"question": "a.json"}}, "no file 'question': did you mean 'questions'"),
        ({"source": "refcoco", "options": {"most_turn": 3}}, "no option 'most_turn': did you mean 'most_turns'"),
        ({"source": "refcoco", "options": {"most_turns": "3"}}, "must be a whole number"),
        ({"source": "refcoco", "options": {"most_turns": True}}, "must be a whole number"),
        ({"source": "refcoco", "options": {"most_turns": 0}}, "must be a whole number"),
        ({"source": "records", "files": "nowhere.json"}, "nowhere.json"),
        ({"source": "records"}, "files: records"),
    ],
)
def test_mistakes_in_a_part(tmp_path: Path, part: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as told:
        mixed(tmp_path, sources={"p": part})
    assert says in str(told.value)


def test_nothing_to_write_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"id": 1}]')
    with pytest.raises(UserError, match="no record is left to write: 1 no turns"):
        mixed(tmp_path, sources={"a": own("a.json")})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_an_error_halfway_keeps_the_old_file(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 3)
    old = mixed(tmp_path, sources={"a": own("a.jsonl")}).out.read_bytes()
    (tmp_path / "b.json").write_text('[{"id": 1, "conversations": []}, {"torn')
    with pytest.raises(UserError, match=r"b\.json"):
        mixed(tmp_path, sources={"a": own("a.jsonl"), "b": own("b.json")})
    assert (tmp_path / "out.json").read_bytes() == old
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_missing_pictures_are_counted(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 3)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "photos" / "1.png")
    result = mixed(tmp_path, images=tmp_path / "photos", sources={"a": own("a.jsonl")}, order="listed")
    assert len(ids(result)) == 3  # counted, not dropped
    assert result.card["pictures_missing"] == 2
    assert result.card["missing_examples"] == ["0.png", "2.png"]


def shards(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                found[member.name] = file.read()
    return found


def test_shards_hold_pictures_and_records_under_safe_names(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "photos" / "a.bin", "PNG")
    Image.new("RGB", (4, 4)).save(tmp_path / "photos" / "b.png", "JPEG")
    (tmp_path / "photos" / "text.png").write_text("<html>")
    (tmp_path / "secret.png").write_bytes((tmp_path / "photos" / "a.bin").read_bytes())
    entries = [
        {"id": "../../etc/x", "image": "a.bin", "conversations": turns},
        {"id": 2, "image": ["a.bin", "b.png"], "conversations": turns},
        {"id": 3, "conversations": turns},
        {"id": 4, "image": "../secret.png", "conversations": turns},
        {"id": 5, "image": str(tmp_path / "secret.png"), "conversations": turns},
        {"id": 6, "image": "gone.png", "conversations": turns},
        {"id": 7, "image": "text.png", "conversations": turns},
    ]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    mixture = Mixture.parse({"name": "m", "order": "listed", "sources": {"a": own("a.json")}}, "m")
    result = mix(mixture, tmp_path / "wds", Places(tmp_path, tmp_path / "photos"), form="wds")
    found = shards(result.out)
    assert list(found) == [
        "00000000.json", "00000000.png", "00000001.json", "00000001.0.png", "00000001.1.jpg", "00000002.json",
    ]  # fmt: skip
    assert json.loads(found["00000000.json"])["id"] == "../../etc/x"
    assert found["00000001.1.jpg"] == (tmp_path / "photos" / "b.png").read_bytes()
    assert result.card["records"] == 3
    assert result.card["parts"]["a"]["dropped"] == {"missing": 1, "not an image": 1, "unsafe name": 2}
    again = mix(mixture, tmp_path / "again", Places(tmp_path, tmp_path / "photos"), form="wds")
    assert (again.out / "000000.tar").read_bytes() == (result.out / "000000.tar").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        mix(mixture, tmp_path / "wds", Places(tmp_path, tmp_path / "photos"), form="wds")
    with pytest.raises(UserError, match="--images"):
        mix(mixture, tmp_path / "other", Places(tmp_path), form="wds")


def test_shards_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.data.writers._ROWS", 2)
    (tmp_path / "photos").mkdir()
    for number in range(5):
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / f"{number}.png")
    records(tmp_path / "a.jsonl", 5)
    mixture = Mixture.parse({"name": "m", "sources": {"a": own("a.jsonl")}}, "m")
    result = mix(mixture, tmp_path / "wds", Places(tmp_path, tmp_path / "photos"), form="wds")
    assert [path.name for path in sorted(result.out.iterdir())] == ["000000.tar", "000001.tar", "000002.tar"]
    assert len(shards(result.out)) == 10


def test_parquet_reads_back(tmp_path: Path) -> None:
    from pyarrow import parquet

    records(tmp_path / "a.jsonl", 3, meta={"kind": "detail"})
    result = mixed(tmp_path, "out.parquet", sources={"a": own("a.jsonl")}, order="listed")
    rows = parquet.read_table(result.out).to_pylist()
    assert [row["id"] for row in rows] == ["a0", "a1", "a2"]
    assert rows[1]["image"] == ["1.png"]
    assert rows[1]["conversations"][1] == {"from": "gpt", "value": "a cat"}
    assert json.loads(rows[1]["extra"]) == {"meta": {"kind": "detail"}}


def test_the_form_must_be_known(tmp_path: Path) -> None:
    records(tmp_path / "a.jsonl", 1)
    with pytest.raises(UserError, match=r"end it in \.json"):
        mixed(tmp_path, "out.txt", sources={"a": own("a.jsonl")})


# ---- size ------------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "x" * 150_000}]
    with (tmp_path / "a.jsonl").open("w") as file:
        for number in range(200):
            file.write(json.dumps({"id": number, "conversations": turns}) + "\n")
    mixture = Mixture.parse({"name": "m", "sources": {"a": own("a.jsonl")}}, "m")
    mix(mixture, tmp_path / "warm.json", Places(tmp_path))
    tracemalloc.start()
    try:
        mix(mixture, tmp_path / "out.json", Places(tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out.json").stat().st_size > 200 * 150_000
    assert peak < 6_000_000
