"""A web server of one folder, in a thread."""

import contextlib
import http.server
import threading

PATIENCE = 120  # seconds until a test that hangs gives up


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; counts requests; cuts, holds or redirects on request."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.end_headers()
            return
        super().do_GET()

    def copyfile(self, source, outputfile):
        content = source.read()
        half = len(content) // 2
        with contextlib.suppress(ConnectionError):
            outputfile.write(content[:half])
            outputfile.flush()
            if self.server.cut:
                return
            self.server.gate.wait(PATIENCE)
            outputfile.write(content[half:])

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them: no socket stays open

    def __init__(self, folder):
        def handler(*args):
            return Handler(*args, directory=folder)

        super().__init__(("127.0.0.1", 0), handler)
        self.folder = folder
        self.requests = []
        self.moved = {}  # Path -> address to which it redirects.
        self.cut = False
        self.gate = threading.Event()
        self.gate.set()

    def publish(self, name, content):
        """Serves `content` from now on; returns its address."""
        (self.folder / name).write_bytes(content)
        return f"http://127.0.0.1:{self.server_port}/{name}"


@contextlib.contextmanager
def serving(folder):
    """Serves a folder as long as the context lasts."""
    folder.mkdir()
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.gate.set()
            server.shutdown()
            thread.join()
