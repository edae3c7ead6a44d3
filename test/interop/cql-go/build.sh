#!/bin/sh
# Builds the Go program beside this file into a folder, with both versions of the driver: build.sh FOLDER. Needs go.
set -e
here=$(cd "$(dirname "$0")" && pwd)
cp -r "$here"/. "$1"
cd "$1"
# The second version has another path and, as far as the program goes, the same names.
for source in main script checks; do
  sed 's|"github.com/gocql/gocql"|"github.com/apache/cassandra-gocql-driver/v2"|' $source.go > v2/$source.go
done
go build -o bin/v1 .
cd v2
go build -o ../bin/v2 .
