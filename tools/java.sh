#!/bin/sh
# Make sure that Java 17 or newer is there: install it where that takes no question, else say what to install.
set -eu
java_command=${JAVA_HOME:+$JAVA_HOME/bin/}java
major=$("$java_command" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
if [ "${major:-0}" -ge 17 ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Java 17 or newer is missing (found: ${major:-none}); installing openjdk-17-jre-headless"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq openjdk-17-jre-headless >/dev/null
    exit 0
fi
echo "Shelfcast needs Java 17 or newer (found: ${major:-none}). Install it: apt-get install openjdk-17-jre-headless," \
    "brew install openjdk@17, or set JAVA_HOME." >&2
exit 1
