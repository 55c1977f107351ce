"""What every peer does: reads names of functions from its input, runs each once, prints its seconds."""
import os, sys, time
import torch

torch.set_num_threads(int(os.environ.get("LONGTAKE_BENCH_THREADS", "1")))
clock = time.process_time if os.environ.get("LONGTAKE_BENCH_CLOCK") == "processor" else time.perf_counter


def serve(functions, gradients=False):
    """A function that returns a number is answered with that instead of its seconds."""
    torch.set_grad_enabled(gradients)
    for line in sys.stdin:
        start = clock()
        given = functions[line.strip()]()
        print(given if isinstance(given, float) else clock() - start, flush=True)
