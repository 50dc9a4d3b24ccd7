"""How the server runs, on every host; found by gunicorn itself (the Procfile says `gunicorn wsgi:app`).

Names here are gunicorn's settings: anything else starts with an underscore.
"""

import os as _os
import resource as _resource
import sys as _sys

from gunicorn import glogging as _glogging
from gunicorn.http.errors import ParseException as _ParseException

from app import config as _config
from app import hosting as _hosting
from app import logs as _logs

try:
    _settings = _config.load()
    workers = _config.worker_processes()
    bind = [_config.address()]
except _config.ConfigError as _fault:
    raise SystemExit(str(_fault)) from None

# numpy's linear algebra is asked for tiny solves only (services/opencv_fallback.py); a pool of threads for it costs
# memory and time. Read when numpy is loaded, so it is set here.
_os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

worker_class = "app.worker.Worker"
threads = _config.server_threads(_settings, _hosting.detect())
# Each connection is a file to the system: with as many as a process may have, the worker would end.
_soft_files, _hard_files = _resource.getrlimit(_resource.RLIMIT_NOFILE)
_files = 4096 if _hard_files == _resource.RLIM_INFINITY else min(_hard_files, 4096)
_resource.setrlimit(_resource.RLIMIT_NOFILE, (max(_files, _soft_files), _hard_files))
worker_connections = min(512, _files // 2)

# onnxruntime's sessions do not survive a fork: each worker makes its own.
preload_app = False
timeout = 60  # a worker that does not even beat its heart; a request's own limit is DEADLINE_S
graceful_timeout = 25
keepalive = 5
# The system's own way to send a file has no limit of time for the whole.
sendfile = False
# Memory stays level (tests/memory); recycling is for whatever that test does not know. /health and refusals count too,
# and a new worker beside the old one takes twice the memory for a moment: so, seldom.
max_requests = 100_000
max_requests_jitter = 10_000

# The heartbeat is a file: on a slow disk it would stall the worker.
worker_tmp_dir = "/dev/shm" if _os.access("/dev/shm", _os.W_OK) else None
control_socket_disable = True
# The hosts' routers stand in front, under changing addresses.
forwarded_allow_ips = "*"
# No client may move the app to another path: gunicorn would take SCRIPT_NAME and PATH_INFO from whom it trusts.
forwarder_headers = ""
# The app writes a line for each request itself (app/routes/request_log.py). Heroku turns this log on all the same.
accesslog = None
# %(U)s is the path without its query string.
# (Written escaped: a decoded line break in a path would forge a line.)
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'


class _Logger(_glogging.Logger):
    """gunicorn's own records, in the app's lines, without what a client sent or what an exception says."""

    def setup(self, cfg):
        super().setup(cfg)
        _logs.configure(level=_settings.log_level, line_format=_settings.log_format)
        if cfg.errorlog == "-":
            self.error_log.handlers.clear()
            self.error_log.propagate = True
        if cfg.accesslog == "-":
            self.access_log.handlers.clear()
            self.access_log.propagate = True

    def warning(self, msg, *args, **kwargs):
        fault = _sys.exception()
        if isinstance(fault, _ParseException):  # the message quotes the request's line or header
            msg, args = "a request could not be read (%s)", (type(fault).__name__,)
        super().warning(msg, *args, **kwargs)

    def exception(self, msg, *args, **kwargs):
        if isinstance(_sys.exception(), TimeoutError):
            self.info("a client was given up: it was silent, or too slow to take its answer")
            return
        # The arguments are addresses with their query strings, and a message that is no text is an exception.
        words = msg.partition("%")[0].strip() if isinstance(msg, str) else "gunicorn met a fault"
        super().exception(words, **kwargs)

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["U"] = ascii(atoms["U"] or "")[1:-1]
        return atoms


logger_class = _Logger


def post_fork(server, worker):
    """Set the allocator up before the worker starts its threads."""
    from app.services import memory

    memory.tune_allocator()


def post_worker_init(worker):
    """Load and warm the model in the background: the port is bound already."""
    worker.wsgi.extensions["tinycut"].start_warm_up()


def worker_exit(server, worker):
    """Let a warm-up that is under way end: onnxruntime aborts a process that leaves in the middle."""
    if getattr(worker, "wsgi", None) is not None:
        worker.wsgi.extensions["tinycut"].finish_warm_up(limit_s=10)
