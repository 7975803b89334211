"""What runs a stage: one chunk at a time, for as long as its budget lasts."""
