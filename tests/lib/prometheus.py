"""A strict reader of the Prometheus text exposition format, version 0.0.4.

`parse` refuses what a lenient reader would let pass: a sample without HELP and TYPE before it,
families that are not together, a series given twice, unknown escapes, counters not named _total,
histograms whose buckets do not grow or have no +Inf.
"""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,|$)')
KINDS = ("counter", "gauge", "histogram", "summary", "untyped")


class Metrics:
    """The samples of one scrape."""

    def __init__(self):
        self.kinds = {}  # family name to its type
        self.samples = {}  # (sample name, frozenset of label pairs) to value

    def value(self, name, default=None, **labels):
        """The one sample of that name with exactly these labels; if none, `default` or KeyError."""
        key = (name, frozenset(labels.items()))
        return self.samples[key] if default is None else self.samples.get(key, default)

    def select(self, name, **labels):
        """All samples of that name that have these labels: a list of (labels, value)."""
        wanted = labels.items()
        return [(dict(have), value) for (its_name, have), value in self.samples.items()
                if its_name == name and wanted <= dict(have).items()]

    def total(self, name, **labels):
        return sum(value for _, value in self.select(name, **labels))


def parse(text):
    """Reads a whole exposition; raises ValueError with the first line that is wrong."""
    if not text.endswith("\n"):
        raise ValueError("the last line does not end in a newline")
    metrics, helped, order = Metrics(), set(), []
    for number, line in enumerate(text[:-1].split("\n"), 1):
        try:
            if line.startswith("# HELP "):
                _read_help(line, helped, order)
            elif line.startswith("# TYPE "):
                _read_type(line, metrics, helped, order)
            elif line and not line.startswith("#"):
                _read_sample(line, metrics, order)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}: {line!r}") from None
    _check_histograms(metrics)
    return metrics


def _read_help(line, helped, order):
    name, _, text = line[len("# HELP "):].partition(" ")
    if not re.fullmatch(NAME, name) or not text.strip():
        raise ValueError("HELP without a name or a text")
    if name in helped:
        raise ValueError("a second HELP for this name")
    helped.add(name)
    order.append(name)


def _read_type(line, metrics, helped, order):
    words = line.split(" ")
    if len(words) != 4 or words[3] not in KINDS:
        raise ValueError("not a TYPE line")
    if words[2] in metrics.kinds:
        raise ValueError("a second TYPE for this name")
    if words[2] not in helped or order[-1] != words[2]:
        raise ValueError("TYPE does not follow the HELP of its name")
    if words[3] == "counter" and not words[2].endswith("_total"):
        raise ValueError("a counter not named _total")
    metrics.kinds[words[2]] = words[3]


def _family(name, metrics):
    if name in metrics.kinds:
        return name
    for suffix in ("_bucket", "_sum", "_count"):
        base = name.removesuffix(suffix)
        if base != name and metrics.kinds.get(base) in ("histogram", "summary"):
            return base
    raise ValueError("a sample without TYPE")


def _read_sample(line, metrics, order):
    match = SAMPLE.fullmatch(line)
    if not match:
        raise ValueError("not a sample")
    name, labels, value = match.group(1), _read_labels(match.group(2)), _read_value(match.group(3))
    if _family(name, metrics) != order[-1]:
        raise ValueError("a sample that is not next to its family")
    if metrics.kinds[order[-1]] == "counter" and (value < 0 or math.isnan(value)):
        raise ValueError("a negative counter")
    key = (name, frozenset(labels.items()))
    if key in metrics.samples:
        raise ValueError("a series given twice")
    metrics.samples[key] = value


def _read_labels(text):
    labels, rest = {}, text or ""
    while rest:
        match = LABEL.match(rest)
        if not match:
            raise ValueError("bad labels")
        if match.group(1) in labels:
            raise ValueError("a label given twice")
        labels[match.group(1)] = re.sub(
            r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), match.group(2))
        rest = rest[match.end():]
    return labels


def _read_value(text):
    special = {"+Inf": math.inf, "-Inf": -math.inf, "NaN": math.nan}
    if text in special:
        return special[text]
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text):
        raise ValueError("not a number")
    return float(text)


def _check_histograms(metrics):
    for family in (name for name, kind in metrics.kinds.items() if kind == "histogram"):
        buckets = {}
        for labels, value in metrics.select(family + "_bucket"):
            bound = _read_value(labels.pop("le"))
            buckets.setdefault(frozenset(labels.items()), []).append((bound, value))
        for labels, series in buckets.items():
            series.sort()
            counts = [count for _, count in series]
            if counts != sorted(counts) or series[-1][0] != math.inf:
                raise ValueError(f"the buckets of {family} {dict(labels)} do not grow up to +Inf")
            if metrics.samples.get((family + "_count", labels)) != counts[-1] \
                    or (family + "_sum", labels) not in metrics.samples:
                raise ValueError(f"{family} {dict(labels)}: _count or _sum is missing or wrong")
