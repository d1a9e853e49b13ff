// Evaluates token ids by each of several models and writes the logits of the next token.
//
//   node logits.mjs QUESTION.json
//
// QUESTION.json: {models: ["MODEL.gguf", ...], outs: ["OUT.f32", ...], sequences: [[id, ...], ...], first}. Each sequence is
// evaluated from an empty context as it stands (no token is added).
// OUT.f32, one for each model: little-endian float32, the sequences one after the other, a row of vocabulary-size logits for
// each position from `first` (counted from 0) on.
import {open, readFile} from "node:fs/promises";
import {run, withModels} from "./llama.mjs";

const everyLogit = {generateNext: {logits: true, options: {temperature: 1, topK: 0, topP: 1, minP: 0}}};

await run("logits.mjs QUESTION.json", 1, async (questionPath) => {
    const {models, outs, sequences, first} = JSON.parse(await readFile(questionPath, "utf8"));
    const contextSize = Math.max(...sequences.map((ids) => ids.length));
    await withModels(models, contextSize, async (model, sequence, index) => {
        const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
        const out = await open(outs[index], "w");
        try {
            for (const ids of sequences) {
                await sequence.clearHistory();
                const rows = new Float32Array((ids.length - first) * vocabulary).fill(NaN);
                await sequence.controlledEvaluate(
                    ids.map((id, position) => position < first ? id : [id, everyLogit]),
                    {onTokenResult: (position, {next}) => {
                        const row = (position - first) * vocabulary;
                        for (const [token, logit] of next.logits) rows[row + token] = logit;
                        next.logits.clear(); // the results are kept until the sequence is done
                    }}
                );
                const missing = rows.findIndex(Number.isNaN);
                if (missing >= 0) {
                    const position = first + Math.floor(missing / vocabulary);
                    throw new Error(`token ${missing % vocabulary} has no logit, or NaN, at position ${position}`);
                }
                await out.writeFile(Buffer.from(rows.buffer));
            }
        } finally {
            await out.close();
        }
    });
});
