"""What is wrong with declared values, in the house's words: pydantic checks them, but a person reads these."""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from lakehouse.toml_file import Key, dotted

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "date_type": "a day, such as 2024-01-31 without quotes",
    "date_parsing": "a day, such as 2024-01-31 without quotes",
    "date_from_datetime_parsing": "a day, such as 2024-01-31 without quotes",
    "date_from_datetime_inexact": "a day, such as 2024-01-31 without quotes",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "mapping_type": "a table",
    "dataclass_type": "a table of settings",
    "model_type": "a table of settings",
    "model_attributes_type": "a table of settings",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "greater_than": "more than {gt:g}",
    "less_than": "less than {lt:g}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} character",
    "string_pattern_mismatch": "a text of the form {pattern}",
    "literal_error": "{expected}",
}
_FORMS = {
    "^[A-Z]{2}$": "a code of two capital letters, such as DE",
    "^[A-Z]{3}$": "a code of three capital letters, such as EUR",
    "^[a-z][a-z0-9_]*$": "a name of small letters, digits and _, such as my_shop",
}
_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the path of keys to it, and what was expected and found there."""

    path: tuple[Key, ...]
    words: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.words}" if self.path else self.words


def nearest(word: str, known: Iterable[str]) -> str:
    """ " (did you mean 'x'?)" with the known word that is spelt most alike; '' where none is alike."""
    spelt = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(word).lower(), spelt, 1, cutoff=0.66)
    return f" (did you mean {spelt[found[0]]!r}?)" if found else ""


def faults_of(error: ValidationError, model: type[Any], values: Mapping[str, Any], thing: str = "key") -> list[Fault]:
    """Every fault that pydantic found in the `values` of a `model`, in the order of their keys.

    thing: what a key of the model is called, such as "setting".
    """
    by_path: dict[tuple[Key, ...], list[Any]] = {}
    for each in error.errors():
        by_path.setdefault(_path_in(values, each), []).append(each)
    faults = []
    for path, all_found in by_path.items():
        # Of a union, the members that the value is not meant for say but that it is of another type.
        found = [each for each in all_found if not _is_of_type(each)] or all_found
        is_deeper = any(other[: len(path)] == path and other != path for other in by_path)
        if is_deeper and isinstance(found[0]["input"], dict) and all(_is_of_type(each) for each in found):
            continue  # it is the table that the other member of a union wants, and that one has its own faults
        faults.append(_fault(model, path, found, thing))
    return faults


def _is_of_type(found: Any) -> bool:
    return str(found["type"]).endswith("_type")


def _path_in(values: Any, found: Any) -> tuple[Key, ...]:
    """Where the error is in the values: without pydantic's names for the members of a union."""
    path: list[Key] = []
    here = values
    for key in found["loc"]:
        is_entry = isinstance(here, list | tuple) and isinstance(key, int) and key < len(here)
        if is_entry or (isinstance(here, dict) and key in here):
            here = here[key]
        elif found["type"] != "missing" or key != found["loc"][-1]:
            continue
        path.append(key)
    return tuple(path)


def _fault(model: type[Any], path: tuple[Key, ...], found: Sequence[Any], thing: str) -> Fault:
    first, context = found[0], found[0].get("ctx", {})
    if first["type"] in _UNKNOWN_KEY:
        known = known_keys(model, path[:-1])
        return Fault(path, f"no such {thing}{nearest(str(path[-1]), known)}; known: {', '.join(known)}")
    if first["type"] == "missing":
        return Fault(path[:-1], f"expected the {thing} {path[-1]!r}, which is missing")
    if first["type"] == "value_error":
        return _of_words(path, str(context["error"]), first["input"])
    expected = " or ".join(dict.fromkeys(_expected(each) for each in found))
    if thing != "setting":
        expected = expected.replace(" of settings", "")
    value = first["input"]
    hint = nearest(value, re.findall(r"'([^']*)'", expected)) if first["type"] == "literal_error" else ""
    return Fault(path, f"expected {expected}, found {_shown(value)}{hint}")


def _shown(value: Any) -> str:
    """What was found: tables by their number alone, which says what is wrong with them."""
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return f"{len(value)} of them ([[...]] makes a list); write it once, as [...], with all that belongs to it"
    return "a table" if isinstance(value, dict) else f"{value!r:.200}"


def _expected(found: Any) -> str:
    known, context = _EXPECTED.get(found["type"]), found.get("ctx", {})
    if form := _FORMS.get(context.get("pattern", "")):
        return form
    return known.format(**context) if known else found["msg"].removeprefix("Input should be ")


def _of_words(path: tuple[Key, ...], words: str, value: Any) -> Fault:
    """A check's own words; where they begin with a key of the table (`key: ...`, `key = ...`), they belong to it."""
    named = re.match(r"(?:\w+\.)?(\w+)(: | = |\b)", words)
    if named is None:
        return Fault(path, words)
    if named[2] == ": ":
        return Fault((*path, named[1]), words[named.end() :])
    if named[2] == " = " and path[-1:] == (named[1],):
        return Fault(path, words)
    is_key = isinstance(value, dict) and named[1] in value
    return Fault((*path, named[1]), words) if is_key else Fault(path, words)


def known_keys(model: Any, path: Sequence[Key]) -> list[str]:
    """The keys of the model's table to which `path` leads, through lists, tables by name and unions."""
    for key in path:
        hints = get_type_hints(model) if isinstance(key, str) and _has_fields(model) else {}
        model = hints[key] if key in hints else _inside(model)
        model = _table_of(model)
    fields = model.model_fields if hasattr(model, "model_fields") else {}
    return sorted(fields) or sorted(field.name for field in dataclasses.fields(model))


def _has_fields(model: Any) -> bool:
    return isinstance(model, type) and (issubclass(model, BaseModel) or dataclasses.is_dataclass(model))


def _inside(annotation: Any) -> Any:
    """What stands in a list, or under a name in a dict."""
    arguments = [each for each in get_args(annotation) if each is not Ellipsis]
    return arguments[-1] if arguments else annotation


def _table_of(annotation: Any) -> Any:
    """Of a union, the member that is a table."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    members = [each for each in get_args(annotation) if each is not type(None)]
    return next((each for each in members if _has_fields(each)), members[0])
