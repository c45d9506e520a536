"""Writes text as mdoc source, for pieces made from tables and from comments."""

import re

WIDTH = 72  # of source lines
CODE_WIDTH = 70  # of code, which is shown indented on a terminal of 80 columns


def escaped(text):
    """Text that mdoc prints literally: no escapes, no request at its start."""
    text = text.replace("\\", "\\e")
    return "\\&" + text if text.startswith((".", "'")) else text


def prose(text):
    """The lines of a paragraph; each sentence starts a line, as mdoc wants it."""
    lines, line = [], ""
    for word in text.split():
        line = f"{line} {word}" if line else word
        if (word[-1] in ".?!" and word != "...") or len(line) > WIDTH:
            lines.append(escaped(line))
            line = ""
    return lines + ([escaped(line)] if line else [])


def paragraphs(texts):
    """Several paragraphs, with a .Pp between them."""
    lines = []
    for number, text in enumerate(texts):
        lines += ([".Pp"] if number else []) + prose(text)
    return lines


def literal(code):
    """Lines of code, unchanged except for the space before a comment at the end of a line."""
    return [".Bd -literal", *(escaped(re.sub(r"  +//", "  //", line)) for line in code), ".Ed"]


def declaration(text):
    """One C declaration, broken after commas where it is too long for a terminal."""
    lines, line = [], ""
    for piece in re.findall(r"[^,]+(?:, |,|$)", " ".join(text.split())):
        if line and len((line + piece).rstrip()) > CODE_WIDTH:
            lines.append(line.rstrip())
            line = "    "
        line += piece
    return [".Bd -literal -compact", *map(escaped, lines + [line]), ".Ed"]


def argument(text):
    """The argument of a macro on its own line: one word, whatever is in it."""
    quoted = text.replace("\\", "\\e").replace('"', '\\(dq')
    return f'"{quoted}"'
