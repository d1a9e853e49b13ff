// Evaluates token ids and writes the logits of the next token.
//
//   node logits.mjs MODEL.gguf SEQUENCES.json FIRST OUT.f32
//
// SEQUENCES.json: [[id, ...], ...], each evaluated from an empty context as it stands (no token is added).
// OUT.f32: little-endian float32, the sequences one after the other, a row of vocabulary-size logits for each position
// from FIRST (counted from 0) on.
import {open, readFile} from "node:fs/promises";
import {run, withModel} from "./llama.mjs";

const everyLogit = {generateNext: {logits: true, options: {temperature: 1, topK: 0, topP: 1, minP: 0}}};

await run("logits.mjs MODEL.gguf SEQUENCES.json FIRST OUT.f32", 4, async (modelPath, sequencesPath, first, outPath) => {
    const from = Number(first);
    const sequences = JSON.parse(await readFile(sequencesPath, "utf8"));
    const contextSize = Math.max(...sequences.map((ids) => ids.length));
    await withModel(modelPath, contextSize, async (model, sequence) => {
        const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
        const out = await open(outPath, "w");
        try {
            for (const ids of sequences) {
                await sequence.clearHistory();
                const rows = new Float32Array((ids.length - from) * vocabulary).fill(NaN);
                await sequence.controlledEvaluate(
                    ids.map((id, position) => position < from ? id : [id, everyLogit]),
                    {onTokenResult: (position, {next}) => {
                        const row = (position - from) * vocabulary;
                        for (const [token, logit] of next.logits) rows[row + token] = logit;
                        next.logits.clear(); // the results are kept until the sequence is done
                    }}
                );
                const missing = rows.findIndex(Number.isNaN);
                if (missing >= 0) {
                    const position = from + Math.floor(missing / vocabulary);
                    throw new Error(`token ${missing % vocabulary} has no logit, or NaN, at position ${position}`);
                }
                await out.writeFile(Buffer.from(rows.buffer));
            }
        } finally {
            await out.close();
        }
    });
});
