"""An extension module that needs the GIL, as all do that say nothing: to import it switches the GIL on."""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile

# No header: `PyModuleDef` begins with the head of an object, which is immortal, and four words long in builds without GIL.
SOURCE = """
typedef struct {
    unsigned long long head[4]; void *init; long long index; void *copy;
    const char *name, *doc; long long size; void *methods, *slots, *traverse, *clear, *free;
} Def;
extern void *PyModule_Create2(Def *, int);
static Def def = {.head = {0, 0xffffffff00000004}, .name = "needs_gil", .size = -1};
void *PyInit_needs_gil(void) { return PyModule_Create2(&def, 1013); }
"""


def switch_on():
    """Whether there is a GIL now."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "needs_gil.so")
        compiler = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", path]
        subprocess.run(compiler, input=SOURCE.encode(), check=True)
        loader = importlib.machinery.ExtensionFileLoader("needs_gil", path)
        importlib.util.module_from_spec(importlib.util.spec_from_file_location("needs_gil", path, loader=loader))
    return sys._is_gil_enabled()
