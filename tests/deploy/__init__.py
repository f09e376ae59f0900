"""What deploy/ holds, installed and started."""
