#!/bin/sh
# Builds the Java program beside this file into a folder: build.sh FOLDER. Needs thrift, mvn and a JDK of 17 or newer.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"/generated "$1"/classes
cd "$1"
mvn -q -B -f "$here"/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD"/lib
thrift -strict --gen java:generated_annotations=suppress -out generated "$here"/../../../idl/usermetastore.thrift
javac -nowarn -d classes -cp 'lib/*' generated/dev/godwit/usermetastore/*.java "$here"/*.java
