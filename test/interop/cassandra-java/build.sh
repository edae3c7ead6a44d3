#!/bin/sh
# Builds the Java program beside this file into a folder: build.sh FOLDER. Needs mvn and a JDK of 17.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"/classes
cd "$1"
mvn -q -B -f "$here"/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD"/lib
cp "$here"/logback.xml classes
javac -nowarn -d classes -cp 'lib/*' "$here"/*.java
