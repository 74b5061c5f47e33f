"""Every sample of a stage looked at before its first step: what is broken is known before hours were spent.

By the rule of training itself, short of decoding pictures: what is damaged in the middle is left out when its turn
comes, what is cut short is known here. Many processes share the work.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict

from chiasm.conversation import RecordError
from chiasm.data.daemon_pool import Late, why_late
from chiasm.data.in_threads import in_threads
from chiasm.errors import UserError
from chiasm.processing.pictures import PictureError
from chiasm.training.metrics import Reporter
from chiasm.training.objectives import Objective
from chiasm.training.parallel import World
from chiasm.training.samples import Unusable
from chiasm.training.waiting import advice, called

_QUIET_SECONDS = 15.0  # between notes; ours


def first_look(
    objective: Objective,
    indices: Sequence[int],
    workers: int,
    world: World,
    reporter: Reporter,
    patience: float = math.inf,
) -> list[Unusable]:
    """Those of the samples `indices` that cannot be used, in that order. All processes call it, and all get all.

    Raises `UserError` where one does not come in `patience` seconds of waiting.
    """
    mine = range(world.rank, len(indices), world.size)
    found, said = [], time.monotonic()
    looks = in_threads(lambda place: _look(objective, place, indices[place]), mine, workers, patience)
    try:
        for done, unusable in enumerate(looks, start=1):
            if unusable is not None:
                found.append(asdict(unusable))
            if time.monotonic() - said > _QUIET_SECONDS:
                said = time.monotonic()
                reporter.note(f"looking at the samples: {done * world.size} of {len(indices)}")
    except Late as late:
        name = called(objective, indices[late.thing])
        raise UserError(f"{why_late(name, patience)}. {advice('No step was done yet')}") from None
    everywhere = [Unusable(**values) for part in world.exchange(found) for values in part]
    return sorted(everywhere, key=lambda each: each.place)


def _look(objective: Objective, place: int, index: int) -> Unusable | None:
    try:
        objective.look(index)
    except (RecordError, PictureError) as error:
        return Unusable(place, index, objective.name(index), error.reason, str(error))
    return None
