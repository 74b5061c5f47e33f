"""Where and when a scene is, as a phrase: "on a rainy night", 雨夜. For both languages."""

from __future__ import annotations

from chiasm.scenes.scene import Scene
from chiasm.scenes.telling.language import Language

_ENGLISH_PLACES = {name: f"a {name}" for name in ("park", "street", "beach", "harbour", "room", "kitchen")}
_CHINESE_PLACES = {
    "park": "公园里", "street": "街道上", "beach": "海滩上", "harbour": "港口", "room": "房间里", "kitchen": "厨房里",
}  # fmt: skip
_CHINESE_DAYS = {"sunny": "晴天", "cloudy": "阴天", "rainy": "雨天", "snowy": "雪天"}
_CHINESE_NIGHTS = {"sunny": "晴朗的夜晚", "cloudy": "多云的夜晚", "rainy": "雨夜", "snowy": "雪夜"}


def where(scene: Scene, language: Language) -> str:
    """`in a park`; 公园里, without 在."""
    return language.place(scene.place) if language.code == "en" else _CHINESE_PLACES[scene.place]


def a_place(scene: Scene, language: Language) -> str:
    """`a park`; 公园."""
    return _ENGLISH_PLACES[scene.place] if language.code == "en" else language.words()[scene.place]


def when(scene: Scene, language: Language) -> str:
    """`on a sunny day`, `at night`; 晴天, 夜晚. Empty for a day indoors, which nobody would mention."""
    night = scene.time == "night"
    if scene.weather is None:
        return ("at night" if language.code == "en" else "夜晚") if night else ""
    if language.code == "en":
        return f"on a {scene.weather} {scene.time}"
    return _CHINESE_NIGHTS[scene.weather] if night else _CHINESE_DAYS[scene.weather]
