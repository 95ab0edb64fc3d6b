import sys
from pathlib import Path

import pytest

from faultsight.core.errors import FaultSightError, UnknownMemberError
from faultsight.core.family import Family


class Animal:
    """The base that the members of the test's family derive from."""


@pytest.fixture
def animals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Family[Animal]:
    package = tmp_path / "zoo"
    package.mkdir()
    (package / "__init__.py").write_text("")
    member = "from tests_animal import Animal\nclass {0}(Animal): pass\n"
    (package / "cat.py").write_text(member.format("Cat"))
    (package / "_hidden.py").write_text(member.format("Hidden"))
    (package / "twins.py").write_text(member.format("One") + "class Two(Animal): pass\n")
    (package / "broken.py").write_text("raise RuntimeError\n")
    module = type(sys)("tests_animal")
    module.Animal = Animal  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_animal", module)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Family(kind="animal", base=Animal, packages=("zoo",))


def test_a_file_is_a_member_and_none_is_imported_to_list_them(animals: Family[Animal]) -> None:
    assert animals.names() == ["broken", "cat", "twins"]
    assert "zoo.cat" not in sys.modules
    assert animals.load("cat").__name__ == "Cat"


def test_an_unknown_name_lists_the_known_ones(animals: Family[Animal]) -> None:
    with pytest.raises(UnknownMemberError, match="no animal is called 'dog'; there are broken"):
        animals.load("dog")


def test_a_file_holds_one_member(animals: Family[Animal]) -> None:
    with pytest.raises(FaultSightError, match=r"zoo\.twins must hold one public Animal; it holds"):
        animals.load("twins")
