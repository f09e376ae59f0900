"""What the check-ins say: log, diff, blame, branches, contents, revisions. Reads only."""
