// Tokenizes texts as the file's own vocabulary says.
//
//   node tokenize.mjs MODEL.gguf TEXTS.json OUT.json
//
// TEXTS.json: ["text", ...]. OUT.json: {bos, eos, addBos, ids: [[id, ...], ...]}, ids without a BOS token in front;
// a special token's text becomes that token.
import {readFile, writeFile} from "node:fs/promises";
import {run, withModels} from "./llama.mjs";

await run("tokenize.mjs MODEL.gguf TEXTS.json OUT.json", 3, async (modelPath, textsPath, outPath) => {
    const texts = JSON.parse(await readFile(textsPath, "utf8"));
    await withModels([modelPath], 32, async (model) => {
        await writeFile(outPath, JSON.stringify({
            bos: model.tokens.bos,
            eos: model.tokens.eos,
            addBos: model.tokens.shouldPrependBosToken,
            ids: texts.map((text) => model.tokenize(text, true))
        }));
    });
});
