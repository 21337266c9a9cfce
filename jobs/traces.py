"""What is kept and what is said of an error that nobody expected."""

from __future__ import annotations

import re
import sys
import tempfile
import traceback
from datetime import datetime

_MOST_CHARACTERS = 500
_SECRET = re.compile(r"(?i)([^\s=]*(?:storage_options|secret|password|token|key)[^\s=]*=|://[^/\s:@]*:)[^@]*")


def kept_trace(error: BaseException) -> str:
    """Write the trace, the engine's included, to a file of its own; returns the file's path."""
    name = f"shelfcast-{datetime.now():%Y%m%d-%H%M%S}-"
    with tempfile.NamedTemporaryFile("w", prefix=name, suffix=".log", delete=False, encoding="utf-8") as file:
        called = " ".join(_SECRET.sub(r"\1***", word) for word in sys.argv)
        file.write(f"{called}\n\n{''.join(traceback.format_exception(error))}")
        if of_java := getattr(error, "_stackTrace", None):
            file.write(f"\n{of_java}\n")
        return file.name


def one_line(error: BaseException) -> str:
    """What the error says, in a line: of a worker's trace the last line, of an engine's message the first."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    if not lines:
        return "no words"
    is_trace = any("Traceback (most recent call last)" in line or line.startswith("ray::") for line in lines)
    words = lines[-1] if is_trace else lines[1] if lines[0].startswith("An error occurred while calling") else lines[0]
    return words.removeprefix(": ")[:_MOST_CHARACTERS]
