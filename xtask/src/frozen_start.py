"""What an interpreter built for frozen programs runs first: it reads its command line as python3 does."""

import sys


def init():
    pass


def run(name=None):
    arguments = sys.argv[1:]
    while arguments and arguments[0].startswith("-") and arguments[0] not in ("-", "-c", "-m"):
        option = arguments.pop(0)
        if option in ("-X", "-W"):
            arguments.pop(0)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    import __main__

    if arguments and arguments[0] == "-c":
        sys.argv[:] = ["-c"] + arguments[2:]
        return exec(compile(arguments[1], "<string>", "exec"), __main__.__dict__)
    if arguments and arguments[0] == "-m":
        import runpy

        sys.argv[:] = arguments[1:]
        return runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    path = arguments[0] if arguments else "-"
    sys.argv[:] = arguments or ["-"]
    if path == "-":
        return exec(compile(sys.stdin.read(), "<stdin>", "exec"), __main__.__dict__)
    sys.path.insert(0, path.rpartition("/")[0] or ".")
    __main__.__file__ = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    exec(code, __main__.__dict__)
