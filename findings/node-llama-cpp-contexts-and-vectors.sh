#!/usr/bin/env bash
# node-llama-cpp 3.22.1 (npm, with llama.cpp v0.5.0): sizes of contexts, and embeddings.
# Guess: the context is not larger than the given maximum; vectors have length 1, as those of
# llama.cpp's own programs; an empty text is an error or has a vector of the same width.
set -euo pipefail
model=$(cd "$(dirname "$0")/../models/tiny" && pwd)/tiny-stories-f16.gguf
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm install --silent --no-save --prefix . --ignore-scripts --omit=optional node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1 >/dev/null
cat > seen.mjs <<'JS'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, maxThreads: 1, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: process.argv[2] });
const sizes = [];
for (const contextSize of [1, { min: 10, max: 100 }, 300]) {
  const context = await model.createContext({ contextSize, threads: 1 });
  sizes.push(context.contextSize);
  await context.dispose();
}
const embedding = await model.createEmbeddingContext({ threads: 1 });
const length = async (text) => {
  const { vector } = await embedding.getEmbeddingFor(text);
  return [vector.length, Math.round(Math.hypot(...vector))];
};
const seen = JSON.stringify({ sizes, text: await length('Once upon a time'), empty: await length('') });
console.log(seen);
process.exit(seen === '{"sizes":[256,256,300],"text":[256,21],"empty":[0,0]}' ? 0 : 1);
JS
taskset -c 1 node seen.mjs "$model" || { echo "no longer so"; exit 1; }
echo "Still so: a context of at most 100 tokens gets 256, one of 300 says 300; vectors are not normalised"
echo "(length 21 here); an empty text has a vector of no elements, and no error."
