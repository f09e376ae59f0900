"""Running servers: the supervisor, gunicorn and its workers, logs, and notes of running servers."""
