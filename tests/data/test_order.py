"""The order of samples: all of them, once, and as the published sampler groups them."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.data.conversations import ConversationFile
from chiasm.data.order import grouped, short_first, shuffled

_LENGTHS = st.lists(st.integers(-300, 300).filter(bool), min_size=1, max_size=120)


def _published_invariants(order: list[int], lengths: list[int], batch: int) -> None:
    """What holds of `get_modality_length_grouped_indices` for one worker, whatever its random numbers.

    Batches hold one modality and fall in length. The last batch of each of two modalities, whole or not, is set aside:
    both come at the end, by index.
    """
    sizes = [sum((n > 0) == sign for n in lengths) for sign in (True, False)]
    if not all(sizes):
        for at in range(0, len(order), batch):
            found = [abs(lengths[i]) for i in order[at : at + batch]]
            assert found == sorted(found, reverse=True)
        return
    num_full = sum((size - 1) // batch for size in sizes)
    for at in range(0, num_full * batch, batch):
        found = [lengths[i] for i in order[at : at + batch]]
        assert len({n > 0 for n in found}) == 1
        assert [abs(n) for n in found] == sorted((abs(n) for n in found), reverse=True)
    rest = order[num_full * batch :]
    assert rest == sorted(rest)
    for sign, size in zip((True, False), sizes, strict=True):
        assert sum((lengths[i] > 0) == sign for i in rest) == (size - 1) % batch + 1


@settings(max_examples=150, deadline=None)
@given(_LENGTHS, st.integers(1, 17), st.integers(0, 2**40), st.integers(0, 5))
def test_grouped_is_the_published_grouping(lengths: list[int], batch: int, seed: int, epoch: int) -> None:
    order = grouped(lengths, batch, seed, epoch)
    assert sorted(order) == list(range(len(lengths)))
    assert order == grouped(lengths, batch, seed, epoch)
    _published_invariants(order, lengths, batch)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 300), st.integers(0, 2**62), st.integers(0, 9))
def test_shuffled_is_every_sample_once(num: int, seed: int, epoch: int) -> None:
    order = shuffled(num, seed, epoch)
    assert sorted(order) == list(range(num))
    assert order == shuffled(num, seed, epoch)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=200), st.integers(0, 2**40), st.integers(0, 5))
def test_short_first_is_every_sample_once_and_the_long_ones_late(lengths: list[int], seed: int, epoch: int) -> None:
    order = short_first(lengths, seed, epoch)
    assert sorted(order) == list(range(len(lengths)))
    assert order == short_first(lengths, seed, epoch)
    ranked = sorted(lengths)
    for number, index in enumerate(order, start=1):
        assert lengths[index] <= ranked[min(2 * number, len(ranked)) - 1]


def test_short_first_begins_with_short_samples_and_ends_with_all() -> None:
    lengths = random.Random(0).choices(range(1, 1000), k=10_000)
    order = short_first(lengths, 0, 0)
    tenths = [[lengths[i] for i in order[at : at + 1000]] for at in range(0, 10_000, 1000)]
    means = [sum(tenth) / 1000 for tenth in tenths]
    assert max(tenths[0]) < 220  # of a thousand
    assert means[:5] == sorted(means[:5])
    assert min(tenths[-1]) < 200
    assert max(tenths[-1]) > 990


def test_seed_and_epoch_each_change_the_order() -> None:
    lengths = random.Random(0).choices([n for n in range(-99, 100) if n], k=64)
    sorts = (
        lambda s, e: tuple(shuffled(64, s, e)),
        lambda s, e: tuple(grouped(lengths, 8, s, e)),
        lambda s, e: tuple(short_first(lengths, s, e)),
    )
    for sort in sorts:
        assert len({sort(seed, epoch) for seed in range(4) for epoch in range(4)}) == 16


def test_batches_of_both_modalities_are_mixed_over_the_epoch() -> None:
    lengths = [10] * 512 + [-10] * 512
    modality = [lengths[order] > 0 for order in grouped(lengths, 8, 0, 0)][::8]
    changes = sum(a != b for a, b in itertools.pairwise(modality))
    assert 40 < changes < 90  # 127 places, half of them expected to change


def test_members_of_a_batch_are_drawn_at_random() -> None:
    # Length decides the order inside a batch only: a batch is no slice of the sorted samples.
    lengths = list(range(1, 129))
    first = [lengths[i] for i in grouped(lengths, 8, 0, 0)[:8]]
    assert max(first) - min(first) > 32


def test_a_length_of_zero_is_misuse() -> None:
    with pytest.raises(ValueError, match="0"):
        grouped([1, 0, -2], 2, 0, 0)


def test_words_decide_the_length_and_a_picture_the_modality(tmp_path: Path) -> None:
    def turns(*values: str) -> list[dict[str, str]]:
        return [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]

    records = [
        {"image": "a.jpg", "conversations": turns("<image>\none two", "three")},
        {"conversations": turns("one two  three\nfour", "five")},
        {"conversations": [{"role": "user", "content": "a b"}, {"role": "assistant", "content": "c"}]},
        {"conversations": turns("", "")},
        {"conversations": None},
        {},
    ]
    (tmp_path / "r.json").write_text(json.dumps(records))
    lengths = ConversationFile(tmp_path / "r.json").word_lengths()
    assert lengths[0] > 0
    assert lengths[1:3] == [-5, -3]
    assert all(length < 0 for length in lengths[3:])  # nothing is of length 0: the sampler has no place for it


def test_real_mixture_is_grouped(shared_data: Path) -> None:
    lengths = ConversationFile(shared_data / "llava_text" / "llava_v1_5_mix1k.jsonl").word_lengths()
    assert len(lengths) == 1000
    _published_invariants(grouped(lengths, 16, 42, 0), lengths, 16)
