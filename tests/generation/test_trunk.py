"""One buffer for a trunk and its branches: who sees what, places freed and used again, room that grows."""

from __future__ import annotations

import pytest
import torch

from chiasm.generation.features import Features
from chiasm.generation.prompt import runs
from chiasm.generation.sampling import Decoding
from chiasm.generation.trunk import Branch, Trunk
from tests.generation.tiny import NUM_PATCHES, ours, prompt


def keys(places: range) -> torch.Tensor:
    """Keys (1, 1, T, 1) that tell which place they were written for."""
    return torch.tensor([float(place) for place in places])[None, None, :, None]


def grown(num_shared: int, *questions: list[int]) -> tuple[Trunk, list[Branch]]:
    front = list(range(num_shared))
    branches = [Branch(prompt([*front, *q]), Decoding(8), 8, num_shared) for q in questions]
    trunk = Trunk(branches[0].prompt, num_shared)
    for branch in branches:
        trunk.add(branch)
    return trunk, branches


def write(trunk: Trunk, owners: list[int], positions: list[int]) -> None:
    """One step of one layer; keys are 100 times the owner plus the position."""
    trunk.make_room(len(owners), 1000)
    trunk.assign(owners, positions)
    first = trunk.num_ready if trunk.num_ready < len(trunk) else trunk.used
    values = [float(p) for p in range(first, len(trunk))] if first < len(trunk) else []
    values += [100.0 * o + p for o, p in zip(owners, positions, strict=True)]
    new = torch.tensor(values)[None, None, :, None]
    trunk.write(0, first, new, -new)
    trunk.commit(trunk.used + len(owners))


def test_a_place_sees_the_trunk_and_its_own_branch_up_to_itself() -> None:
    trunk, (one, other) = grown(2, [7, 8], [9])
    write(trunk, [one.number, one.number, other.number], [2, 3, 2])
    #      trunk      one   other
    rows = [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert trunk.visible(slice(2, 5), None).int().tolist() == rows
    # A window of two positions: itself and the one before.
    rows = [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0, 1]]
    assert trunk.visible(slice(2, 5), 2).int().tolist() == rows
    assert trunk.visible(slice(0, 2), None).int().tolist() == [[1, 0], [1, 1]]


def test_places_of_a_branch_alone_see_all_before_them() -> None:
    trunk, (one,) = grown(2, [7, 8])
    write(trunk, [one.number] * 2, [2, 3])
    assert trunk.sees_all_before(None)
    assert trunk.visible(slice(0, 4), None).int().tolist() == torch.ones(4, 4).tril().int().tolist()
    assert not trunk.sees_all_before(2)
    other = Branch(prompt([0, 1, 9]), Decoding(8), 8, 2)
    trunk.add(other)
    write(trunk, [one.number, other.number], [4, 2])
    assert not trunk.sees_all_before(None)
    trunk.drop(one)  # its places are there still
    assert not trunk.sees_all_before(None)
    trunk.drop(other)
    trunk.add(one)
    write(trunk, [one.number], [2])
    assert trunk.sees_all_before(None)
    assert trunk.visible(slice(2, 3), None).all()


def test_places_of_who_left_are_not_seen_and_given_up() -> None:
    trunk, (one, other) = grown(2, [7, 8, 9], [9])
    write(trunk, [one.number] * 3 + [other.number], [2, 3, 4, 2])
    trunk.drop(one)
    assert trunk.visible(slice(5, 6), None).int().tolist() == [[1, 1, 0, 0, 0, 1]]
    assert (trunk.used, trunk.num_gone) == (6, 3)
    trunk.compact()
    assert (trunk.used, trunk.num_gone) == (3, 0)
    held, values = trunk.held(0, 3)
    assert held.flatten().tolist() == [0.0, 1.0, 202.0]
    assert torch.equal(values, -held)
    write(trunk, [other.number], [3])
    assert trunk.held(0, 4)[0].flatten().tolist() == [0.0, 1.0, 202.0, 203.0]
    trunk.drop(other)
    assert trunk.used == 2


def test_many_that_come_and_go_take_no_more_room_than_those_who_are_there() -> None:
    trunk, (first,) = grown(4, [7])
    write(trunk, [first.number], [4])
    for n in range(200):
        guest = Branch(prompt([0, 1, 2, 3, n]), Decoding(8), 8, 4)
        trunk.add(guest)
        write(trunk, [guest.number, first.number], [4, 5 + n])
        trunk.drop(guest)
    live = 4 + 201
    assert trunk.used - trunk.num_gone == live
    held = trunk.held(0, trunk.used)[0]
    assert held.shape[2] <= 2 * live
    seen = trunk.visible(slice(trunk.used - 1, trunk.used), None)[0]
    assert held.flatten()[seen].tolist() == [0.0, 1.0, 2.0, 3.0, *(100.0 + p for p in range(4, 205))]


def test_a_trunk_that_all_have_left_keeps_little_more_than_itself() -> None:
    trunk, guests = grown(100, *([n] for n in range(8)))
    for step in range(60):
        write(trunk, [guest.number for guest in guests], [100 + step] * 8)
    assert trunk.num_held >= trunk.used == 100 + 8 * 60
    for guest in guests:
        trunk.drop(guest)
    assert trunk.used == 100
    assert trunk._places.keys[0].shape[2] == trunk._places.values[0].shape[2] == trunk.num_held <= 125
    buffer = trunk._places.keys[0]
    trunk.add(guests[0])
    write(trunk, [guests[0].number], [100])
    assert trunk._places.keys[0] is buffer  # places were kept for a next turn
    assert trunk.held(0, 101)[0].flatten().tolist() == [*map(float, range(100)), 100.0 * guests[0].number + 100]


def test_no_more_places_are_kept_for_later_than_is_said() -> None:
    trunk, (one,) = grown(2, [7, 8])
    for num_new, max_spare, held in ((2, 3, 2 + 2 + 3), (3, 99, 7), (1, 0, 8), (1, 99, 9 + 16)):
        trunk.make_room(num_new, max_spare)
        assert trunk.num_held == held
        write(trunk, [one.number] * num_new, [trunk.used + n for n in range(num_new)])
        assert trunk._places.keys[0].shape[2] == held
    trunk.compact()
    assert trunk._places.keys[0].shape[2] == trunk.num_held == trunk.used == 9


def test_a_front_is_copied() -> None:
    source, (one,) = grown(3, [7])
    write(source, [one.number], [3])
    copy = Trunk(prompt([0, 1, 9, 9, 9]), 4)
    copy.make_room(1, 1000)
    copy.copy_front(source, 2)
    assert (copy.num_ready, len(copy)) == (2, 4)
    write(copy, [1], [4])
    assert copy.held(0, 5)[0].flatten().tolist() == [0.0, 1.0, 2.0, 3.0, 104.0]
    assert source.held(0, 4)[0].flatten().tolist() == [0.0, 1.0, 2.0, 103.0]


def test_a_front_is_taken_over_with_its_buffers() -> None:
    source, (one,) = grown(3, [7])
    write(source, [one.number], [3])
    buffer = source._places.keys[0]
    heir = Trunk(prompt([0, 1, 9, 9, 9]), 4)
    heir.take_over(source, 2)
    assert (heir.num_ready, len(heir), heir.num_held) == (2, 4, source.num_held)
    write(heir, [1], [4])
    assert heir._places.keys[0] is buffer
    assert heir.held(0, 5)[0].flatten().tolist() == [0.0, 1.0, 2.0, 3.0, 104.0]


A = [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        ([prompt([*A, 7])], [(0, 1, 6)]),
        ([prompt([*A, 7]), prompt([*A, 8, 9]), prompt([*A, 7])], [(0, 3, 6)]),
        # What all share; a token is left to each, also to the shortest.
        ([prompt([*A, 7, 8, 9]), prompt([*A, 7]), prompt([*A, 7, 8])], [(0, 3, 6)]),
        # Two of six tokens are strangers' system text.
        ([prompt([*A, 7]), prompt([1, 2, 40, 41, 42, 43, 44]), prompt([1, 2, 40, 41, 50])], [(0, 1, 6), (1, 2, 4)]),
        # A picture is worth sharing, however long the question; half a picture is none.
        (
            [prompt([1], "3", list(range(40))), prompt([1], "3", [50]), prompt([1], "4", [50])],
            [(0, 2, 1 + NUM_PATCHES), (2, 1, 1 + NUM_PATCHES)],
        ),
        ([prompt([*A, 7])] * 5, [(0, 4, 6), (4, 1, 6)]),
        ([], []),
    ],
)
def test_neighbours_that_begin_alike_are_a_run(prompts: list, expected: list[tuple[int, int, int]]) -> None:
    assert [(start, len(run), shared) for start, run, shared in runs(prompts, 4)] == expected


def test_features_are_kept_up_to_a_number_of_bytes_and_the_latest_longest() -> None:
    model = ours()
    calls: list[int] = []
    encode, see = ours().encode_images, model.see
    model.see = lambda x: calls.append(len(x)) or see(x)  # type: ignore[func-returns-value, method-assign]
    features = Features(model, max_bytes=2 * NUM_PATCHES * 48 * 4)
    with torch.inference_mode():
        for seeds in ("3", "34", "3", "5", "3", "4"):
            asked = [prompt([1], seed) for seed in seeds]
            found = features.of((each, each.pictures[0]) for each in asked)
            assert set(found) == set(seeds)
            assert torch.allclose(found["3"] if "3" in seeds else found[seeds], encode(asked[0].pixels)[0], atol=1e-5)
    # 3; 4 (3 is there); 3 is there; 5 pushes 4 out; 3 is there; 4 again
    assert calls == [1, 1, 1, 1]
