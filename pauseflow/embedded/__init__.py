"""The embedded server: a real Valkey for one project folder, when no server is named.

`server_url` is what commands use: the address of the server that the settings name, or of the
embedded one.
"""

from pauseflow.embedded.server import EmbeddedServer, server_url

__all__ = ["EmbeddedServer", "server_url"]
