"""Reads a page of tracer's with Python's own HTML parser, and prints in JSON what stands in it."""

import collections
import html.parser
import json
import sys


class Page(html.parser.HTMLParser):
    """Sums of columns by table and head; the foot's rows are distinguished."""

    def __init__(self):
        super().__init__()
        self.tiles, self.sums, self.all = {}, {}, {}
        self.ids, self.links = set(), []
        self.policy = ""
        self.table = self.column = self.head = None
        self.row = "body"
        self.heads = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        if tag == "a":
            self.links.append(attributes["href"])
        elif tag == "meta" and attributes.get("http-equiv"):
            self.policy = attributes["content"]
        elif tag == "data":
            self.tiles[attributes["data-key"]] = int(attributes["value"])
        elif tag == "div" and attributes.get("class") == "table":
            self.table, self.heads = attributes["id"], []
            self.sums[self.table] = collections.Counter()
            self.all[self.table] = {}
        elif tag == "th" and attributes.get("scope") == "col":
            self.head = ""
        elif tag == "tr":
            self.row, self.column = attributes.get("class", "body"), -1
        if tag in ("td", "th") and self.head is None:
            self.column += 1
            if "data-v" in attributes:
                value, label = int(attributes["data-v"]), self.heads[self.column]
                if self.row == "all":
                    self.all[self.table][label] = value
                else:
                    self.sums[self.table][label] += value

    def handle_data(self, data):
        if self.head is not None:
            self.head += data

    def handle_endtag(self, tag):
        if tag == "th" and self.head is not None:
            self.heads.append(self.head)
            self.head = None


page = Page()
with open(sys.argv[1], encoding="utf-8") as source:
    page.feed(source.read())
page.close()
broken = [link for link in page.links if link[:1] != "#" or link[1:] not in page.ids]
json.dump({"policy": page.policy, "tiles": page.tiles, "sums": page.sums, "all": page.all, "broken": broken}, sys.stdout)
