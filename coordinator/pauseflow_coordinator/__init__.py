"""The process that keeps runs going: timers, reclaim, expiry, sampling."""
