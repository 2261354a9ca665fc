"""An application for uvicorn, which blocks its loop, or ends, when it is asked to."""

import os
import time


def leave():
    os._exit(9)


def block():
    time.sleep(0.4)


ACTS = {"/leave": leave, "/block": block}


async def app(scope, receive, send):
    ACTS.get(scope["path"], lambda: None)()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"done"})


os.write(1, b"worker %d\n" % os.getpid())  # in one piece: others write there too
