#!/bin/sh
# Makes the JavaScript client of UserMetaStore into a folder, unedited: build.sh FOLDER. Needs thrift.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"/generated
cd "$1"
# es6: without it the generated code needs thrift.Q, which npm thrift no longer exports.
thrift -strict --gen js:node,es6 -out generated "$here"/../../../idl/usermetastore.thrift
echo '{ "type": "commonjs" }' > generated/package.json
