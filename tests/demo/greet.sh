echo "$GREETING $1: $(id -un) in $(pwd), $(wc -l < /opt/greet/share/words) words, version $VERSION"
