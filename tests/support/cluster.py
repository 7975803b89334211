"""Workers, a coordinator and a client in one thread, as users' tests have them."""

from pauseflow.testing.cluster import Cluster

__all__ = ["Cluster"]
