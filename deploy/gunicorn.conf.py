"""gunicorn for xferzone, for those who run it by themselves, behind nginx or under systemd:

    XFERZONE_REPOSITORY=/var/lib/xferzone/zones.xferzone gunicorn -c deploy/gunicorn.conf.py

`xferzone serve` and `xferzone up` need no such file: they bring the same settings (xferzone/serve/arbiter.py).
"""

import os

wsgi_app = "xferzone.serve.arbiter:application()"

# Loopback: nginx on this machine ends TLS. A path works too: unix:/run/xferzone-http.sock
bind = "127.0.0.1:8080"
workers = 2

# Threads: with sync workers `timeout` would be a limit on a whole request, and would cut slow clones short.
# Many, since most only wait: for a slow client, or for their turn to write.
worker_class = "xferzone.serve.worker.Worker"  # gthread, with a bound on slow clients
threads = 64
timeout = 120

# Requests in flight get this long when the server is stopped or reloaded.
graceful_timeout = 30

# Longer than nginx keeps an idle connection to us (60 s), so that it is nginx who closes.
keepalive = 75

# Each start would log an error where HOME cannot be written. If wanted: control_socket = "/run/.../ctl".
control_socket_disable = True

# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# Whose X-Forwarded-* headers are believed. Behind a UNIX socket set this explicitly.
forwarded_allow_ips = "127.0.0.1,::1"

# Workers are not recycled: nothing in them grows, and counters would start anew.
max_requests = 0
