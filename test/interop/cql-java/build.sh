#!/bin/sh
# Builds the Java programs beside this file into a folder: build.sh FOLDER. Needs mvn and a JDK of 17 or newer.
# The two drivers bring their own versions of Netty, so that each has a folder of its own.
set -e
here=$(cd "$(dirname "$0")" && pwd)
for driver in driver3 driver4; do
  mkdir -p "$1/$driver/classes"
  cd "$1/$driver"
  mvn -q -B -f "$here/$driver/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD"/lib
  javac -nowarn -d classes -cp 'lib/*' "$here"/Script.java "$here/$driver"/*.java
done
