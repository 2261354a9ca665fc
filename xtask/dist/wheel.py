"""Packs a program into a wheel: `wheel.py VERSION PROGRAM README NOTICES FOLDER`, and the licences on stdin, a path a line.

A wheel is a zip archive: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""
import base64
import hashlib
import os
import sys
import time
import zipfile

# A static program needs no C library: it fits both families of systems, from the oldest that tools still know.
TAGS = ["py3-none-manylinux_2_17_x86_64", "py3-none-musllinux_1_1_x86_64"]
SUMMARY = "Ties what a running CPython process does at its boundary with Linux to the Python lines that caused it"
MADE = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]


def main(version, program, readme, notices, folder):
    licences = [(os.path.basename(path), read(path)) for path in [*sys.stdin.read().split("\n"), notices] if path]
    info = f"tracer-{version}.dist-info"
    files = [(f"tracer-{version}.data/scripts/tracer", read(program), 0o755)]
    files += [(f"{info}/licenses/{name}", text, 0o644) for name, text in licences]
    files += [(f"{info}/METADATA", metadata(version, [name for name, _ in licences], read(readme)), 0o644)]
    files += [(f"{info}/WHEEL", wheel(), 0o644)]
    files += [(f"{info}/RECORD", record(files, info), 0o644)]
    platforms = ".".join(tag.removeprefix("py3-none-") for tag in TAGS)
    with zipfile.ZipFile(f"{folder}/tracer-{version}-py3-none-{platforms}.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text, mode in files:
            entry = zipfile.ZipInfo(name, MADE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, text, compresslevel=9)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def metadata(version, licences, readme):
    fields = [
        ("Metadata-Version", "2.4"), ("Name", "tracer"), ("Version", version), ("Summary", SUMMARY),
        ("License-Expression", "MIT OR Apache-2.0"), *(("License-File", name) for name in licences),
        ("Classifier", "Operating System :: POSIX :: Linux"), ("Classifier", "Environment :: Console"),
        ("Classifier", "Programming Language :: Rust"), ("Classifier", "Topic :: Software Development :: Debuggers"),
        ("Description-Content-Type", "text/markdown")]
    return "".join(f"{name}: {value}\n" for name, value in fields).encode() + b"\n" + readme


def wheel():
    lines = ["Wheel-Version: 1.0", "Generator: tracer's xtask", "Root-Is-Purelib: false", *(f"Tag: {tag}" for tag in TAGS)]
    return ("\n".join(lines) + "\n").encode()


def record(files, info):
    def line(name, text):
        digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(text)}\n"
    return ("".join(line(name, text) for name, text, _ in files) + f"{info}/RECORD,,\n").encode()


main(*sys.argv[1:])
