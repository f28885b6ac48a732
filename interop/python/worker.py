"""A process that locks with redis-py's Lock, for a test that speaks to it: a request is a line of JSON on stdin, its
answer one on stdout. It ends when stdin does.

    python3 worker.py <url of the node>
"""

import json
import os
import platform
import random
import sys
import threading
import time

import redis
from redis.exceptions import LockError

client = redis.Redis.from_url(sys.argv[1])
locks = {}  # what is held, by a number of ours
last = 0
printing = threading.Lock()


def new_lock(key, expiration, **options):
    # Without thread_local, for each request is a thread of its own.
    return client.lock(key, timeout=expiration / 1000, thread_local=False, **options)


def versions(request):
    return {"versions": {"python": platform.python_version(), "redis-py": redis.__version__}}


def acquire(request):
    global last
    lock = new_lock(request["keys"][0], request["expiration"])
    if not lock.acquire(blocking=False):
        raise LockError("not acquired")
    with printing:
        last += 1
        locks[last] = lock
        return {"lock": last}


def release(request):
    locks.pop(request["lock"]).release()
    return {}


def extend(request):
    locks[request["lock"]].extend(request["expiration"] / 1000, replace_ttl=True)
    return {}


def contend_once(request, arbiter):
    """One worker's part in a contest: it acquires, tells the arbiter, and releases, until the arbiter has seen enough."""
    more = True
    while more:
        lock = new_lock(request["keys"][0], request["expiration"], sleep=request["retry"] / 1000)
        if not lock.acquire():
            raise LockError("not acquired")
        for contest in request["contests"]:
            arbiter.eval(request["enter"], 1, contest, request["side"])
        for ledger in request["ledgers"]:
            n = int(arbiter.get(ledger) or 0)
            arbiter.set(ledger, n + 1)
        more = any([arbiter.eval(request["leave"], 1, contest) == 1 for contest in request["contests"]])
        lock.release()
        time.sleep(random.random() * request["pause"] / 1000)


def contend(request):
    errors = []

    def work():
        try:
            with redis.Redis.from_url(request["arbiter"]) as arbiter:
                contend_once(request, arbiter)
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(request["workers"])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return {}


OPERATIONS = {f.__name__: f for f in (versions, acquire, release, extend, contend)}


def serve(line):
    request = json.loads(line)
    try:
        answer = OPERATIONS[request["op"]](request)
    except Exception as error:
        refused = isinstance(error, LockError)
        answer = {"error": "%s: %s" % (type(error).__name__, error), "refused": refused}
    with printing:
        print(json.dumps(dict(answer, id=request["id"])), flush=True)


for line in sys.stdin:
    threading.Thread(target=serve, args=(line,), daemon=True).start()
os._exit(0)
