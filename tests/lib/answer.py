"""One HTTP answer, and JSON read strictly."""

import json


def _no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key given twice among {keys}")
    return dict(pairs)


def _no_constant(word):
    raise ValueError(f"{word} is not JSON")


def strict_json(data):
    """Parses the bytes of a JSON text; refuses what many parsers let pass: a key given twice, NaN,
    anything that is not UTF-8."""
    return json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates,
                      parse_constant=_no_constant)


class Answer:
    """Status, headers (names in lower case), body, and the time it took where that was measured."""

    def __init__(self, status, headers, body, milliseconds=None):
        self.status = status
        self.headers = headers
        self.body = body
        self.milliseconds = milliseconds

    @property
    def json(self):
        return strict_json(self.body)

    @property
    def served_by(self):
        return self.headers.get("x-read-served-by")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"
