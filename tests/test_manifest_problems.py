"""How the mistakes of a manifest are printed."""

import pytest

from edgecerts.errors import ManifestError, Problem
from edgecerts.report.problems import render_problems


def render(*problems: Problem, source: str = "pki.yaml") -> str:
    """What is printed for these mistakes."""
    return render_problems(ManifestError(source, problems))


def test_a_mistake_is_one_line_with_its_place() -> None:
    problem = Problem(line=12, column=5, message="unknown key `san`", hint="did you mean `alt_names`?")
    assert render(problem) == "pki.yaml:12:5: unknown key `san`; did you mean `alt_names`?\n"


def test_a_mistake_without_a_hint_ends_with_its_message() -> None:
    assert render(Problem(line=1, column=2, message="a value is expected here")) == (
        "pki.yaml:1:2: a value is expected here\n"
    )


def test_mistakes_stand_in_the_order_of_the_text_and_once() -> None:
    later = Problem(line=10, column=1, message="b")
    earlier = Problem(line=9, column=3, message="a")
    left = Problem(line=10, column=1, message="a")
    assert render(later, earlier, left, later) == "pki.yaml:9:3: a\npki.yaml:10:1: a\npki.yaml:10:1: b\n"


@pytest.mark.parametrize(("count", "last"), [(101, "1 more mistake"), (350, "250 more mistakes")])
def test_after_a_hundred_the_rest_is_counted(count: int, last: str) -> None:
    text = render(*(Problem(line=number, column=1, message="x") for number in range(1, count + 1)))
    assert text.splitlines()[99:] == ["pki.yaml:100:1: x", f"pki.yaml: {last}"]


def test_a_hundred_are_all_shown() -> None:
    text = render(*(Problem(line=number, column=1, message="x") for number in range(1, 101)))
    assert len(text.splitlines()) == 100


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    hostile = "a\x1b[31mb\nc\rd\x07\x9b\u202ee\u2028f\u200b\U000e0001"
    text = render(Problem(line=1, column=1, message=f"'{hostile}'", hint=hostile), source="a\x1b.yaml")
    shown = r"a\x1b[31mb\x0ac\x0dd\x07\x9b\u202ee\u2028f\u200b\U000e0001"
    assert text == f"a\\x1b.yaml:1:1: '{shown}'; {shown}\n"


def test_a_hostile_name_cannot_add_lines_to_the_count() -> None:
    problems = [Problem(line=number, column=1, message="x") for number in range(1, 102)]
    assert render(*problems, source="a\nb").splitlines()[-1] == r"a\x0ab: 1 more mistake"


def test_letters_of_all_languages_are_printed_as_they_are() -> None:
    assert render(Problem(line=1, column=1, message="'Zürich 東京 №'")) == "pki.yaml:1:1: 'Zürich 東京 №'\n"
