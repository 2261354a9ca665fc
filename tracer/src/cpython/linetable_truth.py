"""Prints what this interpreter says of the lines of some standard modules."""
import argparse
import ast
import dis
import json
import sys
import tarfile
import tokenize


def ranges(code):
    """Start, end and line of all bytecode, in order."""
    if hasattr(code, "co_lines"):
        return list(code.co_lines())
    starts = list(dis.findlinestarts(code))
    ends = [start for start, _ in starts[1:]] + [len(code.co_code)]
    return [(start, end, line) for (start, line), end in zip(starts, ends)]


def dump(code, out):
    table = getattr(code, "co_linetable", None) or code.co_lnotab
    out.append({
        "name": code.co_name,
        "first_line": code.co_firstlineno,
        "table": list(bytearray(table)),
        "lines": ranges(code),
    })
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            dump(constant, out)


codes = []
for module in (argparse, ast, dis, json, tarfile, tokenize):
    path = module.__file__.replace(".pyc", ".py")
    with open(path, "rb") as source:
        dump(compile(source.read(), path, "exec"), codes)
long = "\n" * 300 + "x = [\n" + "a,\n" * 3000 + "]\n" + "y = 1 if x else (\n\n2)\n" * 50
dump(compile("def f():\n" + long.replace("\n", "\n  "), "long", "exec"), codes)
json.dump(codes, sys.stdout)
