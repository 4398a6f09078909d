#!/bin/sh
# Starts Afterimage with the Node.js of the system: the one inside Claude Desktop refuses native modules of others.
# Arguments: MODEL ALLOW_URLS FOLDER... as the client fills them in; one it leaves as ${...} or empty counts as unset.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

set_by_user() {
  case $1 in '' | *'${'*) return 1 ;; *) return 0 ;; esac
}

find_node() {
  # Programs started from the desktop get a short PATH.
  PATH="$PATH:/opt/homebrew/bin:/usr/local/bin:/usr/bin:$HOME/.volta/bin:$HOME/.local/bin"
  for version in "$HOME"/.nvm/versions/node/*/bin; do PATH="$PATH:$version"; done
  command -v node
}

node=$(find_node) || {
  echo 'Afterimage needs Node.js 20 or newer. Install it from https://nodejs.org and restart the app.' >&2
  exit 1
}

model=$1
allow_urls=$2
shift 2
# Rotate the folders through "$@", each becoming two arguments.
count=$#
while [ "$count" -gt 0 ]; do
  if set_by_user "$1"; then set -- "$@" --allow "$1"; fi
  shift
  count=$((count - 1))
done
if set_by_user "$model"; then set -- "$@" --model "$model"; fi
if [ "$allow_urls" = true ]; then set -- "$@" --allow-urls; fi
# Claude Desktop waits 60 s for a call: what there is by then is answered.
exec "$node" "$here/dist/src/main.js" mcp --deadline-ms 50000 --preload "$@"
