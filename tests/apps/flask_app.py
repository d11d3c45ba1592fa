"""Counts visits in a file of a volume."""
import os
import threading

import flask

app = flask.Flask(__name__)
FILE = "/var/lib/counter/n"
lock = threading.Lock()


@app.get("/")
def count():
    with lock:
        n = int(open(FILE).read()) + 1 if os.path.exists(FILE) else 1
        with open(FILE, "w") as f:
            f.write(str(n))
    return f"visit {n} via {flask.request.headers.get('X-Forwarded-For', 'nobody')}\n"


app.run(host="0.0.0.0", port=5000)
