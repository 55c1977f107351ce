import sys
import torch
from peer import serve

calls = int(sys.argv[1])
a, b = torch.ones(4), torch.ones(4)


def add():
    for _ in range(calls):
        a + b


serve({"add": add})
