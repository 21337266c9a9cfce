#!/bin/sh
# Fill a folder with Delta's jars by Maven, for machines where Spark's own resolver does not get through.
# usage: tools/jars.sh FOLDER; then set spark.jars_dir to it (or use the default folders, which are found by themselves:
# there the jars for S3 get one of their own).
set -eu
delta=4.4.0
spark=4.2
hadoop=3.5.0
aws=2.35.4
cache=${XDG_CACHE_HOME:-$HOME/.cache}/shelfcast/jars
stores=${1:-$cache/hadoop-s3-${hadoop}}
folder=${1:-$cache/delta-${delta}_spark-${spark}.0}
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
    <dependency>
      <groupId>org.apache.hadoop</groupId><artifactId>hadoop-aws</artifactId><version>${hadoop}</version>
      <exclusions>
        <exclusion><groupId>software.amazon.awssdk</groupId><artifactId>bundle</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>software.amazon.awssdk</groupId><artifactId>s3-transfer-manager</artifactId><version>${aws}</version>
    </dependency>
    <dependency>
      <groupId>software.amazon.awssdk</groupId><artifactId>sts</artifactId><version>${aws}</version>
    </dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DincludeGroupIds=io.delta,io.unitycatalog,org.locationtech.jts -DoutputDirectory="$work/jars"
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DexcludeTransitive=true \
    -DincludeGroupIds=org.apache.hadoop -DoutputDirectory="$work/stores"
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DincludeGroupIds=software.amazon.awssdk,software.amazon.eventstream,software.amazon.s3.analyticsaccelerator,org.reactivestreams \
    -DoutputDirectory="$work/stores"
mkdir -p "$folder" "$stores"
cp "$work"/jars/*.jar "$folder"/
cp "$work"/stores/*.jar "$stores"/
echo "jars in $folder and $stores:"
ls "$folder" "$stores"
