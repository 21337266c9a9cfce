#!/bin/sh
# Fill a folder with Delta's jars by Maven, for machines where Spark's own resolver does not get through.
# usage: tools/jars.sh FOLDER; then set spark.jars_dir to it (or use the default folder, which is found by itself).
set -eu
delta=4.4.0
spark=4.2
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/shelfcast/jars/delta-${delta}_spark-${spark}.0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shelfcast</groupId><artifactId>jars</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.delta</groupId><artifactId>delta-spark_${spark}_2.13</artifactId><version>${delta}</version>
    </dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DincludeGroupIds=io.delta,io.unitycatalog,org.locationtech.jts -DoutputDirectory="$work/jars"
mkdir -p "$folder"
cp "$work"/jars/*.jar "$folder"/
echo "jars in $folder:"
ls "$folder"
