/**
 * GGUF files: read the header, lay a new file out, write it, whole or split.
 *
 * <p>Holds names, types and byte ranges; no tensor's bytes are understood here. Every rule is that of llama.cpp's own
 * reader (ggml/src/gguf.cpp and src/llama-model-loader.cpp as of b10572), told in {@link
 * io.sparkgguf.format.gguf.GgufReader}. Start at {@link io.sparkgguf.format.gguf.GgufSource} to read and at {@link
 * io.sparkgguf.format.gguf.GgufLayout} to write.
 */
package io.sparkgguf.format.gguf;
