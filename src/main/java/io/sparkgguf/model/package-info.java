/**
 * What a model is: its configuration, tensor names and transforms from Hugging Face to GGUF, tokenizer metadata.
 *
 * <p>Reads no weights and knows no file format; who runs a model gives it weights by {@link
 * io.sparkgguf.model.WeightSource}. Start at {@link io.sparkgguf.model.Model} and at {@link
 * io.sparkgguf.model.CheckpointMapping}, which makes one. Each architecture is a page of data ({@code LlamaPage},
 * {@code Qwen2Page}, {@code Qwen3Page}, {@code BitNetPage}): tensor names, shapes and row orders, and GGUF's keys in terms of {@code config.json}.
 */
package io.sparkgguf.model;
