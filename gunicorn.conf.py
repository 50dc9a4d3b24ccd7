"""How the server runs, on every host; found by gunicorn itself (Procfile: `web: gunicorn wsgi:app`).

Names here are gunicorn's settings: anything else starts with an underscore.
"""

import os as _os

from app import config as _config
from app import hosting as _hosting

try:
    _settings = _config.load()
except _config.ConfigError as _fault:
    raise SystemExit(str(_fault)) from None
_host = _hosting.detect()
_slots = _settings.concurrency or (1 if _host.constrained else _host.cpu_count)

# Every host tells the port; without one this is somebody's own machine.
bind = [f"0.0.0.0:{_os.environ['PORT']}" if "PORT" in _os.environ else "127.0.0.1:8000"]

# numpy's linear algebra is asked for tiny solves only (services/opencv_fallback.py); a pool of threads for it costs
# memory and time. Read when numpy is loaded, so it is set here.
_os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# One process holds one model. Heroku counts workers by its own rule (2 on 512 MB) and says so by a marker;
# a number that a person chose is kept.
_workers_chosen_by_heroku = _os.environ.get("WEB_CONCURRENCY_SET_BY", "").startswith("heroku")
workers = 1 if _workers_chosen_by_heroku else int(_os.environ.get("WEB_CONCURRENCY") or 1)
worker_class = "gthread"
# Every photo at work or in the queue holds a thread; two more, so that /health is always answered.
threads = _slots + _settings.queue_size + 2

# onnxruntime's sessions do not survive a fork: each worker makes its own.
preload_app = False
timeout = 60  # a worker that does not even beat its heart; a request's own limit is DEADLINE_S
graceful_timeout = 25
keepalive = 5
# Memory stays level (tests/memory); recycling is for whatever that test does not know.
max_requests = 1000
max_requests_jitter = 200

# The heartbeat is a file: on a slow disk it would stall the worker.
worker_tmp_dir = "/dev/shm" if _os.access("/dev/shm", _os.W_OK) else None
control_socket_disable = True
# The hosts' routers stand in front, under changing addresses.
forwarded_allow_ips = "*"
accesslog = "-"
# %(U)s is the path without its query string.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'


def post_fork(server, worker):
    """Set the allocator up before the worker starts its threads."""
    from app.services import memory

    memory.tune_allocator()


def post_worker_init(worker):
    """Load and warm the model in the background: the port is bound already."""
    worker.wsgi.extensions["tinycut"].start_warm_up()
