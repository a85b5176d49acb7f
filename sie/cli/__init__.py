"""What the scripts in experiments/ share: options, exit codes, the console."""
