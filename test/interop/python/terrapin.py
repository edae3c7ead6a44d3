"""Checks of Terrapin's read services with a client of PyPI's thrift or thriftpy2, made of idl/terrapin.thrift unedited.

usage: terrapin.py thrift|thriftpy2 SOURCE SERVICE_PORT INTERNAL_PORT OLD_VERSION VERSION

SOURCE is the folder that `thrift -gen py` wrote, or for thriftpy2 the IDL itself. The file set `pins` has as OLD_VERSION
snappy-1000.hfile of test/fixtures/hfile and as VERSION, the current one, gz-bytes.hfile besides.

Prints one line a check, `ok NAME` or `not ok NAME: REASON`, and ends with 1 when any failed.
"""

import sys

LIBRARY, SOURCE = sys.argv[1], sys.argv[2]
SERVICE_PORT, INTERNAL_PORT, OLD_VERSION, VERSION = map(int, sys.argv[3:])

if LIBRARY == "thrift":
    sys.path.insert(0, SOURCE)
    from services.terrapin.thrift_libs import TerrapinServerInternal, TerrapinService
    from services.terrapin.thrift_libs import ttypes as types
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.transport import TSocket, TTransport

    def connect(service, port):
        transport = TTransport.TFramedTransport(TSocket.TSocket("127.0.0.1", port))
        transport.open()
        return service.Client(TBinaryProtocol(transport))

else:
    import thriftpy2
    from thriftpy2.protocol import TBinaryProtocolFactory
    from thriftpy2.rpc import make_client
    from thriftpy2.transport import TFramedTransportFactory

    types = thriftpy2.load(SOURCE, module_name="terrapin_thrift")
    TerrapinService, TerrapinServerInternal = types.TerrapinService, types.TerrapinServerInternal

    def connect(service, port):
        protocol, transport = TBinaryProtocolFactory(), TFramedTransportFactory()
        return make_client(service, "127.0.0.1", port, proto_factory=protocol, trans_factory=transport)


Codes = types.TerrapinGetErrorCode
LONGEST = b"\xff" * 32767
TOO_LONG = b"k" * 40000
service = connect(TerrapinService, SERVICE_PORT)
internal = connect(TerrapinServerInternal, INTERNAL_PORT)
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def value_of(byte):
    """What the row of this byte alone has in gz-bytes.hfile."""
    return bytes([~(byte + 1) & 0xFF, 0xFF, 0]) if byte > 0 else b""


def get(key, file_set="pins", clusters=("local",), **fields):
    request = types.TerrapinGetRequest(clusterList=list(clusters), fileSet=file_set, key=key, **fields)
    return plain(service.get(request))


def multi_get(keys, file_set="pins", clusters=("local",)):
    request = types.TerrapinMultiGetRequest(clusterList=list(clusters), fileSet=file_set, keyList=keys)
    return plain_map(service.multiGet(request))


def get_internally(*asked):
    keys = [types.MultiKey(key=key, resource=resource, partition=partition) for key, resource, partition in asked]
    return plain_map(internal.get(types.TerrapinInternalGetRequest(keyList=keys)))


def resource_of(version):
    return f"$terrapin$data$pins${version}"


def plain(response):
    return (response.value, response.errorCode)


def plain_map(response):
    return {key: plain(one) for key, one in response.responseMap.items()}


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r:.300} is not {expected!r:.300}")


def refused(code, message, function, *arguments, **fields):
    try:
        function(*arguments, **fields)
    except types.TerrapinGetException as exception:
        equal((exception.errorCode, exception.message), (code, message))
        return
    raise AssertionError("the call succeeded")


@check
def keys_and_values_that_are_not_utf8_are_kept():
    for byte in range(1, 256):
        equal(get(bytes([byte])), (value_of(byte), None))
    equal(get(LONGEST), (b"\xfe\xff\x00", None))
    equal(get(b"000999"), (b"v1000", None))


@check
def an_empty_value_and_the_empty_key_are_no_missing_ones():
    equal(get(b"000001"), (b"", None))
    equal(get(b""), (b"", None))
    equal(get(b"\x00"), (b"", None))
    equal(get(b"\xff\xff"), (None, None))
    equal(get(b"1000"), (None, None))


@check
def many_keys_are_answered_by_key_without_the_missing_ones():
    keys = [b"\xff", b"000001", b"none", b"", b"\xff\xfe", b"000500", b"\x80"]
    expected = {b"\xff": value_of(255), b"000001": b"", b"": b"", b"000500": b"v501", b"\x80": value_of(128)}
    equal(multi_get(keys), {key: (value, None) for key, value in expected.items()})
    equal(multi_get([b"none", b"nothing"]), {})
    equal(multi_get([]), {})


@check
def keys_asked_for_repeatedly_are_answered_once():
    equal(multi_get([b"\xc3\x28", b"\xfe", b"\xfe", b"\xc3\x28", b"\xfe"]), {b"\xfe": (value_of(254), None)})


@check
def thousands_of_keys_are_one_answer():
    keys = [b"%06d" % index for index in range(2000)]
    values = {b"%06d" % index: (b"v%d" % (index + 1) if index >= 2 else b"", None) for index in range(1000)}
    equal(multi_get(keys + keys), values)


@check
def a_key_of_40000_bytes_fails_alone():
    refused(Codes.READ_ERROR, "Read failed.", get, TOO_LONG)
    equal(multi_get([TOO_LONG, b"000002"]), {TOO_LONG: (None, Codes.READ_ERROR), b"000002": (b"v3", None)})
    asked = ([TOO_LONG, b"000002"], resource_of(VERSION), "0")
    equal(get_internally(asked), {TOO_LONG: (None, Codes.READ_ERROR), b"000002": (b"v3", None)})


@check
def an_unknown_file_set_is_named():
    for function, keys in ((get, b"k"), (multi_get, [b"k"])):
        refused(Codes.FILE_SET_NOT_FOUND, "File set nothing not found.", function, keys, file_set="nothing")


@check
def clusters_are_refused_when_neither_of_the_first_two_is_known():
    for function, keys in ((get, b"000002"), (multi_get, [b"000002"])):
        refused(Codes.INVALID_REQUEST, "Cluster list is empty", function, keys, clusters=[])
        refused(Codes.CLUSTER_NOT_FOUND, "Clusters [x] not found.", function, keys, clusters=["x"])
        text = "Clusters [x, y, local] not found."
        refused(Codes.CLUSTER_NOT_FOUND, text, function, keys, clusters=["x", "y", "local"])
    for clusters in (["local", "x"], ["x", "local"], ["local", "local", "x"]):
        equal(get(b"000002", clusters=clusters), (b"v3", None))


@check
def options_are_taken():
    for policy in (types.SelectionPolicy.RANDOM, types.SelectionPolicy.PRIMARY_FIRST):
        for delay in (-1, 0, 100, 2**62):
            options = types.RequestOptions(speculativeTimeoutMillis=delay, selectionPolicy=policy)
            equal(get(b"000002", options=options), (b"v3", None))


@check
def a_resource_names_the_version_that_is_read():
    keys = [b"000002", b"\xff", b"none"]
    equal(get_internally((keys, resource_of(OLD_VERSION), "0")), {b"000002": (b"v3", None)})
    both = {b"000002": (b"v3", None), b"\xff": (value_of(255), None)}
    equal(get_internally((keys, resource_of(VERSION), "0")), both)
    equal(get_internally(([b"000002"], resource_of(VERSION), "0"), ([b"\xff"], resource_of(VERSION), "0")), both)


@check
def what_is_not_served_is_said_key_by_key():
    unserved = {b"a": (None, Codes.NOT_SERVING_RESOURCE), b"\xff": (None, Codes.NOT_SERVING_RESOURCE)}
    for resource in (resource_of(VERSION + 1), f"$terrapin$data$nothing${VERSION}", "pins"):
        equal(get_internally(([b"a", b"\xff"], resource, "0")), unserved)
    resource = resource_of(VERSION)
    equal(
        get_internally(([b"000002"], resource, "0"), ([b"\xfe"], resource, "60")),
        {b"000002": (b"v3", None), b"\xfe": (None, Codes.NOT_SERVING_PARTITION)},
    )
    asked = (([b"a"], resource, "0"), ([b"a"], resource_of(OLD_VERSION), "0"))
    refused(Codes.INVALID_REQUEST, "Multiple resources within same get call.", get_internally, *asked)


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
            print(f"ok {function.__name__}", flush=True)
        except Exception as error:  # every check reports for itself
            failed += 1
            print(f"not ok {function.__name__}: {error!r}", flush=True)
    return 1 if failed else 0


sys.exit(main())
