"""Reads files of ours, `FILE...`, each with the reader of its format, and prints what could do harm, a line each; nothing
here knows how they were written. A file that has none of the hostile names proves nothing: that is a line too."""

import gzip
import html.parser
import json
import pathlib
import re
import sys
import unicodedata
import xml.etree.ElementTree


def is_harmful(character):
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character != "\xad"


def harmful(text):
    return sorted({hex(ord(character)) for character in text if is_harmful(character)})


def strings(value):
    """All strings in what was parsed."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif hasattr(value, "ListFields"):
        for _, inner in value.ListFields():
            yield from strings(list(inner) if not isinstance(inner, (str, bytes)) and hasattr(inner, "__len__") else inner)


def lines(text):
    """A report of lines: what ends none of them is in none of them."""
    return text.split("\n")


def collapsed(data, path):
    from flamegraph_textual.parsers import parse

    rows = data.decode().splitlines()
    assert rows and all(re.fullmatch(r"[^;]+(;[^;]+)* [0-9]+", row) for row in rows), rows
    assert sum(int(row.rsplit(" ", 1)[1]) for row in rows) == parse(data, path.name).root_stack.values[0]
    for row in rows:
        assert all("99" != frame for frame in row.rsplit(" ", 1)[0].split(";")), row
    return rows


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.tags = [], {}

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.found += [value or "" for _, value in attributes]
        assert not any(name.startswith("on") for name, _ in attributes), attributes

    def handle_data(self, data):
        if not self.tags.get("script") or self.get_starttag_text() is None or "script" not in self.get_starttag_text():
            self.found += data.split("\n")


def page(data, path):
    read = Page()
    read.feed(data.decode())
    assert read.tags["script"] == 2 and read.tags["html"] == read.tags["head"] == read.tags["body"] == 1, read.tags
    return read.found


def svg(data, path):
    root = xml.etree.ElementTree.fromstring(data)
    tags = [element.tag.split("}")[-1] for element in root.iter()]
    drawn = {"svg", "title", "style", "g", "rect", "text", "defs", "stop", "linearGradient", "script"}
    assert set(tags) <= drawn and tags.count("script") == tags.count("style") == 1, set(tags)
    return [element.text or "" for element in root.iter() if element.tag.split("}")[-1] in ("title", "text")]


def trace(data, path):
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    read = Trace()
    read.ParseFromString(data)
    return strings([packet for packet in read.packet])


def profile(data, path):
    from flamegraph_textual.parsers.profile_pb2 import Profile

    read = Profile()
    read.ParseFromString(gzip.decompress(data))
    return list(read.string_table)


def json_lines(data, path):
    return [text for line in data.decode().split("\n") if line for text in strings(json.loads(line))]


readers = {
    ".txt": lambda data, path: lines(data.decode()),
    ".md": lambda data, path: lines(data.decode()),
    ".json": lambda data, path: list(strings(json.loads(data))),
    ".jsonl": json_lines,
    ".collapsed": collapsed,
    ".html": page,
    ".svg": svg,
    ".gz": profile,
    ".pftrace": trace,
}
for path in map(pathlib.Path, sys.argv[1:]):
    try:
        found = list(readers[path.suffix](path.read_bytes(), path))
    except Exception as error:  # whatever a reader does not like
        print(path.name, "cannot be read:", repr(error)[:2000])
        continue
    for text in found:
        if harmful(text):
            print(path.name, harmful(text), ascii(text)[:300])
    if not any(mark in text for text in found for mark in ("31m", "\\x1b[2J", "\\u{2028}")):
        print(path.name, "has no hostile name")
