"""What the servers of serve.py serve: a page that takes a little Python to make."""


def page():
    rows = "".join("<tr><td>%d</td><td>%d</td></tr>" % (n, n * n) for n in range(100))
    return ("<table>%s</table>" % rows).encode()


def wsgi(environ, start_response):
    body = page()
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body = page()
    headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
