"""The command line: one module a command group, thin; heavy imports stay lazy."""
