/**
 * Terrapin's three services, restated from its published interface (pinterest/terrapin, Apache-2.0, commit 9b22670:
 * core/src/main/thrift/TerrapinCommon, TerrapinService, TerrapinInternal and TerrapinController.thrift): names, field ids,
 * types, requiredness and defaults are theirs, the comments are ours. Framed transport, binary protocol.
 *
 * The first two services have a method `get` each, with different requests: they are told apart by their ports.
 */

namespace java com.pinterest.terrapin.thrift.generated
namespace py services.terrapin.thrift_libs

enum TerrapinGetErrorCode {
  OTHER = 1,
  /** 1xx: of a data server. */
  NOT_SERVING_RESOURCE = 101,
  NOT_SERVING_PARTITION = 102,
  READ_ERROR = 103,
  /** 2xx: of the client library and of TerrapinService. */
  PARTITION_OFFLINE = 201,
  FILE_SET_NOT_FOUND = 202,
  CLUSTER_NOT_FOUND = 203,
  INVALID_REQUEST = 204,
  INVALID_FILE_SET_VIEW = 205
}

exception TerrapinGetException {
  1: required string message
  2: required TerrapinGetErrorCode errorCode
}

/** Neither field: no such key. An empty value is set, with a length of 0. */
struct TerrapinSingleResponse {
  1: optional binary value
  2: optional TerrapinGetErrorCode errorCode
}

/** Keys that are not stored are left out. */
struct TerrapinResponse {
  1: required map<binary, TerrapinSingleResponse> responseMap
}

/** Of the first two clusters of a request. */
enum SelectionPolicy {
  RANDOM = 1,
  PRIMARY_FIRST = 2
}

struct RequestOptions {
  /** After so long without an answer the other cluster is asked as well. */
  1: optional i64 speculativeTimeoutMillis = 100
  2: optional SelectionPolicy selectionPolicy = SelectionPolicy.RANDOM
}

struct TerrapinGetRequest {
  1: required list<string> clusterList
  2: required string fileSet
  3: required binary key
  4: optional RequestOptions options
}

struct TerrapinMultiGetRequest {
  1: required list<string> clusterList
  2: required string fileSet
  3: required list<binary> keyList
  4: optional RequestOptions options
}

service TerrapinService {
  TerrapinSingleResponse get(1: TerrapinGetRequest request) throws (1: TerrapinGetException e)
  TerrapinResponse multiGet(1: TerrapinMultiGetRequest request) throws (1: TerrapinGetException e)
}

struct MultiKey {
  1: required list<binary> key
  /** Names a file set and a version: `$terrapin$data$<fileSet>$<version>`. */
  2: required string resource
  /** In decimal. */
  3: required string partition
}

struct TerrapinInternalGetRequest {
  1: required list<MultiKey> keyList
}

/** What a data server offers to the fat client. */
service TerrapinServerInternal {
  TerrapinResponse get(1: TerrapinInternalGetRequest request) throws (1: TerrapinGetException e)
}

enum ControllerErrorCode {
  OTHER = 1,
  HDFS_ERROR = 2,
  SHARD_LOAD_TIMEOUT = 3,
  INVALID_DATA_SET = 4,
  INVALID_REQUEST = 5,
  HELIX_ERROR = 6
}

enum PartitionerType {
  MODULUS = 1,
  CASCADING = 2
}

exception ControllerException {
  1: required string message
  2: required ControllerErrorCode errorCode
}

struct Options {
  1: optional i32 numVersionsToKeep = 1
  2: optional PartitionerType partitioner = PartitionerType.MODULUS
}

struct TerrapinLoadRequest {
  1: required string fileSet
  /** A directory of files `part-00000`, `part-00001`, ...; its name is the version. */
  2: required string hdfsDirectory
  3: required i32 expectedNumPartitions
  4: optional Options options
}

service TerrapinController {
  void loadFileSet(1: TerrapinLoadRequest request) throws (1: ControllerException e)
}
