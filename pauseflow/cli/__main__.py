"""`python -m pauseflow.cli` is flowctl: how it starts itself again for its child processes."""

from pauseflow.cli import main

main()
