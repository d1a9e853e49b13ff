// Continues a text, always by the likeliest token.
//
//   node generate.mjs MODEL.gguf PROMPT.json OUT.json
//
// PROMPT.json: {prompt, tokens}: the text and the number of tokens to write at most. OUT.json: {ids: [id, ...], text}: what
// was written, ending before an end-of-generation token.
import {readFile, writeFile} from "node:fs/promises";
import {run, withModels} from "./llama.mjs";

await run("generate.mjs MODEL.gguf PROMPT.json OUT.json", 3, async (modelPath, promptPath, outPath) => {
    const {prompt, tokens} = JSON.parse(await readFile(promptPath, "utf8"));
    await withModels([modelPath], 512, async (model, sequence) => {
        const {bos, shouldPrependBosToken} = model.tokens;
        const start = [...(shouldPrependBosToken ? [bos] : []), ...model.tokenize(prompt)];
        const ids = [];
        for await (const id of sequence.evaluate(start, {temperature: 0})) {
            if (model.isEogToken(id)) break;
            ids.push(id);
            if (ids.length >= tokens) break;
        }
        await writeFile(outPath, JSON.stringify({ids, text: model.detokenize(ids)}));
    });
});
