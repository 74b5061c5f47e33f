"""TEMPORARY: positions of object names until object_names offers them."""

from __future__ import annotations

from collections.abc import Iterator

from chiasm.data import object_names as on


def find(text: str, language: str) -> Iterator[tuple[str, int, int]]:
    if language == "zh":
        pattern, names = on._chinese()
        for match in pattern.finditer(text):
            if category := names[match[0]]:
                yield category, match.start(), match.end()
        return
    matches = list(on._TOKEN.finditer(text.lower()))
    words = [on._without_possessive(m[0]) for m in matches]
    phrases = on._phrases()
    at = 0
    while at < len(words):
        word = words[at]
        if (word in ("orange", "oranges") or word in on.lists.GAMES) and on._is_thing(words, at):
            yield "sports ball" if word in on.lists.GAMES else "orange", matches[at].start(), matches[at].end()
            at += 1
            continue
        if word in on.lists.KIN and (animal := on._young_animal(words, at)):
            at = animal
            continue
        for phrase, category in phrases.get(word, ()):
            if tuple(words[at : at + len(phrase)]) == phrase and not on._goes_on(words, at + len(phrase)):
                if category:
                    yield category, matches[at].start(), matches[at + len(phrase) - 1].end()
                at += len(phrase)
                break
        else:
            at += 1
