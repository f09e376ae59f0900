"""Plain gunicorn for xferzone, behind nginx or under systemd:

    XFERZONE_REPOSITORY=/var/lib/xferzone/zones.xferzone gunicorn -c deploy/gunicorn.conf.py

`xferzone serve` and `xferzone up` do not need this file: they bring the same settings (xferzone/serve/arbiter.py) and
read zones.xferzone.toml, which plain gunicorn does not.
"""

import os

import xferzone.serve.arbiter  # noqa: F401 - before workers are forked, so that they share their counters

# Loopback: nginx on this machine terminates TLS. A path works too: unix:/run/xferzone-http.sock
bind = "127.0.0.1:8080"
workers = 2

# Threads: with sync workers `timeout` would be a limit on a whole request, and would cut slow clones short.
# Many, because most only wait: for a slow client, or for their turn to write.
worker_class = "xferzone.serve.worker.Worker"  # gthread, with a bound on slow clients
# Change it here and not with --threads: the places for sync requests follow it, so that pages are always answered.
threads = 64
timeout = 120

# Other proxies than loopback: "xferzone.serve.arbiter:application(trusted=['10.0.0.0/8'], threads=64)"
wsgi_app = f"xferzone.serve.arbiter:application(threads={threads})"

# Seconds for requests in flight when the server is stopped or reloaded.
graceful_timeout = 30

# Longer than nginx keeps an idle connection to us (60 s), so that nginx closes it.
keepalive = 75

# Each start would log an error where HOME cannot be written. If wanted: control_socket = "/run/.../ctl".
control_socket_disable = True

# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# The app believes X-Forwarded-For and X-Forwarded-Proto of the proxies in `trusted` above; gunicorn must not.
forwarded_allow_ips = ""

# Workers are not recycled: nothing in them grows.
max_requests = 0
