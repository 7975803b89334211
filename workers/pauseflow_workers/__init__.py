"""The process that runs stages: read, run, commit, heartbeat."""
