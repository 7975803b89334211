"""pauseflow: data flows whose stages pause anywhere and go on on any worker."""
