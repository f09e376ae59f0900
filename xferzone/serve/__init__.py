"""Running servers: the supervisor, gunicorn and its workers, who runs."""
