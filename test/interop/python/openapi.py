"""Checks the description of the admin API with a validator that others wrote.

Arguments: port of the KVStore API (unused), dataset (unused), port of the admin API.
"""

import json
import sys
import urllib.request

from openapi_spec_validator import validate

METHODS = {"get", "put", "post", "patch", "delete"}

with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[3]}/openapi.json", timeout=10) as answer:
    document = json.load(answer)
validate(document)
operations = [method for path in document["paths"].values() for method in path if method in METHODS]
print(f"ok: {len(operations)} operations")
