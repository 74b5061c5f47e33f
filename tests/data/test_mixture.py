"""Mixtures as values and as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chiasm.data import mixtures
from chiasm.data.mixture import Mixture
from chiasm.errors import UserError


def parse(**value: Any) -> Mixture:
    return Mixture.parse({"name": "m", **value}, "m.yaml")


def weights(*amounts: float) -> dict[str, Any]:
    return {name: {"weight": amount} for name, amount in zip("abc", amounts, strict=False)}


def test_yaml_goes_both_ways(tmp_path: Path) -> None:
    text = """
name: mine
seed: 3
total: 100
images: playground/data
sources:
  vqav2: {count: 10}
  own: {source: records, files: a.json, weight: 2, repeat: true, max_turns: 4, images: photos}
  gqa: {weight: 1, options: {}}
"""
    (tmp_path / "m.yaml").write_text(text)
    mixture = Mixture.from_yaml(tmp_path / "m.yaml")
    assert mixture.sources["own"].source == "records"
    (tmp_path / "again.yaml").write_text(mixture.to_yaml())
    assert Mixture.from_yaml(tmp_path / "again.yaml") == mixture


def test_a_bare_name_means_all_of_it() -> None:
    assert parse(sources={"vqav2": None}).wanted() == {"vqav2": None}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"sources": {"a": {}, "b": {"count": 5}}}, {"a": None, "b": 5}),
        ({"cap": 3, "sources": {"a": {}, "b": {"count": 5}, "c": {"cap": 2}}}, {"a": 3, "b": 3, "c": 2}),
        ({"total": 100, "sources": {"a": {"weight": 1}, "b": {"weight": 3}}}, {"a": 25, "b": 75}),
        # 10 - 1 = 9 shared 1 : 1: 4.5 each, the first of equal remainders gets the odd one
        ({"total": 10, "sources": {**weights(1, 1), "c": {"count": 1}}}, {"a": 5, "b": 4, "c": 1}),
        ({"total": 2, "sources": weights(0.5, 0.2, 0.3)}, {"a": 1, "b": 0, "c": 1}),
        ({"total": 0, "sources": {"a": {"weight": 1}}}, {"a": 0}),
    ],
)  # fmt: skip
def test_amounts(value: dict[str, Any], wanted: dict[str, int | None]) -> None:
    assert parse(**value).wanted() == wanted


@pytest.mark.parametrize("total", [1, 7, 1000, 665_298])
def test_weights_always_add_up(total: int) -> None:
    many = {f"s{n}": {"weight": (n + 1) ** 1.7} for n in range(13)}
    assert sum(n or 0 for n in parse(total=total, sources=many).wanted().values()) == total


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"sorces": {}}, "sorces: unknown key, did you mean 'sources'"),
        ({"sources": {"vqav2": {"cuont": 1}}}, "sources.vqav2.cuont: unknown key, did you mean 'count'"),
        ({"sources": {"vqav2": {"count": 1, "weight": 1.0}}}, "either a count or a weight"),
        ({"sources": {"vqav2": {"weight": 1.0}}}, "say with 'total'"),
        ({"total": 5, "sources": {"vqav2": {}}}, "vqav2 has neither"),
        ({"total": 5, "sources": {"vqav2": {"count": 6}}}, "more than the total"),
        ({"total": 5, "sources": {"vqav2": {"count": 4}}}, "not to the total"),
        ({"sources": {"vqav2": {"count": -1}}}, "sources.vqav2.count"),
        ({"sources": {"vqav2": {"count": True}}}, "sources.vqav2.count"),
        ({"sources": {"vqav2": {"weight": float("nan")}}, "total": 1}, "sources.vqav2.weight"),
        ({"sources": {"vqav2": {"repeat": True}}}, "repeat needs"),
        ({"sources": {"a/b": {}}}, "sources.a/b"),
        ({"sources": {}}, "sources"),
        ({"sources": ["vqav2"]}, "sources"),
        ({"seed": -1, "sources": {"vqav2": {}}}, "seed"),
        ({"order": "random", "sources": {"vqav2": {}}}, "order"),
    ],
)
def test_mistakes_are_named(value: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as told:
        parse(**value)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "name: a\nname: b",
        "name: !!python/object/apply:os.getcwd []",
        "- vqav2",
        "name: [",
        "",
    ],
)
def test_what_is_no_plain_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(UserError, match=r"m\.yaml"):
        Mixture.from_yaml(tmp_path / "m.yaml")


def test_the_published_mixture_asks_for_the_published_counts() -> None:
    mixture = mixtures.find("llava_v15_mix665k")
    assert mixture.published
    # What is drawn; the others are whole, and their counts are what the sets hold.
    drawn = {name: count for name, count in mixture.wanted().items() if count is not None}
    assert drawn == {"ocrvqa": 80_000, "visual_genome": 86_417, "sharegpt": 40_688}
    assert len(mixture.sources) == 10
    assert Mixture.parse(yaml.safe_load(mixture.to_yaml()), "again") == mixture
    with pytest.raises(UserError, match="did you mean 'llava_v15_mix665k'"):
        mixtures.find("llava_v15_mix665")
