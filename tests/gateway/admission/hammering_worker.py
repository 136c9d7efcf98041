"""A process that hammers shared limits: told what to do on standard input, a JSON object a line."""

import json
import sys
import time
from pathlib import Path

from tradewind.gateway.admission.chain import Scope, ScopeKind
from tradewind.gateway.admission.shared_store import SharedStore
from tradewind.gateway.admission.store import Refusal


def main():
    store = SharedStore(Path(sys.argv[1]))
    print(json.dumps({"worker": store.table.worker}), flush=True)
    chains = {}
    held = []
    for line in sys.stdin:
        order = json.loads(line)
        key = json.dumps(order["scopes"])
        if key not in chains:
            scopes = tuple(Scope(ScopeKind(kind), *rest) for kind, *rest in order["scopes"])
            chains[key] = store.bind(scopes)
        chain = chains[key]
        taken = refused = 0
        match order["do"]:
            case "take":
                for _ in range(order["times"]):
                    if isinstance(chain.take(order["tokens"], time.monotonic()), Refusal):
                        refused += 1
                    else:
                        taken += 1
                        held.append(chain)
            case "run":
                most = 0
                for _ in range(order["times"]):
                    if isinstance(chain.take(order["tokens"], time.monotonic()), Refusal):
                        refused += 1
                        continue
                    taken += 1
                    most = max(most, *(reading.calls for reading in chain.readings()))
                    chain.settle(0, time.monotonic(), 0.0)
                print(
                    json.dumps(
                        {"taken": taken, "refused": refused, "most": most, **store.counters}
                    ),
                    flush=True,
                )
                continue
            case "end":
                for each in held:
                    each.settle(0, time.monotonic(), 0.0)
                held.clear()
        print(json.dumps({"taken": taken, "refused": refused}), flush=True)


if __name__ == "__main__":
    main()
