"""Turns docs/writing-a-host.md into pieces of a manual page, so that there is one list of mistakes, not two."""

import re

import mdoc


def plain(text):
    """Without Markdown's signs."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`([^`]*)`", r"\1", re.sub(r"\*\*([^*]*)\*\*", r"\1", text))
    return re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"\1", text).strip()


def section(text, title):
    """The lines below that heading."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0].strip().splitlines()


def sentence(text):
    text = plain(text)
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def items(lines):
    """The items of a list; what is indented goes on with the item before it."""
    found = []
    for line in lines:
        begins = re.match(r"(?:\*|\d+\.) (.*)", line)
        if begins:
            found.append(begins[1])
        elif found and line.startswith("  "):
            found[-1] += " " + line.strip()
    return found


def mistakes(text):
    """A table of three columns: what is done, what happens, what to do."""
    lines = [".Bl -tag -width Ds"]
    rows = [line for line in section(text, "Mistakes, and what each costs") if line.startswith("| ")]
    for row in rows[1:]:
        what, costs, instead = re.split(r"(?<!\\) \| ", row.strip("| "))
        lines += [f".It {mdoc.argument(plain(what))}", *mdoc.prose(sentence(costs)),
                  *mdoc.prose("Instead: " + plain(instead) + ("" if instead.endswith(".") else "."))]
    return lines + [".El"]


def answers(text):
    """Items that begin with the word that they explain, in bold."""
    lines = [".Bl -tag -width Ds"]
    for item in items(section(text, "PARTIAL, SHED, BUSY")):
        word, rest = re.match(r"\*\*(\w+)\*\* (.*)", item).groups()
        lines += [f".It Dv {word}", *mdoc.prose(sentence(rest))]
    return lines + [".El"]


def bullets(title):
    def piece(text):
        lines = [".Bl -bullet"]
        for item in items(section(text, title)):
            lines += [".It", *mdoc.prose(sentence(item))]
        return lines + [".El"]
    return piece


forks = bullets("Pre-fork hosts")
signs = bullets("To see that it is right")
