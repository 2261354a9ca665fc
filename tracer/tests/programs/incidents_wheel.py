"""Writes a wheel that holds one module of one line."""

import sys
import zipfile

INFO = "tiny-1.0.dist-info/"
FILES = {
    "tiny.py": "ONE = 1\n",
    INFO + "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    INFO + "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    INFO + "RECORD": "tiny.py,,\n%sMETADATA,,\n%sWHEEL,,\n%sRECORD,,\n" % (INFO, INFO, INFO),
}

with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    for name, content in FILES.items():
        wheel.writestr(name, content)
