"""The kit's protocol for a function of Python that looks a row up, from several threads at once."""

import concurrent.futures
import sys
import threading

WORKERS = 16


def serve(find):
    """find(row, position) gives (verdict, value or None, position or None)."""
    said = threading.Lock()

    def answer(row, position=None):
        verdict, value, stood = find(row, position)
        words = [f"position={stood}"] if stood else []
        words += [f"value={value}"] if value is not None else []
        with said:
            print(row, verdict, *words, flush=True)

    def tell(future):
        if future.exception():
            sys.excepthook(type(future.exception()), future.exception(), None)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        while line := sys.stdin.readline():
            if words := line.split():
                pool.submit(answer, *words[:2]).add_done_callback(tell)
