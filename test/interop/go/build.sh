#!/bin/sh
# Builds the Go programs beside this file into a folder: build.sh FOLDER. Needs thrift and go.
#
# Two field names of the IDL are names of methods that Go's generated code has, so that it would not compile. Names are
# not on the wire: a copy with other ones is the same contract.
set -e
here=$(cd "$(dirname "$0")" && pwd)
cp -r "$here"/. "$1"
cd "$1"
mkdir -p generated
sed -E -e 's/( 2: ErrorDetail) error$/\1 detail/' -e 's/( 2: optional WriteResponse) write$/\1 written/' \
  "$here"/../../../idl/kvstore.thrift > kvstore.thrift
thrift -strict --gen go:package_prefix=godwit.dev/interop/generated/ -out generated kvstore.thrift
# The compiler's own command-line client, which nobody here calls.
rm -r generated/godwit/kvstore/k_v_store-remote
go build -o bin/ ./example ./checks
