/**
 * Whether a finished GGUF model is one that llama.cpp loads: the keys that its architecture needs, exactly the tensors that
 * they call for, a tokenizer that fits, and shards that belong together.
 *
 * <p>Works on metadata and the list of tensors; reads no file and knows no file format. What the format itself demands
 * (offsets, limits, ids) is the reader's to refuse. Architectures that are not in
 * {@link io.sparkgguf.validate.ArchitectureTensors} are checked by the rules that hold for all of them only.
 *
 * <p>Source: the loader of llama.cpp b10572 (src/llama-model-loader.cpp, src/llama-model.cpp, src/llama-vocab.cpp,
 * src/models). Start at {@link io.sparkgguf.validate.ModelCheck}.
 */
package io.sparkgguf.validate;
