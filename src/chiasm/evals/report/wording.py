"""Numbers and findings of a report in words, the same in Markdown, on the page and in the terminal."""

from __future__ import annotations

from chiasm.evals.report.entry import Against, Entry, Measured, Spent

# The published models that stand beside our numbers: one of each generation, and the second size of the middle one.
_BESIDE = ("LLaVA-1-7B", "LLaVA-1.5-7B", "LLaVA-1.5-13B", "LLaVA-1.6-7B")
_SURE = 0.05  # below it a difference is called unlikely to be chance


def number(value: float) -> str:
    """One decimal, as the field's tables have it."""
    return f"{value:.1f}"


def span(measured: Measured) -> str:
    """The interval in brackets; empty where there is none."""
    if measured.low is None or measured.high is None:
        return ""
    return f"[{number(measured.low)}, {number(measured.high)}]"


def signed(value: float) -> str:
    """A difference."""
    return f"{value:+.1f}"


def duration(seconds: float) -> str:
    """42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def invalid(entry: Entry) -> str:
    """How many answers could not be read."""
    if not entry.num_invalid:
        return "0"
    share = 100 * entry.num_invalid / max(1, entry.num_questions)
    return f"{entry.num_invalid:,} ({share:.1f} %)"


def facts(entry: Entry) -> list[str]:
    """What must be known to read an entry's numbers."""
    said = [entry.extent, f"rule: {entry.rule}", f"invalid answers: {invalid(entry)}"]
    if entry.num_resamples:
        unit = "questions" if entry.num_groups == entry.num_questions else "groups of questions"
        said.append(f"intervals: {entry.num_resamples:,} resamples of {entry.num_groups:,} {unit}")
    if entry.judge:
        said.append(f"judge: {entry.judge}")
    return said + (_spent(entry.spent, entry.num_questions) if entry.spent else [])


def _spent(spent: Spent, num_answers: int) -> list[str]:
    said = []
    if spent.seconds:
        said.append(f"answered in {duration(spent.seconds)} ({num_answers / spent.seconds:,.1f} a second)")
    if spent.num_prompt or spent.num_answer:
        said.append(f"{spent.num_prompt:,} prompt and {spent.num_answer:,} answer tokens")
    if spent.cost:
        said.append(f"cost: {spent.cost}")
    if spent.num_cut:
        said.append(f"{spent.num_cut:,} answers cut at the longest length")
    if spent.num_refused:
        said.append(f"{spent.num_refused:,} answers withheld by the provider")
    return said


def compared(against: Against) -> str:
    """What a comparison found, in sentences."""
    num = against.num_won + against.num_lost + against.num_tied
    p_value = f"p = {against.p_value:.3f}" if against.p_value >= 0.001 else "p < 0.001"
    chance = "is unlikely to be chance" if against.p_value < _SURE else "may well be chance"
    return (
        f"Of {num:,} questions this run answers {against.num_won:,} better than {against.run}, {against.num_lost:,} "
        f"worse and {against.num_tied:,} equally well: a split that {chance} ({p_value}, {against.test})."
    )


def difference(measured: Measured) -> str:
    """A difference with its interval."""
    return f"{signed(measured.value)} {span(measured)}".strip()


def beside(entry: Entry) -> dict[str, dict[str, float]]:
    """The published models to show in an entry's own table, with their metrics; none where they do not compare."""
    values = entry.published.values if entry.published and entry.published.comparable else {}
    chosen = {model: values[model] for model in _BESIDE if model in values}
    return chosen or dict(list(values.items())[:3])


def published_title(entry: Entry) -> str:
    """What the published numbers are of."""
    if entry.published is None:
        return ""
    same = "All published numbers" if entry.published.comparable else "Published numbers, of other questions than these"
    return f"{same}: {entry.published.on}"
