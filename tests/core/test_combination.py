import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import InputError

NAMES = st.text(max_size=6) | st.sampled_from(["a=b", "x&y", "p;q", "100%", "%3D", " "])
ELEMENTS = st.dictionaries(NAMES.map(str.strip), NAMES.map(str.strip), min_size=1, max_size=5)


@given(ELEMENTS)
def test_text_form_reads_back(elements: dict[str, str]) -> None:
    combination = AttributeCombination(elements)
    assert AttributeCombination.parse(str(combination)) == combination


@given(ELEMENTS, st.randoms())
def test_order_of_elements_does_not_matter(elements: dict[str, str], random: object) -> None:
    forwards = AttributeCombination(elements)
    backwards = AttributeCombination(reversed(elements.items()))
    assert forwards == backwards
    assert hash(forwards) == hash(backwards)
    assert str(forwards) == str(backwards)


@given(ELEMENTS)
def test_parents_are_the_ancestors_one_layer_up(elements: dict[str, str]) -> None:
    combination = AttributeCombination(elements)
    parents = list(combination.parents())
    assert len(set(parents)) == (combination.layer if combination.layer > 1 else 0)
    assert all(p.is_ancestor_of(combination) for p in parents)
    assert all(p.layer == combination.layer - 1 for p in parents)


def test_an_ancestor_is_never_itself_or_a_sibling() -> None:
    site = AttributeCombination({"site": "Site1"})
    assert not site.is_ancestor_of(site)
    assert not site.is_ancestor_of(AttributeCombination({"site": "Site2", "location": "L1"}))
    assert site.is_ancestor_of(AttributeCombination({"site": "Site1", "location": "L1"}))


def test_lower_layers_come_first() -> None:
    deep = AttributeCombination({"a": "1", "b": "1"})
    shallow = AttributeCombination({"z": "9"})
    assert sorted([deep, shallow]) == [shallow, deep]


def test_an_attribute_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        AttributeCombination([("a", "1"), ("a", "2")])
    with pytest.raises(InputError, match="attribute=element"):
        AttributeCombination.parse("site")
