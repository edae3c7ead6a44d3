#!/bin/sh
# Builds the Java program beside this file into a folder: build.sh FOLDER. Needs mvn and a JDK of 17 or newer.
set -e
here=$(cd "$(dirname "$0")" && pwd)
# Hadoop serves its pages from these folders and does not start without them.
mkdir -p "$1"/classes/webapps/hdfs "$1"/classes/webapps/datanode "$1"/classes/webapps/static
cd "$1"
mvn -q -B -f "$here"/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD"/lib
javac -nowarn -d classes -cp 'lib/*' "$here"/*.java
