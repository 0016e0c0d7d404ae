"""Files that belong together by their names."""

import pytest

from budgetai_core.context.related_files import RelatedFiles


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("src/cart.py", "tests/test_cart.py"),
        ("cart.go", "cart_test.go"),
        ("src/cart.ts", "src/cart.test.ts"),
        ("src/cart.ts", "spec/cart.spec.ts"),
        ("main/java/Cart.java", "test/java/CartTest.java"),
        ("lib/cart.rb", "spec/cart_spec.rb"),
        ("include/cart.h", "src/cart.cpp"),
    ],
)
def test_test_and_tested_header_and_source(one: str, other: str) -> None:
    siblings = RelatedFiles()
    for path in (one, other, "src/mail.py"):
        siblings.add(path)
    assert siblings.of(one) == {other}
    assert siblings.of(other) == {one}
    siblings.remove(other)
    assert siblings.of(one) == set()


def test_names_of_every_folder_are_no_siblings() -> None:
    siblings = RelatedFiles()
    for path in ("a/__init__.py", "b/__init__.py", "latest.py", "late.py"):
        siblings.add(path)
    assert siblings.of("a/__init__.py") == set()
    assert siblings.of("latest.py") == set()


def test_a_name_of_many_files_is_a_pattern() -> None:
    siblings = RelatedFiles()
    for number in range(9):
        siblings.add(f"{number}/handler.py")
    assert siblings.of("0/handler.py") == set()
