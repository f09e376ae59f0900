"""Ways to another repository: one body there, one body back.

    http.py         HTTP          a server behind an http or https URL; proxies.py says by which proxy
    in_process.py   InProcess     a function of this process; WalkInProcess for requests of the walk
    walk_http.py    WalkHTTP      requests of the walk (walk.py), as HTTP
    canned.py       Canned        replies that were recorded
    sooner.py       Sooner        another way, whose first request is under way already
    url.py          URLs of repositories, and the logins and passwords in them

HTTP is imported from its module: only a program that uses the network pays for loading it.
"""

from xferzone.transport.base import Body, Transport
from xferzone.transport.canned import Canned
from xferzone.transport.in_process import InProcess, WalkInProcess

__all__ = ["Body", "Canned", "InProcess", "Transport", "WalkInProcess"]
