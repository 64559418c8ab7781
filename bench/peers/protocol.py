"""How bench.py talks to a peer: the peer says {"ready": true} once it is warm; then each line on its standard input asks for
one timed run, answered with one JSON line. The end of the input ends it."""
import json
import os
import sys

# Libraries print to standard output; what bench.py reads goes out through a copy of it.
_out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(answer):
    print(json.dumps(answer), file=_out, flush=True)


def asked():
    """Waits for the next question; False at the end."""
    return bool(sys.stdin.readline())


def serve(measure):
    measure()
    say({"ready": True})
    while asked():
        say(measure())
