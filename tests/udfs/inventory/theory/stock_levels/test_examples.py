"""The examples in the docstrings of the classical policies run as written."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from udfs.inventory.theory import lot_sizing, stock_levels

MODULES = [
    module.name
    for package in (lot_sizing, stock_levels)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 30
