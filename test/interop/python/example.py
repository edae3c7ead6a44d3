"""The KVStore API with PyPI thrift.

usage: example.py PORT DATASET

Before: pip install thrift; thrift --gen py:dynamic -out generated idl/kvstore.thrift
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "generated"))

from thrift.protocol import TBinaryProtocol
from thrift.transport import TSocket, TTransport

from godwit.kvstore import KVStore
from godwit.kvstore.ttypes import *

port, dataset = int(sys.argv[1]), sys.argv[2]
transport = TTransport.TFramedTransport(TSocket.TSocket("127.0.0.1", port))
client = KVStore.Client(TBinaryProtocol.TBinaryProtocol(transport))
transport.open()

# A row is a key with columns; keys and values are bytes.
client.put(PutRequest(dataset, b"ada", cells=[Cell(b"city", b"London"), Cell(b"job", b"analyst")]))
client.put(PutRequest(dataset, b"adam", cells=[Cell(b"city", b"Edinburgh")]))
row = client.get(GetRequest(dataset, b"ada", cells=CellSelector(localKeys=[b"city"])))
print("ada is in", row.cells[0].value.decode())

# A change on a condition, with a token that makes it safe to repeat.
token = IdempotencyToken(generationTime=time.time_ns() // 1000, nonce=os.urandom(16))
change = MutateRequest(
    dataset,
    b"ada",
    mutations=[Mutation(put=PutMutation(cells=[Cell(b"city", b"Paris")]))],
    conditions=[Condition(b"city", Comparison.EQUAL, b"London")],
    options=WriteOptions(idempotencyToken=token),
)
print("moved:", "yes" if client.mutate(change).applied else "no")
repeat = client.mutate(change)
print("repeated:", "yes" if repeat.write.repeated else "no")

counters = client.increment(IncrementRequest(dataset, b"visits", [CounterDelta(b"paris", 3)])).counters
print("visits:", counters[0].value)

# Pages: the token of one is given for the next, until there is none.
rows, token = 0, None
while True:
    page = client.scan(ScanRequest(dataset, keyPrefix=b"ada", pageRows=1, pageToken=token))
    rows, token = rows + len(page.rows), page.nextPageToken
    if token is None:
        break
print("rows:", rows)

try:
    client.get(GetRequest("nowhere", b"k"))
except KVStoreException as exception:
    error = exception.error
    retry = "yes" if error.retryable else "no"
    print(f"error: {ErrorCode._VALUES_TO_NAMES[error.code]}, retry: {retry}")

transport.close()
