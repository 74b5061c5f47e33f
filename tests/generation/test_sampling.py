"""Which token is chosen: the distribution, its cut at top-p, seeds and extremes."""

from __future__ import annotations

import pytest
import torch

from chiasm.generation.sampling import Decoding, choose

PROBABILITIES = torch.tensor([0.05, 0.5, 0.0, 0.3, 0.15])


def frequencies(decoding: Decoding, logits: torch.Tensor, num_draws: int = 20_000) -> torch.Tensor:
    draws = [Decoding(temperature=1.0, seed=seed).draw() for seed in range(100)]
    counts = torch.zeros(logits.shape[-1])
    for _ in range(num_draws // 100):
        for chosen in choose(logits.expand(100, -1), decoding, draws):
            counts[chosen] += 1
    return counts / num_draws


def test_greedy_takes_the_likeliest_of_each_row() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]], dtype=torch.bfloat16)
    assert choose(logits, Decoding(), []) == [1, 0]


@pytest.mark.parametrize(
    ("temperature", "top_p", "expected"),
    [
        (1.0, 1.0, [0.05, 0.5, 0.0, 0.3, 0.15]),
        # p^2, normalised: 0.0025, 0.25, 0, 0.09, 0.0225 over 0.365
        (0.5, 1.0, [0.0068, 0.6849, 0.0, 0.2466, 0.0616]),
        # 0.5 alone does not reach 0.7, with 0.3 it does
        (1.0, 0.7, [0.0, 0.625, 0.0, 0.375, 0.0]),
        (1.0, 0.49, [0.0, 1.0, 0.0, 0.0, 0.0]),
        (1.0, 1e-9, [0.0, 1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_tokens_are_drawn_as_often_as_their_probability(
    temperature: float, top_p: float, expected: list[float]
) -> None:
    seen = frequencies(Decoding(temperature=temperature, top_p=top_p), PROBABILITIES.log())
    # Four standard deviations of a frequency of one half over 20,000 draws.
    assert torch.allclose(seen, torch.tensor(expected), atol=0.0142)
    assert seen[2] == 0


def test_kept_tokens_are_those_of_transformers_top_p() -> None:
    from transformers import TopPLogitsWarper

    generator = torch.Generator().manual_seed(0)
    for top_p in (0.3, 0.8, 0.95):
        logits = torch.randn(1, 12, generator=generator) * 2
        kept = TopPLogitsWarper(top_p)(torch.zeros(1, 1), logits)[0].isfinite()
        seen = frequencies(Decoding(temperature=1.0, top_p=top_p), logits, 20_000)
        assert not seen[~kept].any()
        assert torch.allclose(seen, logits[0].masked_fill(~kept, -torch.inf).softmax(-1), atol=0.0142)


def test_extreme_temperatures_and_logits_stay_in_the_vocabulary() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0, -torch.inf]])
    for temperature in (1e-6, 1e-3, 1.0, 100.0):
        for top_p in (1e-6, 0.9, 1.0):
            drawn = Decoding(temperature=temperature, top_p=top_p, seed=1)
            assert choose(logits, drawn, [drawn.draw()]) == [0]


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_the_draw_never_give_an_impossible_token(uniform: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor(uniform, dtype=torch.float64))
    logits = torch.tensor([[0.0, 0.2, 0.8, 0.0]]).log()
    for top_p in (1.0, 0.9):
        decoding = Decoding(temperature=1.0, top_p=top_p)
        assert choose(logits, decoding, [decoding.draw()])[0] in (1, 2)


def test_rows_of_a_batch_do_not_disturb_each_other() -> None:
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    decoding = Decoding(temperature=1.0, top_p=0.9, seed=5)
    together = choose(logits, decoding, [decoding.draw() for _ in range(3)])
    assert together == [choose(logits[row : row + 1], decoding, [decoding.draw()])[0] for row in range(3)]


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"max_tokens": 0}, {"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.5}):
        with pytest.raises(ValueError, match="must be"):
            Decoding(**wrong)
