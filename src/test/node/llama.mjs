// What the scripts here share: the model behind a path, loaded by the prebuilt llama.cpp of the npm package.
import {getLlama} from "node-llama-cpp";

/**
 * Loads a GGUF file and hands `use` the model and one empty sequence of at least `contextSize` tokens.
 * Keys and values are kept as float32 and attention is computed without the fused kernel: what is measured is the file,
 * not a rounding to float16 at run time.
 */
export async function withModel(modelPath, contextSize, use) {
    const llama = await getLlama({
        build: "never",
        gpu: false,
        skipDownload: true,
        maxThreads: 2,
        logLevel: "warn",
        logger: (level, message) => process.stderr.write(`llama.cpp ${level}: ${message.trimEnd()}\n`)
    });
    try {
        const model = await llama.loadModel({modelPath, gpuLayers: 0});
        const context = await model.createContext({
            contextSize,
            batchSize: Math.min(contextSize, 512),
            flashAttention: false,
            experimentalKvCacheKeyType: "F32",
            experimentalKvCacheValueType: "F32"
        });
        return await use(model, context.getSequence());
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
