"""What LLaVA's papers and model zoo report, to be shown beside our own numbers.

Names of tasks and metrics are those of `chiasm.evals`. Users see run-to-run differences of about 20 points on MME and
of 0.3 to 1 elsewhere, and scores given by another judge than the published one do not compare at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_ZOO = "LLaVA's model zoo (docs/MODEL_ZOO.md)"
_V15 = "arXiv:2310.03744"
_V1 = "arXiv:2304.08485"


@dataclass(frozen=True, slots=True)
class Published:
    """Numbers for one task: `values[model][metric]`. `on` says which questions they were measured on, and by whom.

    `sizes` are the numbers of questions of those sets: our numbers on a set of another size do not compare.
    """

    on: str
    sizes: tuple[int, ...]
    source: str
    values: Mapping[str, Mapping[str, float]]


def published(task: str) -> Published | None:
    """The published numbers of a task; None for tasks LLaVA did not report."""
    return _PUBLISHED.get(task)


_ALL = (
    "LLaVA-1.5-7B",
    "LLaVA-1.5-13B",
    "LLaVA-1.5-7B-LoRA",
    "LLaVA-1.5-13B-LoRA",
    "LLaVA-1.5-13B-HD",
    "LLaVA-1.6-7B",
    "LLaVA-1.6-13B",
    "LLaVA-1.6-Mistral-7B",
    "LLaVA-1.6-34B",
)


def _row(metric: str, *values: float) -> dict[str, dict[str, float]]:
    """One metric of the nine models both tables have, in the order of `_ALL`."""
    return {model: {metric: value} for model, value in zip(_ALL, values, strict=True)}


def _with(*tables: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Several tables as one."""
    joined: dict[str, dict[str, float]] = {}
    for table in tables:
        for model, metrics in table.items():
            joined.setdefault(model, {}).update(metrics)
    return joined


# The tables of the model zoo; LLaVA-1.6 are the numbers of its release post.
_PUBLISHED: Mapping[str, Published] = {
    "vqav2": Published(
        "test-dev, by the server",
        (107_394, 447_793),
        _ZOO,
        _row("accuracy", 78.5, 80.0, 79.1, 80.0, 81.8, 81.8, 82.8, 82.2, 83.7),
    ),
    "gqa": Published(
        "testdev_balanced", (12_578,), _ZOO, _row("accuracy", 62.0, 63.3, 63.0, 63.3, 64.7, 64.2, 65.4, 64.8, 67.1)
    ),
    "vizwiz": Published(
        "test, by the server", (8_000,), _ZOO, _row("accuracy", 50.0, 53.6, 47.8, 58.9, 57.5, 57.6, 60.5, 60.0, 63.8)
    ),
    "textvqa": Published(
        "val, with reference OCR tokens",
        (5_000,),
        _ZOO,
        _row("accuracy", 58.2, 61.3, 58.2, 60.2, 62.5, 64.9, 67.1, 65.7, 69.5),
    ),
    "pope": Published(
        "COCO val2014; F1 of the three samplings and their mean",
        (8_910, 9_000),
        f"{_ZOO}; samplings {_V15}",
        _with(
            {"LLaVA-1-7B": {"f1_random": 76.3, "f1_popular": 72.2, "f1_adversarial": 70.1}},
            _row("f1", 85.9, 85.9, 86.4, 86.7, 86.3, 86.5, 86.2, 86.7, 87.7),
            {
                "LLaVA-1.5-7B": {"f1_random": 87.3, "f1_popular": 86.1, "f1_adversarial": 84.2},
                "LLaVA-1.5-13B": {"f1_random": 87.1, "f1_popular": 86.2, "f1_adversarial": 84.5},
                "LLaVA-1.5-13B-HD": {"f1_random": 87.5, "f1_popular": 86.4, "f1_adversarial": 85.0},
            },
        ),
    ),
    "mme": Published(
        "all tasks; perception of at most 2000, cognition of at most 800",
        (2_374,),
        _ZOO,
        _with(
            {"LLaVA-1-7B": {"perception": 809.6}},
            _row("perception", 1510.7, 1531.3, 1476.9, 1541.7, 1500.1, 1519, 1575, 1498, 1631),
            {
                "LLaVA-1.6-7B": {"cognition": 332},
                "LLaVA-1.6-13B": {"cognition": 326},
                "LLaVA-1.6-Mistral-7B": {"cognition": 321},
                "LLaVA-1.6-34B": {"cognition": 397},
            },
        ),
    ),
    "mmbench": Published(
        "dev, circular, by the server",
        (4_377, 4_329),
        _ZOO,
        _with(
            {"LLaVA-1-7B": {"accuracy_circular": 38.7}},
            _row("accuracy_circular", 64.3, 67.7, 66.1, 68.5, 68.8, 67.4, 70, 68.7, 79.3),
        ),
    ),
    "mmbench_cn": Published(
        "dev, circular, by the server",
        (4_377, 4_329),
        _ZOO,
        _with(
            {"LLaVA-1-7B": {"accuracy_circular": 36.4}},
            _row("accuracy_circular", 58.3, 63.6, 58.9, 61.5, 61.9, 60.6, 64.4, 61.2, 79),
        ),
    ),
    "scienceqa": Published(
        "test; since 1.5 questions with a picture only. LLaVA-1 was trained on ScienceQA",
        (4_241,),
        f"{_ZOO}; LLaVA-1 {_V1}, table 7",
        _with(
            {"LLaVA-1-13B (trained on it)": {"accuracy": 90.92, "accuracy_image": 88.00}},
            _row("accuracy_image", 66.8, 71.6, 68.4, 71.2, 71.0, 70.1, 73.6, 72.8, 81.8),
        ),
    ),
    "seed_bench": Published(
        "SEED-Bench-1, pictures and middle frames",
        (19_242,),
        _ZOO,
        {
            "LLaVA-1-7B": {"accuracy": 33.5},
            "LLaVA-1.5-7B": {"accuracy": 58.6, "accuracy_image": 66.1, "accuracy_video": 37.3},
            "LLaVA-1.5-13B": {"accuracy": 61.6, "accuracy_image": 68.2, "accuracy_video": 42.7},
            "LLaVA-1.5-7B-LoRA": {"accuracy": 60.1},
            "LLaVA-1.5-13B-LoRA": {"accuracy": 61.3},
            "LLaVA-1.5-13B-HD": {"accuracy": 62.6, "accuracy_image": 70.1, "accuracy_video": 41.3},
            "LLaVA-1.6-7B": {"accuracy_image": 70.2},
            "LLaVA-1.6-13B": {"accuracy_image": 71.9},
            "LLaVA-1.6-Mistral-7B": {"accuracy_image": 72.2},
            "LLaVA-1.6-34B": {"accuracy_image": 75.9},
        },
    ),
    "llava_bench_wild": Published(
        "60 questions, judged by gpt-4-0314",
        (60,),
        f"{_ZOO}; LLaVA-1 its evaluation page",
        _with(
            {
                "LLaVA-1-13B (Vicuna-1.3, 336, LoRA)": {
                    "relative_conv": 64.3,
                    "relative_detail": 55.9,
                    "relative_complex": 81.7,
                    "relative_all": 70.1,
                },
                "LLaVA-1-13B (LLaMA-2)": {
                    "relative_conv": 56.7,
                    "relative_detail": 58.6,
                    "relative_complex": 80.0,
                    "relative_all": 67.9,
                },
                "LLaVA-1-7B (LLaMA-2, LoRA)": {
                    "relative_conv": 51.2,
                    "relative_detail": 58.9,
                    "relative_complex": 71.6,
                    "relative_all": 62.8,
                },
            },
            _row("relative_all", 65.4, 72.5, 67.9, 69.5, 72.0, 81.6, 87.3, 83.2, 89.6),
        ),
    ),
    "llava_bench_coco": Published(
        "90 questions, judged by GPT-4",
        (90,),
        f"{_V1}, table 4",
        {
            "LLaVA-1 (full data)": {
                "relative_conv": 83.1,
                "relative_detail": 75.3,
                "relative_complex": 96.5,
                "relative_all": 85.1,
            },
            "LLaVA-1 (no instruction tuning)": {
                "relative_conv": 22.0,
                "relative_detail": 24.0,
                "relative_complex": 18.5,
                "relative_all": 21.5,
            },
        },
    ),
    "mm_vet": Published(
        "218 questions, judged by gpt-4-0613",
        (218,),
        _ZOO,
        _with({"LLaVA-1-7B": {"total": 25.5}}, _row("total", 31.1, 36.1, 30.2, 38.3, 39.4, 43.9, 48.4, 47.3, 57.4)),
    ),
}
