"""Asks an application of Flask by its test client, over and over: a page that takes a little Python to make."""

from flask import Flask
from serve_apps import page
from work import measured

app = Flask(__name__)
app.add_url_rule("/", view_func=page)
client = app.test_client()


def step():
    assert client.get("/").status_code == 200
    return 1


measured(step)
