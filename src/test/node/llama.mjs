// What the scripts here share: the model behind a path, loaded by the prebuilt llama.cpp of the npm package.
import {getLlama} from "node-llama-cpp";

/**
 * Loads GGUF files, one after the other, and hands `use` each model, one empty sequence of at least `contextSize` tokens,
 * and the file's place in `modelPaths`.
 * Keys and values are kept as float32 and attention is computed without the fused kernel: what is measured is the file,
 * not a rounding to float16 at run time.
 */
export async function withModels(modelPaths, contextSize, use) {
    const llama = await getLlama({
        build: "never",
        gpu: false,
        skipDownload: true,
        maxThreads: 1, // ggml's threads spin while they wait: two of them on two busy cores take ten times as long
        logLevel: "warn",
        logger: (level, message) => process.stderr.write(`llama.cpp ${level}: ${message.trimEnd()}\n`)
    });
    try {
        for (const [index, modelPath] of modelPaths.entries()) {
            try {
                const model = await llama.loadModel({modelPath, gpuLayers: 0});
                const context = await model.createContext({
                    contextSize,
                    batchSize: Math.min(contextSize, 512),
                    flashAttention: false,
                    experimentalKvCacheKeyType: "F32",
                    experimentalKvCacheValueType: "F32"
                });
                await use(model, context.getSequence(), index);
                await model.dispose();
            } catch (error) {
                throw new Error(`${modelPath}: ${error?.message ?? error}`);
            }
        }
    } finally {
        await llama.dispose();
    }
}

/** Runs `main(...arguments)`; a failure is one line on standard error and exit code 1. */
export async function run(usage, count, main) {
    const args = process.argv.slice(2);
    try {
        if (args.length !== count) throw new Error(`usage: ${usage}`);
        await main(...args);
    } catch (error) {
        process.stderr.write(`Cannot run llama.cpp: ${error?.message ?? error}\n`);
        process.exitCode = 1;
    }
}
