"""Turns plugin/read_policy.h into pieces of a manual page: its comments are the manual.

The header is read as text, not as C: a comment belongs to what ends before it on its line, else to what
follows it. What cannot be placed raises ValueError, so that nothing of the header goes missing from the
page unnoticed.
"""

import re
from dataclasses import dataclass, field

import mdoc

COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
BANNER = re.compile(r"\s*-{4} .* -+\s*$")
TOKEN = re.compile(r"/\*.*?\*/|\n|[^/\n,;(){}]+|[/,;(){}]", re.DOTALL)


@dataclass
class Item:
    """A member, an enum's constant, a macro, or a whole struct, enum or function."""

    code: str
    comments: list = field(default_factory=list)
    members: list = field(default_factory=list)

    @property
    def name(self):
        function = re.search(r"\(\*(\w+)\)", self.code)
        return function.group(1) if function else \
            re.findall(r"\w+", re.sub(r"\[.*\]|=.*", "", self.code))[-1]


def comment_paragraphs(comment):
    """The paragraphs of a comment's text, each a list of lines; their indentation stays."""
    lines = [re.sub(r"^\s*\* ?", "", line) if number else line.strip()
             for number, line in enumerate(comment.split("\n"))]
    found, fresh = [], True
    for line in lines:
        if not line.strip():
            fresh = True
        elif fresh:
            found.append([line.rstrip()])
            fresh = False
        else:
            found[-1].append(line.rstrip())
    return found


def item_texts(comment):
    """The paragraphs of the comment of one item, as sentences: the short ones lack their full stop."""
    texts = [" ".join(line.strip() for line in lines) for lines in comment_paragraphs(comment)]
    return [text if text[-1] in ".:!?" else text + "." for text in texts]


# -- reading -------------------------------------------------------------------------------------


def read_members(body):
    """The members of a struct, or the constants of an enum, with their comments."""
    members, code, depth, pending, ended_on_line = [], "", 0, [], False
    for token in TOKEN.findall(body):
        if token.startswith("/*"):
            text = item_texts(token[2:-2])
            if code.strip():  # the last constant, which no comma ends
                members.append(Item(code.strip(), pending + text))
                code, pending = "", []
            elif ended_on_line:
                members[-1].comments += text
            else:
                pending += text
        elif token == "\n":
            ended_on_line = ended_on_line and bool(code.strip())
            code += " "
        elif token in ",;" and depth == 0:
            members.append(Item(" ".join(code.split()), pending))
            code, pending, ended_on_line = "", [], True
        else:
            depth += (token == "(") - (token == ")")
            code += token
    if code.strip():
        members.append(Item(code.strip(), pending))
    elif pending:
        raise ValueError(f"a comment that belongs to nothing: {pending[0]}")
    return members


TOP_LEVEL = re.compile(r"""
    /\*(?P<comment>.*?)\*/
  | \#ifdef\ __cplusplus\n.*?\#endif
  | \#define\ (?P<macro>(?:[^\n\\]|\\\n)+)
  | \#[^\n]*
  | (?P<block>(?:struct|enum)\ \w+)\s*\{(?P<body>.*?)\n?\};
  | (?P<opaque>struct\ \w+);[ ]*(?:/\*(?P<what>.*?)\*/)?
  | typedef\ (?P<typedef>[^;]+);
  | const\ struct\ rp_plugin\ \*\w+\(void\);  # the entry symbol, which the typedef tells of
  | static\ inline\s(?P<function>[^{]+)\{.*?\n\}
  | \s+""", re.DOTALL | re.VERBOSE)


class Header:
    """What the header declares, in its order."""

    def __init__(self, path):
        with open(path, encoding="ascii") as file:
            text = file.read()
        self.overview = None
        self.structs, self.enums, self.macros, self.helpers, self.opaque = [], [], [], [], []
        self._pending, place = [], 0
        while place < len(text):
            match = TOP_LEVEL.match(text, place)
            if not match or match.end() == place:
                line = text.count("\n", 0, place) + 1
                raise ValueError(f"{path}:{line}: what is this? {text[place:place + 40]!r}")
            self._take(match)
            place = match.end()

    def _take(self, match):
        comment, macro, block = match["comment"], match["macro"], match["block"]
        if comment is not None:
            if self.overview is None:
                self.overview = comment_paragraphs(comment)
            else:
                self._pending = [] if BANNER.match(comment) else item_texts(comment)
        elif macro is not None:
            name = re.match(r"\w+(\([^)]*\))?", macro)
            if name.end() < len(macro):  # the include guard has no value
                code = macro if "\n" not in macro and len(macro) < 60 else name.group()
                # Its comment may be that of the struct right after it, too.
                self.macros.append(Item(code.strip(), list(self._pending)))
        elif block is not None:
            kind = self.structs if block.startswith("struct") else self.enums
            self._add(kind, Item(block, members=read_members(match["body"])))
        elif match["opaque"] is not None:
            self._add(self.opaque, Item(match["opaque"], item_texts(match["what"] or "")))
        elif match["typedef"] is not None:
            self._add(self.helpers, Item("typedef " + match["typedef"]))
        elif match["function"] is not None:
            self._add(self.helpers, Item(" ".join(match["function"].split()).replace("* ", "*", 1)))
        elif "\n\n" in match.group():
            self._pending = []  # a comment on its own

    def _add(self, kind, item):
        item.comments = self._pending + item.comments
        self._pending = []
        kind.append(item)

    def struct(self, name):
        return next(item for item in self.structs if item.code == "struct " + name)


# -- writing -------------------------------------------------------------------------------------

HEADING = re.compile(r"([A-Z]{2,}(?: [A-Z]+)*)(\.?) ")


def overview(header):
    """The comment at the top. Capitals at the start of a paragraph are its heading: words that end in a
    full stop, or the first word of its sentence."""
    lines, fresh = [], True
    for paragraph in header.overview[1:-1]:  # without the file's name and the licence
        if paragraph[0].startswith("    "):
            lines += mdoc.literal([line[4:] for line in paragraph])
            continue
        text, *points = re.split(r"\n  - ", "\n".join(paragraph))
        heading = HEADING.match(text)
        if heading:
            lines.append(".Ss " + heading[1].capitalize())
            text = text[heading.end():] if heading[2] else heading[1].capitalize() + " " + \
                text[heading.end():]
        elif not fresh:
            lines.append(".Pp")
        lines += mdoc.prose(text)
        fresh = False
        if points:
            lines.append(".Bl -bullet -compact")
            for point in points:
                lines += [".It", *mdoc.prose(point)]
            lines.append(".El")
    return lines


def _list(items, tag):
    lines = [".Bl -tag -width Ds"]
    for item in items:
        lines += [tag(item), *mdoc.paragraphs(item.comments)]
    return lines + [".El"]


def data(header):
    """The members of the plugin's table that are not functions."""
    members = [item for item in header.struct("rp_plugin").members if "(*" not in item.code]
    return _list(members, lambda item: f".It Vt {mdoc.argument(item.code)}")


def functions(header):
    """The functions of the plugin's table."""
    lines = []
    for item in header.struct("rp_plugin").members:
        if "(*" in item.code:
            lines += [f".Ss {item.name}", *mdoc.declaration(item.code + ";"), ".Pp",
                      *mdoc.paragraphs(item.comments)]
    return lines


def structures(header):
    lines = []
    for item in header.structs:
        if item.name != "rp_plugin":
            lines += [f".Ss {item.code}", *mdoc.paragraphs(item.comments),
                      *_list(item.members, lambda it: f".It Vt {mdoc.argument(it.code)}")]
    return lines + [".Ss Structures of the plugin's own",
                    *_list(header.opaque, lambda item: f".It Vt {mdoc.argument(item.code)}")]


def _constant(item):
    name, _, value = item.code.partition("=")
    return f".It Dv {name.strip()} Pq {value.strip()}" if value else f".It Dv {name.strip()}"


def _macro(item):
    name, _, value = item.code.partition(" ")
    return f".It Dv {mdoc.argument(name)} Pq {mdoc.argument(value)}" \
        if value and "(" not in name else f".It Dv {mdoc.argument(item.code)}"


def constants(header):
    lines = []
    for item in header.enums:
        lines += [f".Ss {item.code}", *mdoc.paragraphs(item.comments), *_list(item.members, _constant)]
    return lines + [".Ss Macros", *_list(header.macros, _macro)]


def helpers(header):
    lines = []
    for item in header.helpers:
        name = re.findall(r"\brp_\w+", item.code.replace("struct rp_", ""))[0]
        lines += [f".Ss {name}", *mdoc.declaration(item.code + ";"), ".Pp", *mdoc.paragraphs(item.comments)]
    return lines
